"""Signing in elsewhere: a load balancer or gateway signs people in, and each request brings a token that proves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from flagkit.console.identity import Grant, Identity, identity_of
from flagkit.console.sign_in import sign_in_page
from flagkit.web.token_settings import TokenError

Header = Literal["x-amzn-oidc-data", "authorization"]

ACCESS_TOKEN: Final = "x-amzn-oidc-accesstoken"  # noqa: S105 - the name of a header
"""The header in which an Application Load Balancer passes on the access token of the identity provider."""


class Verifier(Protocol):
    """What verifies a token (`flagkit.web.tokens`)."""

    async def verify(self, token: str, /) -> Mapping[str, Any]:
        """Return the claims of a token.

        Raises:
            TokenError: it is refused.
            KeysUnavailableError: its key can't be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class Claims:
    """Where a token says what.

    Attributes:
        name: the claim with the name that the history shows; `sub` where it is missing.
        groups: the claim with the groups, a list or a text with commas or spaces between them.
    """

    name: str = "email"
    groups: str = "cognito:groups"


class TokenSignIn:
    """People who are signed in before they reach the console.

    Args:
        header: the header with the token: `x-amzn-oidc-data` of a load balancer, or `authorization`.
        verifier: verifies it.
        grants: which groups have which roles.
        claims: where a token says what.
        groups_verifier: for groups that are only in the access token that a load balancer passes on; it must be the
            same person's.
    """

    sign_out = None

    def __init__(
        self,
        header: Header,
        verifier: Verifier,
        grants: Sequence[Grant],
        *,
        claims: Claims | None = None,
        groups_verifier: Verifier | None = None,
    ) -> None:
        self._header = header
        self._verifier = verifier
        self._grants = tuple(grants)
        self._claims = claims or Claims()
        self._groups_verifier = groups_verifier

    async def identify(self, connection: HTTPConnection) -> Identity | None:
        """Return who sends a request, by its token; a token that isn't valid is nobody's.

        Raises:
            KeysUnavailableError: nobody knows whether the token is valid.
        """
        token = _token(connection, self._header)
        claims = None if token is None else await _verified(self._verifier, token)
        if claims is None or not isinstance(subject := claims.get("sub"), str) or not subject:
            return None
        grouped = claims
        if self._groups_verifier is not None:
            access_token = _token(connection, ACCESS_TOKEN)
            found = None if access_token is None else await _verified(self._groups_verifier, access_token)
            if found is None or found.get("sub") != subject:
                return None
            grouped = found
        return identity_of(self._name(claims, subject), subject, _words(grouped.get(self._claims.groups)), self._grants)

    async def ask(self, request: Request) -> Response:
        """Say that somebody has to sign in; a form that was sent is kept."""
        return await sign_in_page(request, "token")

    def routes(self) -> Sequence[Route]:
        """Return no routes: the sign-in is elsewhere."""
        return []

    def _name(self, claims: Mapping[str, Any], subject: str) -> str:
        name = claims.get(self._claims.name)
        # An address that nobody checked could be another person's.
        is_unproven = self._claims.name == "email" and str(claims.get("email_verified", "true")).lower() != "true"
        return name if isinstance(name, str) and name and not is_unproven else subject


def _token(connection: HTTPConnection, header: str) -> str | None:
    values = connection.headers.getlist(header)
    if len(values) != 1:
        return None
    if header != "authorization":
        return values[0]
    kind, _, token = values[0].partition(" ")
    return token if kind.lower() == "bearer" else None


async def _verified(verifier: Verifier, token: str) -> Mapping[str, Any] | None:
    try:
        return await verifier.verify(token)
    except TokenError:
        return None


def _words(claim: object) -> list[str]:
    if isinstance(claim, str):
        return claim.replace(",", " ").split()
    return [item for item in claim if isinstance(item, str)] if isinstance(claim, list | tuple) else []
