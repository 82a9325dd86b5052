"""One row of `canary history` from a canary's events; both journals list by it."""

from __future__ import annotations

from collections.abc import Iterable

from canary.core.events import CanaryEnded, CanaryStarted, Event


def row_of(events: Iterable[Event]) -> dict[str, str] | None:
    """canary_id, stage, started_at, ended_at, outcome, why, versions; None when the start was never written."""
    row: dict[str, str] | None = None
    for event in events:
        if isinstance(event, CanaryStarted):
            moves = ", ".join(f"{move.function} {move.base} → {move.candidate}" for move in event.functions)
            row = {
                "canary_id": event.canary_id,
                "stage": event.stage,
                "started_at": event.at.isoformat(),
                "ended_at": "",
                "outcome": "",
                "why": "",
                "versions": moves,
            }
        elif isinstance(event, CanaryEnded) and row is not None:
            row |= {"ended_at": event.at.isoformat(), "outcome": event.outcome.value, "why": event.why}
    return row
