"""From the aliases back to the state: what a dead driver left is published from what somebody else did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from canary.core.alias import AliasSpec, AliasState
from canary.core.events import WriteAliases
from canary.core.machine import conclude, request
from canary.core.phases import Phase, Signal
from canary.core.plan import FunctionRef, StagePlan
from canary.core.record import Shift
from canary.core.recover import deployed_fingerprint, fingerprint, in_order, recover
from canary.core.state import CanaryState, FunctionState
from canary.core.verdict import Judgement, Rule, Verdict
from canary.errors import ConflictError, RecordError
from tests.canary.stages import stage_of

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
STAGE = stage_of("api:live", "worker:live")
API, WORKER = STAGE.functions
LATER = timedelta(minutes=10)


def canary(phase: Phase = Phase.BAKING, *weights: int, stage: StagePlan = STAGE) -> CanaryState:
    return CanaryState(
        canary_id="k3f9a2c1",
        stage=stage,
        functions=(FunctionState(API, "1", "2", "Live"), FunctionState(WORKER, "7", "9", "Works")),
        phase=phase,
        started_at=START,
        fingerprint=fingerprint(stage),
        shifts=tuple(Shift(START + number * LATER, weight) for number, weight in enumerate(weights)),
    )


def alias(function: FunctionRef, spec: AliasSpec) -> AliasState:
    return AliasState(function, spec.version, spec.extra_version, spec.extra_bp, spec.description, "r1")


def aliases(*states: CanaryState) -> list[AliasState]:
    """The lead's alias as the first state wants it, the other's as the last one does."""
    first, last = states[0], states[-1]
    return [alias(API, first.spec(first.functions[0])), alias(WORKER, last.spec(last.functions[1]))]


def found(seen: Sequence[AliasState], stage: StagePlan = STAGE) -> CanaryState:
    state = recover(stage, seen)
    assert state is not None
    return state


def test_aliases_without_a_record_have_no_canary() -> None:
    plain = AliasState(API, "1", None, 0, "Live", "r1")
    assert recover(STAGE, [plain, replace(plain, function=WORKER)]) is None


@pytest.mark.parametrize(
    "state",
    [
        canary(Phase.STARTING),
        canary(Phase.BAKING, 1000),
        canary(Phase.HOLDING, 1000, 2500),
        canary(Phase.PAUSED, 1000, 2500, 5000),
        canary(Phase.INCONCLUSIVE, 1000),
        canary(Phase.PROMOTING, 1000, 2500, 5000, 10_000),
        canary(Phase.PROMOTING, 1000, 10_000),
        canary(Phase.POST_BAKE, 1000, 2500, 5000, 10_000),
        canary(Phase.ROLLING_BACK, 1000, 2500, 0),
        canary(Phase.ABORTING, 1000, 10_000, 0),
    ],
    ids=lambda state: state.phase,
)
def test_a_state_comes_back_from_its_aliases_as_it_was(state: CanaryState) -> None:
    assert found(aliases(state)) == state


def test_the_deadline_and_the_hotfix_are_recovered() -> None:
    state = replace(canary(Phase.HOLDING, 1000), deadline=START + LATER)
    hotfix = replace(state, stage=STAGE.model_copy(update={"hotfix": True}))
    assert found(aliases(hotfix)) == hotfix


def test_weights_that_differ_from_the_plan_are_recovered_from_the_record() -> None:
    """`canary deploy STAGE 10` under a plan of three steps: there is no second step, not even in the last one."""
    once = canary(Phase.BAKING, 1000, stage=STAGE.with_steps([Decimal(10)]))
    state = found(aliases(once))
    assert [step.weight for step in state.stage.steps] == [Decimal(10)]
    assert state.planned_bp == ()
    assert state.fingerprint == fingerprint(STAGE), "the same plan, asked for otherwise"


def test_a_shortened_operators_text_is_known_to_be_shortened() -> None:
    state = canary(Phase.BAKING, 1000)
    long = replace(state, functions=(replace(state.functions[0], description="x" * 256), state.functions[1]))
    back = found(aliases(long))
    assert [function.shortened for function in back.functions] == [True, False]
    assert back.behind == ()


def test_an_alias_with_an_older_record_is_behind_and_not_foreign() -> None:
    state = found(aliases(canary(Phase.BAKING, 1000, 2500), canary(Phase.BAKING, 1000)))
    assert (state.weight_bp, state.behind, state.foreign) == (2500, ("worker:live",), ())


def test_a_step_completed_later_keeps_its_true_time_in_its_own_record() -> None:
    """Else the verdict expects traffic of a weight that wasn't there, and calls the share wrong."""
    state = found(aliases(canary(Phase.BAKING, 1000), canary(Phase.STARTING)))
    judgement = Judgement(Verdict.NO_DATA, "", Rule.NO_DATA, START)
    later = START + timedelta(minutes=4)
    after, _, effects = conclude(state, judgement, later)
    (order,) = [effect for effect in effects if isinstance(effect, WriteAliases)]
    lead, _ = aliases(canary(Phase.BAKING, 1000))
    again = found([lead, alias(WORKER, order.writes[0].spec)])
    assert again.behind == ()
    assert again == replace(after, why="")
    assert again.step_at == later
    assert [(change.function, change.at) for change in again.weight_changes] == [
        ("api:live", START),
        ("worker:live", later),
    ]
    paused, _, _ = request(again, Signal.PAUSE, "wait", later)
    half = found([alias(API, paused.spec(paused.functions[0])), alias(WORKER, order.writes[0].spec)])
    assert half.behind == ("worker:live",)
    finished, _, _ = conclude(half, judgement, later + LATER)
    assert finished.step_at == later, "only the record was behind, the weight was there"
    back, _, _ = request(again, Signal.ROLLBACK, "no", later + LATER)
    assert [shift.weight_bp for shift in back.shifts_of(back.functions[1])] == [1000, 0]


