"""When to look, and at which minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from canary.core.phases import Phase
from canary.core.schedule import history_start, next_look, settle, settled_until, whole_minute
from canary.core.state import CanaryState
from tests.canary.stages import stage_of

NOW = datetime(2026, 1, 5, 9, 5, 42, 7, tzinfo=UTC)


def test_a_minute_is_scored_only_after_its_slowest_request_has_ended() -> None:
    """lambda-canary.md §2.2: max(120 s, function timeout + 60 s)."""
    assert settle(timedelta(seconds=120), 3) == timedelta(seconds=120)
    assert settle(timedelta(seconds=120), 900) == timedelta(seconds=960)


def test_windows_are_aligned_to_whole_minutes() -> None:
    assert whole_minute(NOW) == datetime(2026, 1, 5, 9, 5, tzinfo=UTC)
    assert settled_until(NOW, timedelta(seconds=120)) == datetime(2026, 1, 5, 9, 3, tzinfo=UTC)
    assert history_start(NOW, timedelta(minutes=180)) == datetime(2026, 1, 5, 6, 5, tzinfo=UTC)


def state(phase: Phase, **changes: tuple[str, ...]) -> CanaryState:
    return CanaryState("id", stage_of(), (), phase, NOW, "f", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("canary", "wait_s"),
    [
        (state(Phase.STARTING), 0),
        (state(Phase.BAKING), 60),
        (state(Phase.PAUSED), 60),
        (state(Phase.BAKING, behind=("api:live",)), 5),
        (state(Phase.POST_BAKE, draining=("api:live",)), 5),
        (state(Phase.PROMOTING), 5),
        (state(Phase.ROLLING_BACK), 5),
    ],
)
def test_it_looks_every_tick_and_sooner_while_an_alias_is_on_its_way(canary: CanaryState, wait_s: int) -> None:
    assert next_look(canary, NOW) == NOW + timedelta(seconds=wait_s)


@pytest.mark.parametrize("phase", [Phase.PROMOTED, Phase.ROLLED_BACK, Phase.ABORTED, Phase.CONFLICT])
def test_a_canary_that_is_over_is_not_looked_at_again(phase: Phase) -> None:
    assert next_look(state(phase), NOW) is None
