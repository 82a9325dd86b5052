"""When to look, and at which minutes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from canary.core.phases import Phase
from canary.core.plan import FunctionRef
from canary.core.record import Shift
from canary.core.schedule import history_start, next_look, settle, settle_at_least, settled_until, whole_minute
from canary.core.state import CanaryState, FunctionState
from tests.canary.stages import stage_of

SETTLE = timedelta(seconds=120)
NOW = datetime(2026, 1, 5, 9, 5, 42, 7, tzinfo=UTC)


def test_a_minute_is_scored_only_after_its_slowest_request_has_ended() -> None:
    """lambda-canary.md §2.2: max(120 s, function timeout + 60 s)."""
    assert settle(timedelta(seconds=120), 3) == timedelta(seconds=120)
    assert settle(timedelta(seconds=120), 900) == timedelta(seconds=960)
    assert settle_at_least(30) == timedelta(seconds=50), "however fast CloudWatch is, an invocation must be over"


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
        (state(Phase.BAKING, behind=("api:live",)), 5),
        (state(Phase.POST_BAKE, draining=("api:live",)), 5),
        (state(Phase.PROMOTING), 5),
        (state(Phase.ROLLING_BACK), 5),
    ],
)
def test_it_looks_sooner_while_an_alias_is_on_its_way(canary: CanaryState, wait_s: int) -> None:
    assert next_look(canary, NOW, SETTLE) == NOW + timedelta(seconds=wait_s)


@pytest.mark.parametrize("phase", [Phase.BAKING, Phase.HOLDING, Phase.PAUSED, Phase.INCONCLUSIVE, Phase.POST_BAKE])
@pytest.mark.parametrize(("settle_s", "second"), [(120, 0), (80, 20), (100, 40)])
def test_looks_fall_on_the_moments_at_which_a_further_minute_counts(phase: Phase, settle_s: int, second: int) -> None:
    for now in (NOW, NOW + timedelta(seconds=7), NOW + timedelta(seconds=31)):
        at = next_look(state(phase), now, timedelta(seconds=settle_s))
        assert at is not None
        assert at.second == second
        assert timedelta(seconds=5) <= at - now <= timedelta(seconds=65)


def test_close_looks_are_twenty_seconds_apart_unless_the_plan_wants_them_closer() -> None:
    first = next_look(state(Phase.BAKING), NOW, SETTLE, is_close=True)
    assert first == datetime(2026, 1, 5, 9, 6, tzinfo=UTC)
    assert next_look(state(Phase.BAKING), first, SETTLE, is_close=True) == first + timedelta(seconds=20)
    hurried = replace(state(Phase.BAKING), stage=stage_of(tick="10s"))
    assert next_look(hurried, first, SETTLE, is_close=True) == first + timedelta(seconds=10)


def test_two_looks_are_never_a_moment_apart() -> None:
    just_before = datetime(2026, 1, 5, 9, 5, 59, tzinfo=UTC)
    assert next_look(state(Phase.BAKING), just_before, SETTLE) == datetime(2026, 1, 5, 9, 7, tzinfo=UTC)


def shifted(phase: Phase, *, deadline: timedelta | None = None, post_bake: str = "5m") -> CanaryState:
    """A canary that got its first weight at NOW."""
    stage = stage_of(tick="10m", post_bake=post_bake, min_bake="90s", watch_min="1m")
    at = None if deadline is None else NOW + deadline
    function = FunctionState(FunctionRef.parse("api:live"), "1", "2")
    return CanaryState("id", stage, (function,), phase, NOW, "f", shifts=(Shift(NOW, 1000),), deadline=at)


@pytest.mark.parametrize(
    ("canary", "wait"),
    [
        (shifted(Phase.BAKING), timedelta(seconds=90)),
        (shifted(Phase.HOLDING, deadline=timedelta(minutes=4)), timedelta(minutes=4)),
        (shifted(Phase.POST_BAKE, post_bake="3m"), timedelta(minutes=3)),
    ],
)
def test_a_slow_driver_looks_when_time_alone_decides(canary: CanaryState, wait: timedelta) -> None:
    assert next_look(canary, NOW + timedelta(seconds=1), SETTLE) == NOW + wait


def test_a_turning_point_that_is_past_is_not_looked_for() -> None:
    later = NOW + timedelta(minutes=30)
    at = next_look(shifted(Phase.HOLDING, deadline=timedelta(minutes=4)), later, SETTLE)
    assert at is not None
    assert at > later


@pytest.mark.parametrize("phase", [Phase.PROMOTED, Phase.ROLLED_BACK, Phase.ABORTED, Phase.CONFLICT])
def test_a_canary_that_is_over_is_not_looked_at_again(phase: Phase) -> None:
    assert next_look(state(phase), NOW, SETTLE) is None
