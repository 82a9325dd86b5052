"""Canaries of all engines at once: each ends as its data say, in time, and is published once."""

from __future__ import annotations

import pytest

from benchmarks.fleet import play


@pytest.mark.sweep
@pytest.mark.slow
def test_canaries_of_several_stages_end_as_their_data_say() -> None:
    fleet, _ = play(7, stages=2, canaries=1)
    assert {canary.outcome for stage in fleet.stages for canary in stage.canaries} == {"rolled_back"}


@pytest.mark.sweep
@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_canaries_of_four_stages_and_three_engines_survive_kills_and_faults(seed: int) -> None:
    fleet, notices = play(seed)
    assert len([canary for stage in fleet.stages for canary in stage.canaries]) == 20
    assert notices["notices"] >= 30
