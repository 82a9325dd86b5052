"""What the releases panel shows, and how long it waits. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from canary.adapters.aws import Session
    from canary.core.plan import StagePlan
    from canary.ports import Clock


@dataclass(frozen=True, slots=True)
class ReleasesSettings:
    """How the panel is set up.

    Attributes:
        plan: the plan file; it is read again when it changes.
        base: directory that relative paths of the plan start from.
        region: AWS region, instead of the plan's.
        profile: profile of the AWS configuration.
        sessions: makes the boto3 session of a stage; from the environment where None.
        clock: the machine's where None.
        deadline_s: how long a page waits for AWS; what comes later is on the next page.
        action_s: how long an answer waits for an action; it is carried out to its end in any case.
        fresh_s: pages that ask within so long share an answer.
        refresh_s: how often an open page asks for what is new.
    """

    plan: Path
    base: Path = field(default_factory=Path)
    region: str | None = None
    profile: str | None = None
    sessions: Callable[[StagePlan], Session] | None = None
    clock: Clock | None = None
    deadline_s: float = 3.0
    action_s: float = 8.0
    fresh_s: float = 1.0
    refresh_s: float = 2.0
