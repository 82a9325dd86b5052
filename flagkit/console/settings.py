"""What a console shows and how it runs. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

    from flagkit.console.sign_in import SignIn
    from flagkit.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """How a console is set up.

    Attributes:
        sources: where the flags are, an environment each, in the order in which they are shown:
            `appconfig://APPLICATION/ENVIRONMENT/PROFILE`, `file:PATH`, or `NAME=SOURCE` to name the environment.
        title: shown in the corner of each page.
        sign_in: how people sign in; by a one-time address that is written to stderr where None.
        hosts: host names under which browsers reach it, without port.
        base_url: its address, for the one-time address.
        audit_file: a file that every change is written down in; `-` for stdout. The logger `flagkit.audit` has it, too.
        trusted_proxies: how many proxies of one's own a request passed, for the address in the audit log.
        session: boto3 session; the usual chain of credentials where None.
        clock: the machine's where None.
    """

    sources: tuple[str, ...]
    title: str = "flagkit"
    sign_in: SignIn | None = None
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    base_url: str = "http://127.0.0.1:8765"
    audit_file: Path | None = None
    trusted_proxies: int = 0
    session: boto3.Session | None = None
    clock: Clock | None = None
