"""A guarded rollout as lists and pages show it: percentage, step and since when, read from the record in the document.

canary writes the record (`canary.core.record` has its form). What can't be read is left out: that a rollout is under
way is known from the record's presence alone. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from flagkit.core.definitions import ROLLOUTS_FLAG
from flagkit.core.rollouts import rollout_id

_FORM: Final = re.compile(r"\S+ \S+ \S+ (?P<phase>[a-z])\S* (?P<start>[0-9a-z]{6,7}) (?P<shifts>\S*) ", re.ASCII)
_PHASES: Final = {
    "s": "starting",
    "b": "baking",
    "h": "holding",
    "u": "paused",
    "i": "inconclusive",
    "p": "promoting",
    "o": "post-promotion watch",
    "r": "rolling back",
    "a": "aborting",
}


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rollout under way; what the record doesn't say is None, or empty.

    Attributes:
        id: canary's id of it.
        phase: where it stands, in a word or two.
        percent: the percentage that canary has set.
        step: number of the present step, from 1; None before the first, and once the percentage was lowered.
        steps: how many steps there are, the last one for all users included.
        since: from when on it has this percentage.
    """

    id: str
    phase: str = ""
    percent: Decimal | None = None
    step: int | None = None
    steps: int = 0
    since: datetime | None = None

    @property
    def step_text(self) -> str:
        """`step 2 of 5`; empty without a step."""
        return "" if self.step is None else f"step {self.step} of {self.steps}"

    def to_text(self) -> str:
        """Return where it stands: `25 % of users, step 3 of 5 since 2027-01-31 09:04 UTC, paused`."""
        share = "under way" if self.percent is None else f"{self.percent:f} % of users"
        since = "" if self.since is None else f"since {self.since:%Y-%m-%d %H:%M} UTC"
        return ", ".join(text for text in (share, f"{self.step_text} {since}".strip(), self.phase) if text)

    def data(self) -> dict[str, object]:
        """Return it as JSON-ready data."""
        return {
            "id": self.id,
            "phase": self.phase or None,
            "percent": None if self.percent is None else float(self.percent),
            "step": self.step,
            "steps": self.steps or None,
            "since": None if self.since is None else self.since.isoformat(),
        }


def rollouts_in(values: object) -> dict[str, Rollout]:
    """Return the rollouts under way by flag, from the values of a document."""
    records = values.get(ROLLOUTS_FLAG) if isinstance(values, Mapping) else None
    members = records.items() if isinstance(records, Mapping) else ()
    return {str(key): read_record(text) for key, text in members if isinstance(text, str) and text}


def read_record(text: str) -> Rollout:
    """Return what a record says."""
    found = _FORM.match(text)
    if found is None:
        return Rollout(rollout_id(text))
    started = datetime.fromtimestamp(int(found["start"], 36), UTC)
    known = Rollout(rollout_id(text), _PHASES.get(found["phase"], ""), since=started)
    with suppress(ValueError, ArithmeticError):
        words = [word.partition("@") for word in found["shifts"].split(",") if word]
        shifts = [(Decimal(percent.rstrip("?")), mark, offset) for percent, mark, offset in words]
        steps = 1 + len({percent for percent, _, _ in shifts if 0 < percent < 100})
        done = [(percent, int(offset, 36)) for percent, mark, offset in shifts if mark]
        if not done:
            return replace(known, percent=Decimal(0), steps=steps)
        (percent, offset), before = done[-1], done[-2:-1]
        is_lowered = bool(before) and before[0][0] > percent
        since = started + timedelta(seconds=offset)
        return replace(known, percent=percent, step=None if is_lowered else len(done), steps=steps, since=since)
    return known
