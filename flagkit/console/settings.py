"""What a console shows and how it runs. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

    from flagkit.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """How a console is set up.

    Attributes:
        sources: where the flags are, an environment each, in the order in which they are shown:
            `appconfig://APPLICATION/ENVIRONMENT/PROFILE`, `file:PATH`, or `NAME=SOURCE` to name the environment.
        title: shown in the corner of each page.
        session: boto3 session; the usual chain of credentials where None.
        clock: the machine's where None.
    """

    sources: tuple[str, ...]
    title: str = "flagkit"
    session: boto3.Session | None = None
    clock: Clock | None = None
