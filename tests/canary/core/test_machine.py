"""The machine on its way forward: which judgement leads where, and what is ordered in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from canary.core.events import (
    Announce,
    Effect,
    Judged,
    PhaseChanged,
    TrafficShifted,
    WriteAliases,
    WriteKind,
)
from canary.core.machine import conclude, ready_to_advance, start_writes
from canary.core.phases import Phase
from canary.core.plan import FunctionRef, StagePlan
from canary.core.record import Shift, decode
from canary.core.recover import fingerprint
from canary.core.state import CanaryState, FunctionState
from canary.core.verdict import Judgement, Rule, Verdict
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


def test_a_canary_with_all_its_records_begins_with_its_first_weight() -> None:
    state, _, effects = conclude(canary(Phase.STARTING), NO_DATA, after(0))
    assert (state.phase, state.weight_bp, state.planned_bp) == (Phase.BAKING, 1000, (2500, 5000))
    (order,) = writes(effects)
    assert order.kind is WriteKind.FORWARD
    assert [(w.function.key, w.spec.version, w.spec.extra_version, w.spec.extra_bp) for w in order.writes] == [
        ("api:live", "1", "2", 1000),
        ("worker:live", "7", "9", 1000),
    ]
    assert published(effects) == [TrafficShifted, PhaseChanged]


def test_claims_put_the_record_on_every_alias_and_no_weight_the_lead_first() -> None:
    order = start_writes(canary(Phase.STARTING))
    assert order.kind is WriteKind.ANNOTATE
    assert [(w.function.key, w.spec.version, w.spec.extra_version) for w in order.writes] == [
        ("api:live", "1", None),
        ("worker:live", "7", None),
    ]


def test_every_write_of_weights_carries_the_record_of_the_state_it_leads_to() -> None:
    state, _, effects = conclude(canary(), HEALTHY, after(6))
    record = decode(writes(effects)[0].writes[0].spec.description)
    assert record is not None
    assert (record.phase, record.shifts, record.planned_bp) == (Phase.BAKING, state.shifts, (5000,))
    assert record.description == "Live traffic"


def test_an_unhealthy_candidate_is_stopped_before_it_has_any_traffic() -> None:
    state, _, effects = conclude(canary(Phase.STARTING), UNHEALTHY, after(0))
    assert state.phase is Phase.ABORTED
    (order,) = writes(effects)
    assert order.kind is WriteKind.RESTORE
    assert [(w.spec.version, w.spec.extra_version, w.spec.description) for w in order.writes] == [
        ("7", None, ""),
        ("1", None, "Live traffic"),
    ]


def test_an_interrupted_start_is_aborted_because_the_missing_versions_are_unknown() -> None:
    state, _, _ = conclude(canary(Phase.STARTING, unstarted=("worker:live",)), NO_DATA, after(0))
    assert state.phase is Phase.ABORTED
    assert "worker:live" in state.why


def test_healthy_counts_only_after_the_minimum_bake() -> None:
    before, _, effects = conclude(canary(), HEALTHY, after(4.9))
    assert (before.weight_bp, writes(effects)) == (1000, [])
    onward, _, _ = conclude(canary(), HEALTHY, after(5))
    assert (onward.phase, onward.weight_bp) == (Phase.BAKING, 2500)


def test_a_bake_shorter_than_the_minimum_is_what_was_asked_for() -> None:
    stage = stage_of("api:live", "worker:live").with_steps([Decimal(weight) for weight in range(5, 50, 4)])
    assert stage.steps[0].bake < stage.min_bake
    assert ready_to_advance(canary(stage=stage), after(0)) == stage.steps[0].bake


def test_the_last_step_waits_for_the_whole_watch() -> None:
    last = canary(Phase.BAKING, 1000, 2500, 5000, stage=stage_of("api:live", "worker:live", watch_min="28m"))
    waiting, _, _ = conclude(last, HEALTHY, after(27))
    assert waiting.phase is Phase.BAKING
    promoting, _, effects = conclude(last, HEALTHY, after(28))
    assert (promoting.phase, promoting.weight_bp) == (Phase.PROMOTING, 10_000)
    assert {(w.spec.version, w.spec.extra_version) for w in writes(effects)[0].writes} == {("2", None), ("9", None)}


def test_a_healthy_canary_is_not_held_for_the_watch_it_still_owes() -> None:
    last = canary(
        Phase.BAKING, 5000, stage=stage_of("api:live", "worker:live", steps=[{"weight": 50, "bake": 15 * MINUTE}])
    )
    state, _, _ = conclude(last, HEALTHY, after(14))
    assert state.phase is Phase.BAKING


def test_before_its_first_weight_nothing_has_to_be_watched() -> None:
    assert ready_to_advance(canary(Phase.STARTING), after(0)) == timedelta()


def test_manual_promotion_waits_for_a_person_and_keeps_watching() -> None:
    stage = stage_of("api:live", "worker:live", promote="manual")
    onward, _, _ = conclude(canary(stage=stage), HEALTHY, after(9))
    assert onward.weight_bp == 2500, "only the promotion waits"
    state, _, _ = conclude(canary(Phase.BAKING, 1000, 2500, 5000, stage=stage), HEALTHY, after(40))
    assert state.phase is Phase.PAUSED
    assert "canary promote staging" in state.why
    assert conclude(state, HEALTHY, after(99))[0].phase is Phase.PAUSED
    assert conclude(state, UNHEALTHY, after(99))[0].phase is Phase.ROLLING_BACK


@pytest.mark.parametrize("phase", [Phase.BAKING, Phase.HOLDING, Phase.PAUSED, Phase.INCONCLUSIVE])
def test_an_unhealthy_canary_rolls_back_from_every_phase_that_shares_traffic(phase: Phase) -> None:
    state, _, effects = conclude(canary(phase), UNHEALTHY, after(3))
    assert (state.phase, state.weight_bp, state.why) == (Phase.ROLLING_BACK, 0, "it is unhealthy")
    assert isinstance(effects[0], WriteAliases), "the rollback comes before any other call, telling included"
    assert effects[0].kind is WriteKind.ROLLBACK
    assert {(w.spec.version, w.spec.extra_version, w.versions) for w in effects[0].writes} == {
        ("1", None, ("1", "2")),
        ("7", None, ("7", "9")),
    }


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.POST_BAKE])
def test_an_unhealthy_canary_rolls_back_after_the_promotion_too(phase: Phase) -> None:
    state, _, effects = conclude(canary(phase, 1000, 10_000), UNHEALTHY, after(12))
    assert (state.phase, state.weight_bp) == (Phase.ROLLING_BACK, 0)
    assert {w.spec.version for w in writes(effects)[0].writes} == {"1", "7"}


def test_an_unsure_canary_holds_when_its_bake_is_over_and_not_before() -> None:
    assert conclude(canary(), UNSURE, after(9.9))[0].phase is Phase.BAKING
    state, _, effects = conclude(canary(), UNSURE, after(10))
    assert (state.phase, state.deadline, state.weight_bp) == (Phase.HOLDING, after(40), 1000)
    assert writes(effects)[0].kind is WriteKind.ANNOTATE
    assert published(effects) == [Judged, PhaseChanged]


def test_a_driver_that_was_dead_does_not_hold_twice_as_long() -> None:
    state, _, _ = conclude(canary(), UNSURE, after(35))
    assert state.deadline == after(40)


def test_a_hold_that_begins_late_lasts_until_what_is_counted_from_then_on_has_settled() -> None:
    """After an hour asleep, or an hour by which AWS's clock has stepped, the first look is not the last one."""
    state, _, _ = conclude(canary(), NO_DATA, after(99))
    assert (state.phase, state.deadline) == (Phase.HOLDING, after(103))
    short = canary(stage=stage_of("api:live", "worker:live", hold_max="1m"))
    assert conclude(short, NO_DATA, after(99))[0].deadline == after(100)


