"""Which tokens are accepted, and what can be wrong with one; values only, without the libraries that verify."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

LEEWAY_S: Final = 60
_COGNITO: Final = "https://cognito-idp."


class TokenError(Exception):
    """A token that is refused; the message says why, and quotes nothing of it."""


class KeysUnavailableError(Exception):
    """The keys can't be had, so nobody knows whether the token is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """Which tokens are accepted.

    Attributes:
        issuer: the claim `iss`, to the letter, for example `https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1`.
        audience: the accepted `aud`; of a Cognito access token, which has none, the accepted `client_id`.
        use: the claim `token_use`, by which Cognito tells `access` tokens from `id` tokens; None for issuers that don't
            have it. `access` by default for Cognito.
        keys_url: where the public keys are; by default `/.well-known/jwks.json` under the issuer.
        leeway_s: how far clocks may differ.
    """

    issuer: str
    audience: tuple[str, ...]
    use: str | None = None
    keys_url: str = ""
    leeway_s: int = LEEWAY_S

    def __post_init__(self) -> None:
        if not self.audience or not all(self.audience):
            raise ValueError("audience is empty: name at least one client id or audience")
        if not self.keys_url:
            object.__setattr__(self, "keys_url", f"{self.issuer.rstrip('/')}/.well-known/jwks.json")
        for name in ("issuer", "keys_url"):
            url = urlsplit(str(getattr(self, name)))
            is_local = url.scheme == "http" and url.hostname in {"127.0.0.1", "localhost", "::1"}
            if not url.hostname or not (url.scheme == "https" or is_local):
                raise ValueError(f"{name} must be a URL that starts with https://, not {url.geturl()[:80]!r}")
        if self.use is None and self.issuer.startswith(_COGNITO):
            object.__setattr__(self, "use", "access")
        if not 0 <= self.leeway_s <= 600:
            raise ValueError(f"leeway_s must be from 0 to 600, not {self.leeway_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerSettings:
    """Which load balancer's headers are accepted.

    Attributes:
        signer: the ARN of the load balancer. Any load balancer of AWS signs with a key of its region, so without the
            ARN anybody's would be believed.
        client_id: the client id that it signs people in with.
        issuer: the issuer of the identity provider, as it stands in the header of the token.
        leeway_s: how far clocks may differ.
    """

    signer: str
    client_id: str
    issuer: str
    leeway_s: int = LEEWAY_S
    region: str = field(init=False)

    def __post_init__(self) -> None:
        found = re.fullmatch(r"arn:aws:elasticloadbalancing:([a-z0-9-]+):\d{12}:loadbalancer/app/[\w/-]+", self.signer)
        if found is None:
            raise ValueError(f"signer must be the ARN of an Application Load Balancer, not {self.signer[:120]!r}")
        object.__setattr__(self, "region", found[1])
