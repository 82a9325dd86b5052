"""Collects everything a decision may look at: settled minutes, probes, alarms; it judges none of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from canary.core.measurements import AlarmReading, AlarmState, FunctionVersions, Observations, Probe
from canary.core.plan import AlarmsGate, FunctionRef, HealthGate, StagePlan
from canary.core.schedule import history_start, settle, settled_until, whole_minute
from canary.core.state import CanaryState
from canary.errors import AwsError
from canary.ports import Measurements, Target, Window
from canary.runner.retrying import Retrying
from canary.runner.setup import Ports

R = TypeVar("R")

PROBE_AGAIN_S = 2.0
"""Wait before a failed health check is made again in the same tick."""


def observe(state: CanaryState, retrying: Retrying) -> Observations:
    """Measures from scratch what has happened since the canary began."""
    ports = retrying.teller.ports
    targets = tuple(Target(function.function, function.baseline, function.candidate) for function in state.functions)
    began = state.shifts[0].at if state.shifts else None
    measured, span = Measurements(), None
    if began is not None:
        span = window(state.stage, targets, began, retrying)
        measured = ports.metrics.measure(state.stage, targets, span)
    return Observations(
        streams=measured.streams,
        gauges=measured.gauges,
        traffic=measured.traffic,
        probes=probe(state.stage, targets, ports),
        alarms=alarms(state.stage, state.started_at, ports),
        versions=tuple(FunctionVersions(t.function.key, t.candidate, t.baseline) for t in targets),
        settled_until=span.end if span else None,
        notes=measured.notes,
    )


def window(stage: StagePlan, targets: Sequence[Target], began: datetime, retrying: Retrying) -> Window:
    """The minutes from the one in which the canary began to the last settled one."""
    longest_s = max(timeout_s(target.function, version, retrying) for target in targets for version in _both(target))
    now = retrying.teller.ports.clock.now()
    start = whole_minute(began)
    end = settled_until(now, settle(stage.settle, longest_s))
    return Window(start, max(start, end), history_start(began, stage.evidence.history))


def timeout_s(function: FunctionRef, version: str, retrying: Retrying) -> int:
    """The function timeout of a version; 0 when it can't be read (then the plan's settle time stands)."""
    ports = retrying.teller.ports
    known = ports.memory.timeouts_s
    key = (function.key, version)
    if key not in known:
        try:
            known[key] = ports.aliases.version_facts(function, version).timeout_s
        except AwsError:
            return 0
    return known[key]


def probe(stage: StagePlan, targets: Sequence[Target], ports: Ports) -> tuple[Probe, ...]:
    """Every health check; those that failed are made again at once, as often as their gate wants failures in a row.

    So a driver without memory (one Lambda invocation a tick) can tell one unlucky answer from a sick version.
    """
    gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, HealthGate)}
    if not gates:
        return ()
    made = list(ports.probes.probe(stage, targets, ports.clock.now()))
    suspect = {p.key for p in made if p.ok is False}
    for again in range(1, max(gate.failures for gate in gates.values())):
        suspects = {key.gate for key in suspect}
        wanted = {name: gate for name, gate in gates.items() if gate.failures > again and name in suspects}
        if not wanted:
            break
        ports.clock.sleep(PROBE_AGAIN_S)
        narrowed = stage.model_copy(update={"gates": wanted})
        later = ports.probes.probe(narrowed, targets, ports.clock.now())
        made += [p for p in later if p.key in suspect]
        suspect = {p.key for p in later if p.ok is False and p.key in suspect}
    return tuple(made)


def alarms(stage: StagePlan, started_at: datetime | None, ports: Ports) -> tuple[AlarmReading, ...]:
    """Every alarm of the stage; all of them unknown when CloudWatch can't be asked."""
    gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, AlarmsGate)}
    if not gates:
        return ()
    try:
        return ports.alarms.alarms(stage, started_at)
    except AwsError as error:
        return tuple(
            AlarmReading(gate, name, AlarmState.UNKNOWN, detail=error.message)
            for gate, names in gates.items()
            for name in names.names
        )


def not_told_yet(observations: Observations, ports: Ports) -> Observations:
    """The observations without the minutes this driver has put into the journal already."""
    told = ports.memory.told

    def fresh(kind: str, name: str, rows: tuple[R, ...]) -> tuple[R, ...]:
        key = f"{kind} {name}"
        old = told.get(key, frozenset())
        told[key] = frozenset(rows)
        return tuple(row for row in rows if row not in old)

    return replace(
        observations,
        streams=tuple(
            replace(
                stream,
                minutes=fresh("minutes", str(stream.key), stream.minutes),
                history=fresh("history", str(stream.key), stream.history),
            )
            for stream in observations.streams
        ),
        gauges=tuple(
            replace(gauge, minutes=fresh("gauge", str(gauge.key), gauge.minutes)) for gauge in observations.gauges
        ),
        traffic=tuple(
            replace(alias, minutes=fresh("traffic", alias.function, alias.minutes)) for alias in observations.traffic
        ),
    )


def _both(target: Target) -> tuple[str, str]:
    return target.baseline, target.candidate