def test_a_pause_that_reached_only_the_lead_counts() -> None:
    state = found(aliases(canary(Phase.PAUSED, 1000), canary(Phase.BAKING, 1000)))
    assert (state.phase, state.behind) == (Phase.PAUSED, ("worker:live",))


def test_one_alias_that_was_rolled_back_rolls_back_all() -> None:
    state = found(aliases(canary(Phase.BAKING, 1000), canary(Phase.ROLLING_BACK, 1000, 0)))
    assert (state.phase, state.behind) == (Phase.ROLLING_BACK, ("api:live",))


def test_an_interrupted_start_names_the_missing_aliases() -> None:
    first, _ = aliases(canary(Phase.STARTING))
    state = found([first, AliasState(WORKER, "7", None, 0, "Works", "r1")])
    assert (state.unstarted, state.foreign, [f.function.key for f in state.functions]) == (
        ("worker:live",),
        (),
        ["api:live"],
    )


def test_an_alias_that_lost_its_record_is_a_foreign_change() -> None:
    first, second = aliases(canary(Phase.BAKING, 1000))
    state = found([first, replace(second, description="mine now")])
    (change,) = state.foreign
    assert change.text == "worker:live lost the record of canary k3f9a2c1; it serves 90 % version 7 and 10 % version 9"


@pytest.mark.parametrize(
    "change",
    [
        {"extra_bp": 5000},
        {"version": "12", "extra_version": None, "extra_bp": 0},
        {"version": "2", "extra_version": None, "extra_bp": 0},
        {"extra_version": "3"},
    ],
)
def test_routes_that_differ_from_the_record_are_a_foreign_change(change: dict[str, object]) -> None:
    first, second = aliases(canary(Phase.BAKING, 1000))
    state = found([replace(first, **change), second])  # type: ignore[arg-type]
    assert [found.function for found in state.foreign] == ["api:live"]
    assert [function.function.key for function in state.ours] == ["worker:live"]


