"""From `[console]` in flagkit.toml to settings: who signs in how, who may do what, and where that is written down."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flagkit.admin.settings import BalancerTable, ConsoleTable, TokenTable, read_settings
from flagkit.admin.settings_file import find_file
from flagkit.console.identity import Grant, Role
from flagkit.console.settings import ConsoleSettings
from flagkit.console.sign_in import SignIn
from flagkit.console.token_sign_in import Claims, TokenSignIn
from flagkit.console.workspace import named
from flagkit.errors import UsageError
from flagkit.runtime.clock import Clock
from flagkit.web.token_settings import BalancerSettings, TokenSettings
from flagkit.web.tokens import BalancerVerifier, TokenVerifier


def configured(
    settings: ConsoleSettings, *, path: Path | None = None, environment: Mapping[str, str] | None = None
) -> ConsoleSettings:
    """Return settings with what `[console]` in flagkit.toml says; as they are where it says nothing.

    Args:
        settings: the sources, and what else the caller knows.
        path: the file; where None, that of the first source (`$FLAGKIT_CONFIG`, or beside it, or in a parent folder).
        environment: the environment variables; the process' own where None.

    Raises:
        UsageError: the file can't be read, or is not valid.
    """
    if path is None:
        known = os.environ if environment is None else environment
        path = find_file(named(settings.sources[0])[1], known, Path.cwd()) if settings.sources else None
    table = None if path is None else read_settings(path).console
    if table is None:
        return settings
    return replace(
        settings,
        hosts=(*settings.hosts, *table.hosts),
        sign_in=settings.sign_in or _sign_in(table, settings.clock),
        audit_file=settings.audit_file or table.audit_file,
        trusted_proxies=table.trusted_proxies,
    )


def _sign_in(table: ConsoleTable, clock: Clock | None) -> SignIn | None:
    grants = [Grant(Role(item.role), item.group, item.environments) for item in table.roles]
    try:
        match table.sign_in:
            case None:
                return None
            case BalancerTable() as own:
                verifier = BalancerVerifier(
                    BalancerSettings(signer=own.signer, client_id=own.client_id, issuer=own.issuer), clock=clock
                )
                access = TokenSettings(issuer=own.issuer, audience=(own.client_id,))
                return TokenSignIn(
                    "x-amzn-oidc-data",
                    verifier,
                    grants,
                    claims=Claims(own.name_claim, own.groups_claim),
                    groups_verifier=TokenVerifier(access, clock=clock) if own.groups_from == "access_token" else None,
                )
            case TokenTable() as own:
                tokens = TokenSettings(issuer=own.issuer, audience=own.audience, use=own.use)
                claims = Claims(own.name_claim, own.groups_claim)
                return TokenSignIn("authorization", TokenVerifier(tokens, clock=clock), grants, claims=claims)
    except ValueError as error:
        raise UsageError(
            f"[console.sign_in]: {error}", hint="Correct the file; docs/console-administrators.md shows its form."
        ) from None
