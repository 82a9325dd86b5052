"""Who asks: API keys, tokens of signed-in users, and the passes of event streams. It must not evaluate flags."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NoReturn, Protocol
from urllib.parse import parse_qs

from flagkit.core.context import text_of
from flagkit.frameworks.awslambda import context_of_claims, names_of_claims
from flagkit.ofrep.answers import TARGETING_KEY, Caller
from flagkit.ofrep.settings import OfrepSettings, check_streams
from flagkit.runtime.clock import Clock
from flagkit.web.asgi import Headers, RefusedRequestError, header
from flagkit.web.token_settings import KeysUnavailableError, TokenError


class Verifier(Protocol):
    """Verifies tokens."""

    async def verify(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token.

        Raises:
            TokenError: it is refused.
            KeysUnavailableError: nobody knows at the moment.
        """
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks.

    Attributes:
        claims: what the caller's token says; None for callers with an API key, and where nobody has to sign in.
        stream_pass: what the address of the event stream carries in place of a credential; can be empty.
    """

    claims: Mapping[str, Any] | None = None
    stream_pass: str = ""


_ANYBODY = Identity()


class Callers:
    """Tells who asks.

    Args:
        settings: the server's.
        user_key: the context key of the user.
        clock: the time.
        verifier: verifies tokens, in place of one for `settings.tokens`.
    """

    def __init__(self, settings: OfrepSettings, user_key: str, clock: Clock, verifier: Verifier | None) -> None:
        if verifier is None and settings.tokens is not None:
            from flagkit.web.tokens import TokenVerifier  # needs PyJWT, and takes a while to load

            verifier = TokenVerifier(settings.tokens, clock=clock)
        self._verifier = verifier
        self._claims = settings.claims
        self._not_of_body = {*names_of_claims(settings.claims), user_key}
        self._keys = tuple(
            (sha256(key.encode("ascii")).digest(), Identity(None, _pass(key))) for key in settings.api_keys
        )
        self._token_pass = ""
        if verifier is not None:
            secret = settings.stream_secret or "\0".join(settings.api_keys)
            check_streams(settings)
            self._token_pass = _pass(f"tokens\0{secret}")
        self._passes = tuple(identity.stream_pass.encode("ascii") for _, identity in self._keys)
        if verifier is not None:
            self._passes += (self._token_pass.encode("ascii"),)

    async def authenticate(self, headers: Headers) -> Identity:
        """Return who asks.

        Raises:
            RefusedRequestError: nobody who may (401), or tokens can't be verified at the moment (500).
        """
        if not self._keys and self._verifier is None:
            return _ANYBODY
        key = header(headers, b"x-api-key")
        scheme, _, credential = (header(headers, b"authorization") or b"").partition(b" ")
        token = credential.strip() if scheme.lower() == b"bearer" else None
        for secret in (key, token):
            identity = None if secret is None else self._with_key(secret)
            if identity is not None:
                return identity
        if token is None or self._verifier is None:
            _unauthorized("" if key is None and token is None else "invalid_token")
        return Identity(await self._verified(self._verifier, token), self._token_pass)

    def caller(self, identity: Identity, context: dict[str, object]) -> Caller:
        """Return whom flags are evaluated for: with a token the user that it names, whatever the body says."""
        claims = identity.claims
        if claims is not None:
            for name in self._not_of_body:
                context.pop(name, None)
            context.update(context_of_claims(claims, self._claims))
            context[TARGETING_KEY] = claims["sub"]
        user = context.get(TARGETING_KEY)
        return Caller(user if isinstance(user, str) and user else None, _with_texts(context))

    def check_pass(self, query: bytes) -> None:
        """Refuse a stream without a valid pass, where callers have to say who they are.

        Raises:
            RefusedRequestError: it has none.
        """
        if not self._passes:
            return
        given = parse_qs(query.decode("latin-1")).get("pass", [""])[0].encode("utf-8", "replace")
        # All of them, so that the time doesn't say which one is nearly right.
        if not sum(hmac.compare_digest(given, known) for known in self._passes):
            _unauthorized()

    def _with_key(self, secret: bytes) -> Identity | None:
        digest, found = sha256(secret).digest(), None
        for known, identity in self._keys:  # all of them, for the same reason
            if hmac.compare_digest(digest, known):
                found = identity
        return found

    async def _verified(self, verifier: Verifier, token: bytes) -> Mapping[str, Any]:
        try:
            claims = await verifier.verify(token.decode("latin-1"))
        except TokenError as error:
            _unauthorized("invalid_token", str(error))
        except KeysUnavailableError:
            headers = [(b"retry-after", b"10")]
            raise RefusedRequestError(500, "Tokens can't be verified at the moment.", headers) from None
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            _unauthorized("invalid_token", "The token is refused: it names no user.")
        return claims


def _with_texts(context: dict[str, object]) -> dict[str, object]:
    """Convert each list once to the text that every rule would make of it again."""
    for name, value in context.items():
        if isinstance(value, list):
            context[name] = text_of(value)
        elif isinstance(value, dict):
            _with_texts(value)
    return context


def _pass(secret: str) -> str:
    """The pass of a credential. Who has it can learn that flags changed, and nothing else."""
    return hmac.new(secret.encode(), b"flagkit ofrep stream", sha256).hexdigest()[:40]


def _unauthorized(error: str = "", description: str = "") -> NoReturn:
    value = "Bearer"
    if error:
        value += f' error="{error}"'
    if description:
        value += f', error_description="{description}"'
    raise RefusedRequestError(401, "", [(b"www-authenticate", value.encode("ascii", "replace"))])