def test_a_rollback_clears_any_weights_of_the_two_versions() -> None:
    first, second = aliases(canary(Phase.ROLLING_BACK, 1000, 0))
    state = found([replace(first, extra_version="2", extra_bp=700), second])
    assert (state.behind, state.foreign) == (("api:live",), ())


def test_a_rollback_leaves_another_version_alone() -> None:
    first, second = aliases(canary(Phase.ROLLING_BACK, 1000, 0))
    state = found([first, replace(second, version="12")])
    assert (state.behind, [change.function for change in state.foreign]) == ((), ["worker:live"])


def test_an_alias_without_record_is_done_when_the_lead_says_the_canary_is_over() -> None:
    done = AliasState(WORKER, "9", None, 0, "Works", "r1")
    promoted = aliases(canary(Phase.PROMOTED, 1000, 2500, 5000, 10_000))[0]
    assert found([promoted, done]).foreign == ()
    assert found([promoted, done]).behind == ("api:live",)
    back = aliases(canary(Phase.ROLLING_BACK, 1000, 0))[0]
    assert (found([back, done]).foreign, found([back, done]).behind) == ((), ())


def test_weights_that_aws_drains_after_a_promotion_are_not_foreign() -> None:
    """lambda-canary.md §9, trap 13: provisioned concurrency."""
    first, second = aliases(canary(Phase.PROMOTING, 1000, 10_000))
    state = found([replace(first, extra_version="1", extra_bp=10_000), second])
    assert (state.draining, state.behind, state.foreign) == (("api:live",), (), ())


def test_weights_that_aws_drains_during_a_rollback_after_a_promotion_are_not_foreign() -> None:
    first, second = aliases(canary(Phase.ROLLING_BACK, 1000, 10_000, 0))
    state = found([replace(first, extra_version="2", extra_bp=300), second])
    assert (state.draining, state.behind) == (("api:live",), ())


def test_aliases_of_different_canaries_are_a_conflict_that_names_both() -> None:
    other = replace(canary(Phase.BAKING, 1000), canary_id="zzz")
    with pytest.raises(ConflictError, match="k3f9a2c1, zzz"):
        recover(STAGE, aliases(canary(Phase.BAKING, 1000), other))


def test_a_record_that_cannot_be_read_is_an_error() -> None:
    first, second = aliases(canary(Phase.BAKING, 1000))
    with pytest.raises(RecordError):
        recover(STAGE, [first, replace(second, description="canary9 whatever")])


def test_functions_are_shifted_in_the_plans_order() -> None:
    stage = stage_of("api:live", "worker:live", "db:live", order=[["db:live"], ["worker:live"]])
    assert [function.key for function in in_order(stage)] == ["db:live", "worker:live", "api:live"]


def test_the_fingerprint_covers_what_decides_and_not_the_notifications() -> None:
    assert fingerprint(STAGE) == fingerprint(STAGE.model_copy(update={"hotfix": True}))
    assert fingerprint(STAGE) == fingerprint(STAGE.with_steps([Decimal(10), Decimal(60)]))
    assert fingerprint(STAGE) != fingerprint(stage_of("api:live", "worker:live", hold_max="1h"))
    assert len(fingerprint(STAGE)) == 8


def test_a_deployed_driver_is_also_known_by_whom_it_notifies_and_what_it_switches_off() -> None:
    functions = ("api:live", "worker:live")
    for more in (
        {"notifications": [{"kind": "eventbridge"}]},
        {"flags_off": [{"source": "appconfig://shop/prod/flags", "key": "new_checkout"}]},
        {"dead_man": {"role_arn": "arn:aws:iam::123456789012:role/r"}},
    ):
        other = stage_of(*functions, **more)
        assert fingerprint(other) == fingerprint(stage_of(*functions))
        assert deployed_fingerprint(other) != deployed_fingerprint(stage_of(*functions))
    hotfix = STAGE.with_steps([Decimal(10), Decimal(60)]).model_copy(update={"hotfix": True})
    assert deployed_fingerprint(hotfix) == deployed_fingerprint(STAGE)
