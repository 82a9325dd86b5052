"""Builds the ports of a stage from its plan: the only place that knows which adapter serves which port."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from canary.core.plan import Plan
from canary.ports import Clock, Journal, Observer
from canary.runner import Ports

if TYPE_CHECKING:
    import boto3


def load_plan(path: Path) -> Plan:
    """Reads `canary.toml`.

    Raises:
        PlanError: no such file, or the plan is wrong.

    Since 0.1.
    """
    raise NotImplementedError


def open_journal(plan: Plan, *, base: Path = Path(), session: boto3.Session | None = None) -> Journal:
    """The journal that the plan names: `file:DIRECTORY` or `dynamodb://TABLE`. Since 0.1."""
    raise NotImplementedError


def assemble(
    plan: Plan,
    stage: str,
    *,
    base: Path = Path(),
    session: boto3.Session | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
) -> Ports:
    """The real ports of one stage.

    Args:
        plan: the whole plan (for its journal).
        stage: name of the stage.
        base: directory that relative paths of the plan start from.
        session: the boto3 session to use; made from the environment and the stage's region when None.
        clock: the machine's clock when None; the stand-in hands in its virtual one.
        observers: hear every event.

    Raises:
        UnknownStageError: the plan has no such stage.
        AccessDeniedError: no credentials.

    Since 0.1.
    """
    raise NotImplementedError
