"""The check after a deployment says how it is, and never calls the unknown good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from canary import runner
from canary.core.measurements import (
    AlarmReading,
    AlarmState,
    DataState,
    Gauge,
    MinuteValue,
    Observations,
    Probe,
    StreamKey,
)
from canary.core.plan import StagePlan
from canary.ports import Target, Window
from canary.runner import Level
from canary.simulator import Simulation
from tests.canary.faults import simulation_of, steady
from tests.canary.stages import stage_of


def levels(simulation: Simulation, **limits: object) -> dict[str, Level]:
    return {check.name: check.level for check in runner.verify(simulation.stage, simulation.ports(), **limits)}  # type: ignore[arg-type]


def test_a_healthy_live_version_passes() -> None:
    simulation = simulation_of(stage_of("api:live"))
    simulation.clock.sleep(1800)
    assert levels(simulation) == {"errors": Level.OK, "p99": Level.OK}


def test_more_errors_than_allowed_fail_with_the_numbers() -> None:
    simulation = simulation_of(stage_of("api:live"))
    simulation.clock.sleep(1800)
    steady(simulation).failing["1"] = 0.02
    assert levels(simulation)["errors"] is Level.FAILED
    assert levels(simulation, max_errors_percent=Decimal(2))["errors"] is Level.OK
    texts = [check.text for check in runner.verify(simulation.stage, simulation.ports())]
    assert "2.0 % of 30,000 requests failed, limit 1 %" in texts


def test_without_traffic_nothing_is_verified_and_a_failed_query_is_no_success() -> None:
    simulation = simulation_of(stage_of("api:live"))
    simulation.metrics.silent = True
    assert levels(simulation) == {"errors": Level.NO_DATA, "p99": Level.NO_DATA}
    simulation.metrics.state = DataState.FAILED
    assert levels(simulation) == {"errors": Level.FAILED, "p99": Level.FAILED}


def test_alarms_and_health_checks_count_as_they_stand() -> None:
    gates = {"alarms": {"kind": "alarms", "names": ["a", "b", "c", "d"]}, "ping": {"kind": "health", "invoke": {}}}
    simulation = simulation_of(stage_of("api:live", gates=gates))
    simulation.clock.sleep(1800)
    states = (AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT_DATA, AlarmState.UNKNOWN)
    simulation.alarms.readings = tuple(
        AlarmReading("alarms", name, state, detail="why") for name, state in zip("abcd", states, strict=True)
    )
    key = StreamKey("api:live", "ping")
    simulation.probes.answers = [tuple(Probe(key, simulation.clock.now(), ok) for ok in (True, False, None))]
    checks = runner.verify(simulation.stage, simulation.ports())
    assert [c.level for c in checks if c.name == "alarm"] == [Level.OK, Level.FAILED, Level.WARNING, Level.FAILED]
    assert [c.level for c in checks if c.name == "health"] == [Level.OK, Level.FAILED, Level.WARNING]


class WithQueues:
    """Answers each queue gate with a scripted depth."""

    def __init__(self, simulation: Simulation, depths: Mapping[str, float | None]) -> None:
        self.inner, self.depths = simulation.metrics, depths

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Observations:
        gauges = []
        for name, gate in stage.gates.items():
            if gate.kind == "queue":
                depth = self.depths[gate.queue]
                rows = () if depth is None else (MinuteValue(window.start, depth),)
                state = DataState.COMPLETE if rows else DataState.NO_DATA
                gauges.append(Gauge(StreamKey("", name), rows, None, state, ""))
        return replace(self.inner.measure(stage, targets, window), gauges=tuple(gauges))


def test_dead_letter_queues_of_the_plan_and_of_the_functions_must_be_empty() -> None:
    simulation = simulation_of(
        stage_of("api:live", gates={"dlq": {"kind": "queue", "queue": "mine", "max_new_messages": 5}})
    )
    arn = "arn:aws:sqs:eu-west-1:1:dead"
    key = ("api", "1")
    simulation.aliases.versions[key] = replace(simulation.aliases.versions[key], dead_letter_arn=arn)
    for depths, expected in (
        ({"mine": 0.0, arn: 0.0}, [Level.OK, Level.OK]),
        ({"mine": 3.0, arn: 0.0}, [Level.OK, Level.FAILED]),
        ({"mine": 0.0, arn: None}, [Level.FAILED, Level.OK]),
    ):
        ports = simulation.ports(metrics=WithQueues(simulation, depths))
        checks = runner.verify(simulation.stage, ports)
        assert [check.level for check in checks if check.name == "queue"] == expected