def test_a_holding_canary_goes_on_as_soon_as_it_is_healthy() -> None:
    state, _, _ = conclude(canary(Phase.HOLDING, deadline=after(40)), HEALTHY, after(12))
    assert (state.phase, state.weight_bp, state.deadline) == (Phase.BAKING, 2500, None)


def test_a_holding_canary_waits_until_its_deadline() -> None:
    assert conclude(canary(Phase.HOLDING, deadline=after(40)), UNSURE, after(39))[0].phase is Phase.HOLDING
    assert conclude(canary(Phase.HOLDING), UNSURE, after(99))[0].phase is Phase.HOLDING


@pytest.mark.parametrize(
    ("judgement", "policies", "phase", "weight_bp"),
    [
        (UNSURE, {}, Phase.INCONCLUSIVE, 1000),
        (NO_DATA, {}, Phase.INCONCLUSIVE, 1000),
        (UNSURE, {"on_inconclusive": "rollback"}, Phase.ROLLING_BACK, 0),
        (NO_DATA, {"on_inconclusive": "rollback"}, Phase.INCONCLUSIVE, 1000),
        (NO_DATA, {"on_no_data": "rollback"}, Phase.ROLLING_BACK, 0),
        (UNSURE, {"on_inconclusive": "promote"}, Phase.BAKING, 2500),
        (NO_DATA, {"on_no_data": "promote"}, Phase.BAKING, 2500),
        (said(Verdict.INCONCLUSIVE, Rule.HARM), {"on_inconclusive": "promote"}, Phase.INCONCLUSIVE, 1000),
        (said(Verdict.INCONCLUSIVE, Rule.LITERAL), {"on_inconclusive": "promote"}, Phase.INCONCLUSIVE, 1000),
    ],
)
def test_a_hold_is_bounded_and_then_the_policy_speaks(
    judgement: Judgement, policies: dict[str, str], phase: Phase, weight_bp: int
) -> None:
    held = canary(Phase.HOLDING, stage=stage_of("api:live", "worker:live", **policies), deadline=after(40))
    state, _, _ = conclude(held, judgement, after(40))
    assert (state.phase, state.weight_bp) == (phase, weight_bp)
    assert "held for 30m" in state.why
    assert f"on_{'no_data' if judgement is NO_DATA else 'inconclusive'} = " in state.why


def test_the_policy_promotes_from_the_last_step() -> None:
    stage = stage_of("api:live", "worker:live", on_inconclusive="promote")
    held = canary(Phase.HOLDING, 1000, 2500, 5000, stage=stage, deadline=after(60))
    assert conclude(held, UNSURE, after(60))[0].phase is Phase.PROMOTING


def test_an_inconclusive_canary_is_still_judged_when_somebody_ticks_it() -> None:
    assert conclude(canary(Phase.INCONCLUSIVE), UNSURE, after(99))[0].phase is Phase.INCONCLUSIVE
    assert conclude(canary(Phase.INCONCLUSIVE), HEALTHY, after(99))[0].weight_bp == 2500
