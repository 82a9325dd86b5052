"""Who drives a canary, as far as its records can tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from canary.core.alias import AliasSpec, AliasState
from canary.core.orphans import end_of, sightings
from canary.core.phases import Phase
from canary.core.plan import FunctionRef
from canary.core.record import Record, Shift, encode

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TWO_HOURS = timedelta(hours=2)


def record(phase: Phase, minutes: float, *, deadline: float | None = None, weight_bp: int = 2500) -> Record:
    began = NOW - timedelta(minutes=minutes)
    return Record(
        canary_id="k3f9a2c1",
        baseline="41",
        candidate="42",
        phase=phase,
        started_at=began,
        shifts=() if phase is Phase.STARTING else (Shift(began, weight_bp),),
        deadline=None if deadline is None else NOW - timedelta(minutes=deadline),
        fingerprint="9f3a2b1c",
        description="Live",
    )


def alias(found: Record | str, name: str = "api", version: str = "41", extra: str | None = "42") -> AliasState:
    text = found if isinstance(found, str) else encode(found)
    return AliasState(FunctionRef(name, "live"), version, extra, 2500 if extra else 0, text, "r1")


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (record(Phase.BAKING, 119), "in progress"),
        (record(Phase.BAKING, 121), "abandoned"),
        (record(Phase.STARTING, 121), "abandoned"),
        (record(Phase.HOLDING, 200, deadline=14), "abandoned"),
        (record(Phase.HOLDING, 40, deadline=16), "abandoned"),
        (record(Phase.HOLDING, 40, deadline=14), "in progress"),
        (record(Phase.ROLLING_BACK, 16, weight_bp=0), "abandoned"),
        (record(Phase.PROMOTING, 14, weight_bp=10_000), "in progress"),
        (record(Phase.PAUSED, 9999), "waiting"),
        (record(Phase.INCONCLUSIVE, 9999), "waiting"),
    ],
)
def test_a_record_tells_whether_a_canary_is_driven(found: Record, verdict: str) -> None:
    (sighting,) = sightings("eu-west-1", [alias(found), alias("the operator's")], NOW, TWO_HOURS)
    assert (sighting.verdict, sighting.canary_id, len(sighting.aliases)) == (verdict, "k3f9a2c1", 1)


def test_the_aliases_of_one_canary_are_one_sighting_and_damaged_records_are_shown() -> None:
    both = record(Phase.BAKING, 300)
    damaged = "canary1 nonsense"
    found = sightings("eu-west-1", [alias(both), alias(damaged, "odd"), alias(both, "worker")], NOW, TWO_HOURS)
    assert [(one.verdict, len(one.aliases)) for one in found] == [("abandoned", 2), ("unreadable", 1)]


@pytest.mark.parametrize(
    ("found", "spec"),
    [
        (alias(record(Phase.BAKING, 1)), AliasSpec("41", None, 0, "Live")),
        (
            alias(record(Phase.POST_BAKE, 1, weight_bp=10_000), version="42", extra=None),
            AliasSpec("41", None, 0, "Live"),
        ),
        (
            alias(record(Phase.PROMOTED, 1, weight_bp=10_000), version="42", extra=None),
            AliasSpec("42", None, 0, "Live"),
        ),
        (alias(record(Phase.BAKING, 1), version="40"), AliasSpec("40", "42", 2500, "Live")),
        (alias(record(Phase.BAKING, 1), extra="43"), AliasSpec("41", "43", 2500, "Live")),
        (alias(record(Phase.BAKING, 1), version="42", extra=None), AliasSpec("42", None, 0, "Live")),
        (alias("no record"), None),
    ],
)
def test_an_end_goes_to_the_baseline_and_leaves_where_somebody_else_has_moved_it(
    found: AliasState, spec: AliasSpec | None
) -> None:
    assert end_of(found) == spec
