"""A whole rollout judged by users: preflight before anybody is exposed, the release, and what people see of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from canary import runner
from canary.adapters.outcomes import Asked, UserMetrics
from canary.core.events import Judged
from canary.core.measurements import MINUTE
from canary.core.phases import Phase
from canary.core.plan import StagePlan, check_feasibility
from canary.errors import OutcomesError, RefusedError
from canary.ports import Target
from canary.runner import Level, Ports
from canary.simulator import Simulation
from canary.view import plain
from canary.view.build import view_of_events
from canary.view.charts import describe
from flagkit.core.outcomes import Row
from tests.canary.stages import stage_of

KEY = "api:live"
PER_MINUTE = 400


@pytest.fixture
def stage() -> StagePlan:
    gates = {"outcomes": {}, "orders": {"kind": "value", "metric": "orders"}}
    return stage_of(KEY, outcomes="csv:outcomes.csv", gates=gates)


def source_of(simulation: Simulation, failing: float) -> Callable[[Asked], Sequence[Row]]:
    """400 new users a minute; so many of those with the variant fail, a hundredth of the others. Orders are 0 or 2."""
    start = simulation.clock.now()

    def rows(asked: Asked) -> Sequence[Row]:
        now, found = simulation.clock.now(), []
        for minute in range(asked.since + 4, int(now.timestamp() // 60) + 5):
            exposed = datetime.fromtimestamp((minute - 4) * 60, UTC)
            share = simulation.aliases.share_in(KEY, "2", exposed, exposed + MINUTE) if exposed >= start else 0.0
            on = round(PER_MINUTE * share)
            for arm, users, bad in (("on", on, failing), ("off", PER_MINUTE - on, 0.01)):
                orders = float(users)
                found.append(
                    Row(minute, arm, users, {"failed": round(users * bad)}, {"orders": orders}, {"orders": 2 * orders})
                )
        return found

    return rows


def ports_of(simulation: Simulation, failing: float) -> Ports:
    return simulation.ports(metrics=UserMetrics(simulation.metrics, source_of(simulation, failing)))


def test_a_rollout_that_breaks_users_is_rolled_back_and_shown_by_users(stage: StagePlan) -> None:
    simulation = Simulation(stage)
    ports = ports_of(simulation, 0.15)
    state = runner.run(stage, ports, runner.start(stage, ports, versions={"": "2"}))
    assert state.phase is Phase.ROLLED_BACK
    view = view_of_events(simulation.journal.written, stage).view()
    outcomes, orders = sorted(view.streams, key=lambda stream: stream.unit, reverse=True)
    assert (outcomes.unit, orders.unit) == ("users", "means")
    assert outcomes.title == "failed users"
    facts = dict(view.facts)
    assert "Users with and without the variant" in facts
    assert "Requests on the new version" not in facts
    assert int(facts["Failed users"].split(" ")[0]) > 0
    assert "users" in plain.rate_texts(orders)[0]
    assert "users), limit 95 % of that" in plain.stream_text(orders)
    assert " users (interval " in describe(view)


def test_a_good_rollout_is_promoted(stage: StagePlan) -> None:
    simulation = Simulation(stage)
    ports = ports_of(simulation, 0.01)
    state = runner.run(stage, ports, runner.start(stage, ports, versions={"": "2"}))
    assert state.phase is Phase.PROMOTED


def test_before_the_rollout_nobody_is_exposed_and_that_is_no_finding(stage: StagePlan) -> None:
    simulation = Simulation(stage)
    nobody = UserMetrics(simulation.metrics, lambda asked: ())
    checks = runner.preflight(stage, simulation.ports(metrics=nobody), [Target(stage.functions[0], "1", "2")])
    assert [check.name for check in checks if check.level in {Level.FAILED, Level.NO_DATA}] == ["outcomes"]
    assert not any(check.level is Level.FAILED for check in checks)


def test_a_store_that_does_not_answer_is_found_before_the_start(stage: StagePlan) -> None:
    def away(asked: Asked) -> Sequence[Row]:
        raise OutcomesError("there is no table canary-outcomes")

    simulation = Simulation(stage)
    metrics = UserMetrics(simulation.metrics, away)
    checks = runner.preflight(stage, simulation.ports(metrics=metrics), [Target(stage.functions[0], "1", "2")])
    failed = [check.text for check in checks if check.level is Level.FAILED]
    assert failed == ["csv:outcomes.csv can't be read: there is no table canary-outcomes"]


def test_a_step_needs_so_many_users(stage: StagePlan) -> None:
    problems = check_feasibility(stage.with_steps([Decimal(1)]), 5.0)
    assert "clean users for outcomes" in problems[0].message


def test_steps_shorter_than_the_window_are_refused_before_the_start(stage: StagePlan) -> None:
    simulation = Simulation(stage)
    short = stage.with_steps([Decimal(weight) for weight in range(5, 50, 5)])
    with pytest.raises(RefusedError, match="less than window") as refused:
        runner.start(short, ports_of(simulation, 0.01), versions={"": "2"})
    assert refused.value.hint == "Give fewer steps, or let the stage bake longer."
    assert simulation.journal.written == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nobody", "no user of api was counted"),
        ("away", "outcomes could not be read: ConnectionError"),
        ("clocks", "are dated in the future; clocks are apart"),
    ],
)
@pytest.mark.parametrize("policy", ["hold", "rollback"])
def test_users_that_nobody_can_count_hold_the_rollout_then_the_policy_decides(
    stage: StagePlan, fault: str, words: str, policy: str
) -> None:
    stage = stage.model_copy(update={"on_no_data": policy, "on_inconclusive": policy})
    simulation = Simulation(stage)
    counted = source_of(simulation, 0.01)
    start = simulation.clock.now()

    def source(asked: Asked) -> Sequence[Row]:
        if simulation.clock.now() < start + 3 * MINUTE:
            return counted(asked)
        if fault == "away":
            raise ConnectionError
        ahead = [Row(row.minute + 120, row.arm, 50) for row in counted(asked)[-20:]] if fault == "clocks" else []
        return [*(counted(asked) if ahead else ()), *ahead]

    ports = simulation.ports(metrics=UserMetrics(simulation.metrics, source))
    state = runner.run(stage, ports, runner.start(stage, ports, versions={"": "2"}))
    assert state.phase is (Phase.INCONCLUSIVE if policy == "hold" else Phase.ROLLED_BACK)
    said = [event.judgement for event in simulation.journal.written if isinstance(event, Judged)]
    assert any(words in reason for judgement in said for reason in judgement.reasons)
    assert state.weight_bp in (0, 1000)
