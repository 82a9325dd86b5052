"""Whether other flags are rolled out to the same users, as checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from canary.runner.checks import Check, Level
from canary.runner.session import Ports

OTHERS: Final = "other_rollouts"


def other_checks(ports: Ports) -> Iterator[Check]:
    """One for each rollout that is under way; it refuses none."""
    if ports.others is None:
        return
    found = ports.others()
    for other in found:
        yield Check(OTHERS, Level.WARNING, other.sentence, hint=other.hint)
    if not found:
        yield Check(OTHERS, Level.OK, "no other flag is rolled out to the same users")
