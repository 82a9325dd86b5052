"""A rollout of a flag is shown as what it is: users of a flag, not traffic of a version."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from canary.core.events import CanaryStarted, FunctionMove
from canary.core.phases import Phase
from canary.core.words import words_of
from canary.view.build import view_of_events
from canary.view.labels import headline
from canary.view.plain import function_text

NOW = datetime(2027, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize("phase", list(Phase))
def test_no_phase_of_a_rollout_speaks_of_versions_or_traffic(phase: Phase) -> None:
    text = headline(phase, 500, "", words_of("flag.new_checkout:on"))
    assert not {"version", "traffic", "baseline"} & set(text.lower().replace(".", " ").replace(":", " ").split())


def test_a_rollout_names_its_users() -> None:
    moves = (FunctionMove("flag.new_checkout:on", "1", "2", ""),)
    start = CanaryStarted("k3f9a2c1", "checkout", NOW, moves, (100, 500), "9f3a2b1c")
    view = view_of_events([start]).view()
    assert (view.flag, view.candidate_name, view.baseline_name) == (
        "new_checkout",
        "users with new_checkout",
        "users without it",
    )
    assert view.weight_name == "Share of users with new_checkout"
    assert function_text(view.functions[0]) == "new_checkout: 0 % of the users have it"
