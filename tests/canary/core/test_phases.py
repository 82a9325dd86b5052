"""The table of the machine: nothing can happen that isn't in it, and the documentation shows it as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from canary.core.phases import (
    AFTER_PROMOTION,
    FINAL,
    FORWARD,
    RETURNING,
    TRANSITIONS,
    Phase,
    Signal,
    diagram,
    next_phase,
)
from canary.errors import RefusedError

PAGE = Path(__file__).parents[3] / "docs" / "canary" / "how-it-works.md"


def test_an_illegal_signal_is_refused_and_says_where_the_canary_stands() -> None:
    with pytest.raises(RefusedError, match="'promotion requested' is not possible while the canary is rolling back"):
        next_phase(Phase.ROLLING_BACK, Signal.PROMOTE)


def test_nothing_leaves_a_final_phase() -> None:
    assert {phase for phase, row in TRANSITIONS.items() if not row} == FINAL


def test_every_phase_with_traffic_on_the_candidate_can_be_rolled_back() -> None:
    for phase in FORWARD | (AFTER_PROMOTION - FINAL):
        assert {TRANSITIONS[phase][signal] for signal in (Signal.UNHEALTHY, Signal.ROLLBACK)} == {Phase.ROLLING_BACK}
        assert TRANSITIONS[phase][Signal.ABORT] is Phase.ABORTING


def test_a_rollback_never_turns_into_something_else() -> None:
    reached = set(RETURNING)
    while True:
        more = {after for phase in reached for after in TRANSITIONS[phase].values()} | reached
        if more == reached:
            break
        reached = more
    assert reached == RETURNING | {Phase.CONFLICT}


def test_every_phase_can_be_reached_and_every_unfinished_one_can_stop_for_a_foreign_writer() -> None:
    reachable = {after for row in TRANSITIONS.values() for after in row.values()} | {Phase.STARTING}
    assert reachable == set(Phase)
    assert all(TRANSITIONS[phase][Signal.FOREIGN] is Phase.CONFLICT for phase in set(Phase) - FINAL)


def test_the_diagram_in_the_documentation_is_the_table() -> None:
    assert diagram() in PAGE.read_text(encoding="utf-8"), (
        "docs/canary/how-it-works.md: paste the output of canary.core.phases.diagram()"
    )
