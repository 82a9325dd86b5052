"""User ids as salted hashes, so that exposures and telemetry can be joined without naming anybody."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets


class Pseudonyms:
    """Hashes user ids.

    Args:
        salt: the same in the whole deployment; the environment variable FLAGKIT_SALT, else one made up at the start
            (then hashes of two processes can't be compared), where None.

    Since 0.1.
    """

    def __init__(self, salt: str | None = None) -> None:
        text = os.environ.get("FLAGKIT_SALT") if salt is None else salt
        self._key = secrets.token_bytes(16) if text is None else text.encode()

    def of(self, user: str) -> str:
        """The user's pseudonym: 32 hexadecimal digits of HMAC-SHA-256."""
        return hmac.new(self._key, user.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:32]
