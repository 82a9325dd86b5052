"""The record of a guarded rollout as lists and pages show it; what can't be read is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from canary.core.phases import Phase
from canary.core.record import Record, Shift, encode
from flagkit.admin.rollouts import Rollout, read_record, rollouts_in

START = datetime(2027, 1, 31, 9, 4, tzinfo=UTC)


def record(phase: Phase, *shifts: int, planned: tuple[int, ...] = ()) -> str:
    """What canary writes: a change of the percentage every ten minutes."""
    done = tuple(Shift(START + timedelta(minutes=10 * number), each) for number, each in enumerate(shifts))
    return encode(Record("k3f9a2c1", "1", "2", phase, START, done, None, "9f3a2b1c", "", planned_bp=planned))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (record(Phase.STARTING, planned=(100, 500)), "0 % of users, since 2027-01-31 09:04 UTC, starting"),
        (record(Phase.BAKING, 100, planned=(550,)), "1 % of users, step 1 of 3 since 2027-01-31 09:04 UTC, baking"),
        (record(Phase.PAUSED, 100, 550), "5.5 % of users, step 2 of 3 since 2027-01-31 09:14 UTC, paused"),
        (
            record(Phase.POST_BAKE, 100, 550, 10000),
            "100 % of users, step 3 of 3 since 2027-01-31 09:24 UTC, post-promotion watch",
        ),
        (record(Phase.ROLLING_BACK, 100, 550, 0), "0 % of users, since 2027-01-31 09:24 UTC, rolling back"),
        (
            "canary1 k3f9a2c1 1>2 r tn1f0a 1@0,5?@go,25@lo,5@xc - 9f3a2b1c|",  # back at the last safe percentage
            "5 % of users, since 2026-10-17 06:12 UTC, rolling back",
        ),
        ("canary9 k3f9a2c1 something else", "under way"),
        ("canary1 k3f9a2c1 1>2 b tn1f0a x@y - 9f3a2b1c|", "under way, since 2026-10-17 05:52 UTC, baking"),
        (f"canary1 k3f9a2c1 1>2 b tn1f0a 10@{'z' * 30} - 9f3a2b1c|", "under way, since 2026-10-17 05:52 UTC, baking"),
    ],
)
def test_a_record_says_percentage_step_and_since_when(text: str, shown: str) -> None:
    assert read_record(text).to_text() == shown


def test_every_phase_that_canary_records_has_a_name() -> None:
    recorded = [phase for phase in Phase if phase not in {Phase.PROMOTED, Phase.ROLLED_BACK, Phase.ABORTED}]
    for phase in recorded:
        if phase is not Phase.CONFLICT:
            assert read_record(record(phase)).phase, phase


def test_only_records_are_rollouts() -> None:
    values = {"flagkit-rollouts": {"enabled": False, "checkout": "canary1 k3f9a2c1 ", "other": ""}}
    assert rollouts_in(values) == {"checkout": Rollout("k3f9a2c1")}
    assert rollouts_in(None) == rollouts_in({"flagkit-rollouts": 1}) == {}


def test_data_has_numbers_as_numbers() -> None:
    data = read_record(record(Phase.BAKING, 100, 550)).data()
    assert data == {
        "id": "k3f9a2c1",
        "phase": "baking",
        "percent": 5.5,
        "step": 2,
        "steps": 3,
        "since": "2027-01-31T09:14:00+00:00",
    }
    assert Rollout("x").data()["percent"] is None
    assert read_record("").percent is None
    assert Decimal("5.5") == read_record(record(Phase.BAKING, 100, 550)).percent
