"""The machine when it is cut short, at its ends, and when a person or a foreign writer speaks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from canary.core.events import (
    Announce,
    CanaryEnded,
    Effect,
    Judged,
    Measured,
    Noticed,
    PhaseChanged,
    WriteAliases,
    WriteKind,
)
from canary.core.machine import conclude, decide, request
from canary.core.measurements import MinuteCounts, Observations, Stream, StreamKey
from canary.core.phases import FINAL, Phase, Signal
from canary.core.plan import FunctionRef, StagePlan
from canary.core.record import Shift, decode
from canary.core.recover import fingerprint
from canary.core.state import CanaryState, ForeignChange, FunctionState
from canary.core.verdict import Judgement, Rule, SharedIncident, Verdict
from canary.errors import RefusedError
from tests.canary.stages import stage_of

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
API, WORKER = FunctionRef("api", "live"), FunctionRef("worker", "live")


def canary(
    phase: Phase = Phase.BAKING, *weights: int, stage: StagePlan | None = None, **changes: object
) -> CanaryState:
    """A canary of two functions in this phase; each weight was written ten minutes after the one before."""
    stage = stage or stage_of("api:live", "worker:live")
    weights = weights or ((1000,) if phase is not Phase.STARTING else ())
    state = CanaryState(
        canary_id="k3f9a2c1",
        stage=stage,
        functions=(FunctionState(API, "1", "2", "Live traffic"), FunctionState(WORKER, "7", "9")),
        phase=phase,
        started_at=START,
        fingerprint=fingerprint(stage),
        shifts=tuple(Shift(START + 10 * number * MINUTE, weight) for number, weight in enumerate(weights)),
    )
    return replace(state, **changes)  # type: ignore[arg-type]


def said(verdict: Verdict, process: Rule = Rule.WAITING, **more: object) -> Judgement:
    return Judgement(verdict, f"it is {verdict.value}", process, START, **more)  # type: ignore[arg-type]


HEALTHY = said(Verdict.HEALTHY, Rule.SAFE)
UNHEALTHY = said(Verdict.UNHEALTHY, Rule.REGRESSION)
UNSURE = said(Verdict.INCONCLUSIVE)
NO_DATA = said(Verdict.NO_DATA, Rule.NO_DATA)


def writes(effects: tuple[Effect, ...]) -> list[WriteAliases]:
    return [effect for effect in effects if isinstance(effect, WriteAliases)]


def published(effects: tuple[Effect, ...]) -> list[type]:
    return [type(effect.event) for effect in effects if isinstance(effect, Announce)]


def after(minutes: float) -> datetime:
    return START + minutes * MINUTE


def test_an_interrupted_write_is_completed_before_anything_else() -> None:
    state, _, effects = conclude(canary(behind=("worker:live",)), HEALTHY, after(9))
    assert state.weight_bp == 1000
    (order,) = writes(effects)
    assert (order.kind, [w.function.key for w in order.writes]) == (WriteKind.FORWARD, ["worker:live"])


def test_an_unhealthy_canary_does_not_complete_its_step() -> None:
    state, _, effects = conclude(canary(behind=("worker:live",)), UNHEALTHY, after(9))
    assert state.phase is Phase.ROLLING_BACK
    assert writes(effects)[0].kind is WriteKind.ROLLBACK


def test_a_promotion_is_over_only_when_every_alias_is_read_back_and_awss_own_weights_are_gone() -> None:
    promoting = canary(Phase.PROMOTING, 1000, 10_000)
    assert conclude(replace(promoting, behind=("api:live",)), UNSURE, after(11))[0].phase is Phase.PROMOTING
    assert conclude(replace(promoting, draining=("api:live",)), UNSURE, after(11))[0].phase is Phase.PROMOTING
    state, _, effects = conclude(promoting, UNSURE, after(11))
    assert state.phase is Phase.POST_BAKE
    assert writes(effects)[0].kind is WriteKind.ANNOTATE


def watched(minutes: int = 1) -> Observations:
    """So many minutes of traffic after the promotion at ten minutes past the start."""
    rows = tuple(MinuteCounts(after(11 + minute), 100) for minute in range(minutes))
    return Observations((Stream(StreamKey("api:live", "errors"), rows),))


def test_after_the_post_bake_the_descriptions_are_restored_the_leads_last() -> None:
    post = canary(Phase.POST_BAKE, 1000, 10_000)
    assert conclude(post, UNSURE, after(14.9))[0].phase is Phase.POST_BAKE
    state, _, effects = conclude(post, UNSURE, after(15), watched(3))
    assert (state.phase, state.is_watched) == (Phase.PROMOTED, True)
    assert state.why == "no regression in 3 measured min at 100 %"
    (order,) = writes(effects)
    assert [w.function.key for w in order.writes] == ["api:live", "worker:live", "api:live"]
    marked = decode(order.writes[0].spec.description)
    assert marked is not None
    assert marked.phase is Phase.PROMOTED
    assert [w.spec.description for w in order.writes[1:]] == ["", "Live traffic"]
    assert published(effects) == [Measured, Judged, PhaseChanged, CanaryEnded]
    ended = effects[-1]
    assert isinstance(ended, Announce)
    assert isinstance(ended.event, CanaryEnded)
    assert ended.event.functions_left == ()


def test_a_promotion_says_that_a_dry_run_gate_would_have_rolled_back() -> None:
    judged = replace(UNSURE, would_roll_back="9 % of 400 requests failed")
    state, _, _ = conclude(canary(Phase.POST_BAKE, 1000, 10_000), judged, after(15), watched(3))
    assert state.why == (
        "no regression in 3 measured min at 100 %, "
        "but a dry-run gate would have rolled back: 9 % of 400 requests failed"
    )


def test_one_function_alone_needs_no_mark() -> None:
    alone = replace(canary(Phase.POST_BAKE, 1000, 10_000), functions=(FunctionState(API, "1", "2", "Live traffic"),))
    _, _, effects = conclude(alone, UNSURE, after(15), watched())
    assert [w.spec.description for w in writes(effects)[0].writes] == ["Live traffic"]


def test_a_shared_incident_prolongs_the_post_promotion_watch() -> None:
    shared = said(Verdict.INCONCLUSIVE, Rule.LITERAL, shared_incident=SharedIncident(START, 3, still_above=True))
    assert conclude(canary(Phase.POST_BAKE, 1000, 10_000), shared, after(44), watched())[0].phase is Phase.POST_BAKE
    assert conclude(canary(Phase.POST_BAKE, 1000, 10_000), shared, after(45), watched())[0].phase is Phase.PROMOTED


@pytest.mark.parametrize(("going", "gone"), [(Phase.ROLLING_BACK, Phase.ROLLED_BACK), (Phase.ABORTING, Phase.ABORTED)])
def test_a_rollback_ends_when_every_alias_is_verified(going: Phase, gone: Phase) -> None:
    returning = canary(going, 1000, 0)
    waiting, _, effects = conclude(replace(returning, behind=("worker:live",)), HEALTHY, after(1))
    assert waiting.phase is going
    assert writes(effects)[0].kind is WriteKind.ROLLBACK
    assert conclude(replace(returning, draining=("api:live",)), HEALTHY, after(1))[0].phase is going
    state, _, effects = conclude(returning, HEALTHY, after(1))
    assert state.phase is gone
    assert [w.function.key for w in writes(effects)[0].writes] == ["worker:live", "api:live"]
    assert published(effects) == [PhaseChanged, CanaryEnded]


def test_a_foreign_change_stops_the_canary_without_any_write_and_says_what_is_left() -> None:
    taken = canary(foreign=(ForeignChange("worker:live", "worker:live is on version 12"),))
    state, _, effects = conclude(taken, HEALTHY, after(9))
    assert (state.phase, state.why, writes(effects)) == (Phase.CONFLICT, "worker:live is on version 12", [])
    ended = effects[-1]
    assert isinstance(ended, Announce)
    assert isinstance(ended.event, CanaryEnded)
    assert ended.event.functions_left == ("api:live",)


def test_an_unhealthy_canary_rolls_back_what_is_still_its_own_beside_a_foreign_change() -> None:
    taken = canary(foreign=(ForeignChange("worker:live", "moved"),))
    state, _, effects = conclude(taken, UNHEALTHY, after(9))
    assert state.phase is Phase.ROLLING_BACK
    assert isinstance(effects[0], WriteAliases)


def test_a_rollback_finishes_its_own_aliases_and_names_the_others() -> None:
    taken = canary(Phase.ROLLING_BACK, 1000, 0, foreign=(ForeignChange("worker:live", "worker:live moved"),))
    state, _, effects = conclude(taken, NO_DATA, after(1))
    assert (state.phase, [w.function.key for w in writes(effects)[0].writes]) == (Phase.ROLLED_BACK, ["api:live"])
    assert "worker:live moved" in state.why


def test_a_rollback_without_an_alias_of_its_own_is_a_conflict() -> None:
    both = (ForeignChange("api:live", "moved"), ForeignChange("worker:live", "moved"))
    assert conclude(canary(Phase.ROLLING_BACK, 1000, 0, foreign=both), UNHEALTHY, after(1))[0].phase is Phase.CONFLICT


def test_an_end_whose_last_writes_were_interrupted_is_completed_and_published() -> None:
    state, _, effects = conclude(canary(Phase.PROMOTED, 1000, 10_000, behind=("api:live",)), NO_DATA, after(20))
    assert state.phase is Phase.PROMOTED
    assert writes(effects)[0].kind is WriteKind.RESTORE
    assert published(effects) == [CanaryEnded]


@pytest.mark.parametrize("phase", sorted(FINAL))
def test_nothing_happens_after_the_end(phase: Phase) -> None:
    ended = canary(phase, 1000, 0)
    assert conclude(ended, UNHEALTHY, after(99)) == (ended, UNHEALTHY, ())


def test_a_person_may_pause_and_resume_and_the_hold_counts_from_then_on() -> None:
    paused, _, effects = request(canary(), Signal.PAUSE, "coffee", after(8))
    assert (paused.phase, paused.why, writes(effects)[0].kind) == (Phase.PAUSED, "coffee", WriteKind.ANNOTATE)
    resumed, _, _ = request(paused, Signal.RESUME, "go", after(60))
    assert resumed.phase is Phase.BAKING
    held, _, _ = conclude(resumed, UNSURE, after(60))
    assert (held.phase, held.deadline) == (Phase.HOLDING, after(90))


def test_a_resumed_canary_may_still_bake_first() -> None:
    resumed, _, _ = request(canary(Phase.PAUSED), Signal.RESUME, "go", after(3))
    held, _, _ = conclude(resumed, UNSURE, after(10))
    assert held.deadline == after(40)


def test_a_person_may_promote_abort_or_roll_back() -> None:
    assert request(canary(), Signal.PROMOTE, "trust me", after(1))[0].phase is Phase.PROMOTING
    assert request(canary(), Signal.ABORT, "stop", after(1))[0].phase is Phase.ABORTING
    back, _, effects = request(canary(Phase.POST_BAKE, 10_000), Signal.ROLLBACK, "no", after(1))
    assert (back.phase, writes(effects)[0].kind) == (Phase.ROLLING_BACK, WriteKind.ROLLBACK)


def test_a_pause_of_a_half_written_step_records_the_weight_on_the_alias_that_lacked_it() -> None:
    half = canary(behind=("worker:live",))
    api, worker = half.functions
    half = replace(half, functions=(api, replace(worker, shifts=())))
    paused = request(half, Signal.PAUSE, "wait", after(2)).state
    assert paused.shifts_of(paused.functions[1]) == (Shift(after(2), 1000),)
    assert paused.shifts_of(paused.functions[0]) == half.shifts


def test_an_illegal_request_changes_nothing() -> None:
    with pytest.raises(RefusedError):
        request(canary(Phase.ROLLING_BACK), Signal.PAUSE, "wait", after(1))


def test_decide_judges_and_then_concludes() -> None:
    state, judgement, effects = decide(canary(), Observations(), after(1))
    assert judgement is not None
    assert state.phase is Phase.BAKING
    measured, judged = [effect.event for effect in effects if isinstance(effect, Announce)]
    assert isinstance(measured, Measured)
    assert isinstance(judged, Judged)
    assert judged.judgement is judgement
    assert judgement.verdict is Verdict.NO_DATA


def test_a_pause_of_the_plan_waits_for_resume_and_then_advances() -> None:
    steps = [{"weight": 10, "bake": 10 * MINUTE, "pause": True}, {"weight": 50, "bake": 10 * MINUTE}]
    paused = conclude(canary(stage=stage_of("api:live", "worker:live", steps=steps)), HEALTHY, after(6)).state
    assert (paused.phase, paused.weight_bp) == (Phase.PAUSED, 1000)
    assert paused.why.startswith("the plan pauses after 10 %: waiting for `canary resume staging`")
    assert conclude(paused, HEALTHY, after(60)).state.phase is Phase.PAUSED
    resumed = request(paused, Signal.RESUME, "go", after(61)).state
    onward = conclude(resumed, HEALTHY, after(62)).state
    assert (onward.phase, onward.weight_bp) == (Phase.BAKING, 5000)


@pytest.mark.parametrize("phase", [Phase.BAKING, Phase.HOLDING, Phase.INCONCLUSIVE])
def test_on_unhealthy_pause_keeps_the_weight_and_waits_for_a_person(phase: Phase) -> None:
    stage = stage_of("api:live", "worker:live", on_unhealthy="pause")
    paused = conclude(canary(phase, stage=stage), UNHEALTHY, after(3)).state
    assert (paused.phase, paused.weight_bp) == (Phase.PAUSED, 1000)
    assert paused.why == 'on_unhealthy = "pause": waiting for `canary rollback staging`; it is unhealthy'
    assert conclude(paused, UNHEALTHY, after(4)).state == paused
    assert request(paused, Signal.ROLLBACK, "no", after(5)).state.phase is Phase.ROLLING_BACK


def test_on_unhealthy_pause_still_rolls_back_a_promoted_version() -> None:
    stage = stage_of("api:live", "worker:live", on_unhealthy="pause")
    state = conclude(canary(Phase.POST_BAKE, 1000, 10_000, stage=stage), UNHEALTHY, after(12)).state
    assert state.phase is Phase.ROLLING_BACK


@pytest.mark.parametrize(
    "observations",
    [
        Observations(),
        Observations((Stream(StreamKey("api:live", "errors"), (MinuteCounts(after(9), 100),)),)),
        Observations((Stream(StreamKey("api:live", "errors"), (MinuteCounts(after(12), 0),)),)),
    ],
    ids=["no stream", "minutes before the promotion only", "no request"],
)
def test_a_promotion_without_a_measured_minute_is_watched_longer_and_then_ends_as_not_watched(
    observations: Observations,
) -> None:
    post = canary(Phase.POST_BAKE, 1000, 10_000)
    assert conclude(post, UNSURE, after(44.9), observations).state.phase is Phase.POST_BAKE
    state, _, effects = conclude(post, UNSURE, after(45), observations)
    assert (state.phase, state.is_watched) == (Phase.PROMOTED, False)
    assert state.why == "not watched: no measured minute with traffic in 35m at 100 %"
    alert = effects[-1]
    assert isinstance(alert, Announce)
    assert isinstance(alert.event, Noticed)
    assert alert.event.is_alert


def test_data_that_comes_during_the_extension_end_the_watch() -> None:
    post = canary(Phase.POST_BAKE, 1000, 10_000)
    state = conclude(post, UNSURE, after(20), watched(2)).state
    assert (state.phase, state.is_watched) == (Phase.PROMOTED, True)


def test_a_promotion_without_data_is_rolled_back_when_the_plan_says_so() -> None:
    post = canary(Phase.POST_BAKE, 1000, 10_000, stage=stage_of("api:live", "worker:live", on_no_data="rollback"))
    assert conclude(post, UNSURE, after(45)).state.phase is Phase.ROLLING_BACK


def test_a_plan_without_a_post_promotion_watch_says_so_at_the_end() -> None:
    stage = stage_of("api:live", "worker:live", post_bake="0s")
    state = conclude(canary(Phase.POST_BAKE, 1000, 10_000, stage=stage), UNSURE, after(10)).state
    assert (state.phase, state.why) == (Phase.PROMOTED, 'promoted without a post-promotion watch: post_bake = "0s"')
