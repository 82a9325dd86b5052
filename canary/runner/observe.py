"""Finds out where the canary stands and what was measured since it began; it changes and judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from canary.core.alias import AliasState
from canary.core.measurements import AlarmReading, AlarmState, FunctionVersions, Observations, Probe
from canary.core.phases import Phase
from canary.core.plan import AlarmsGate, FunctionRef, HealthGate, StagePlan
from canary.core.recover import in_order, recover
from canary.core.schedule import history_start, settle, settled_until, whole_minute
from canary.core.state import CanaryState
from canary.errors import AwsError, ConflictError, NotFoundError, NotRunningError
from canary.ports import Target, Window
from canary.runner.aliases import read_all
from canary.runner.session import Ports, Session

KEPT = timedelta(days=15)
"""CloudWatch keeps minutes for so long; a canary that rests longer has lost the older ones."""

PROBE_AGAIN_S = 2.0
"""Wait before a failed health check is made again in the same tick."""


def current(stage: StagePlan, ports: Ports) -> CanaryState | None:
    """The canary that the stage's aliases name; None when there is none.

    Raises:
        ConflictError: the aliases name different canaries.
        RecordError: a record can't be read.
        AwsError: an alias can't be read.
    """
    return recover(stage, list(read_all(in_order(stage), Session(stage, ports)).values()))


def find(
    stage: StagePlan, ports: Ports, known: CanaryState | None = None
) -> tuple[CanaryState, dict[str, AliasState], Session]:
    """The canary in progress, what each alias says, and the session to continue it.

    Args:
        stage: the plan.
        ports: the world.
        known: what this driver saw last. When the aliases don't name that canary any more, the answer says how it
            ended without us: promoted, rolled back, or a conflict.

    Raises:
        NotRunningError: there is no canary, and none was known.
        ConflictError: the aliases name different canaries, and none was known.
    """
    session = Session(stage, ports, known.canary_id if known else "")
    try:
        seen = read_all(in_order(stage), session)
    except NotFoundError as error:
        if known is None:
            raise
        return _ended(known, Phase.CONFLICT, f"an alias or its function was deleted: {error.message}"), {}, session
    try:
        state = recover(stage, list(seen.values()))
    except ConflictError as error:
        if known is None:
            raise
        return _ended(known, Phase.CONFLICT, error.message), seen, session
    if known is not None and (state is None or state.canary_id != known.canary_id):
        return _ended_elsewhere(known, state, seen), seen, session
    if state is None:
        raise NotRunningError(f"no canary is in progress in stage {stage.name}")
    if known is not None and known.phase is state.phase:
        state = replace(state, why=known.why)
    return state, seen, session.of(state.canary_id)


def observe(state: CanaryState, session: Session) -> Observations:
    """Measures from scratch what has happened since the canary began."""
    ports = session.ports
    targets = tuple(Target(function.function, function.baseline, function.candidate) for function in state.functions)
    measured, settled = Observations(), None
    if state.shifts:
        span = window(targets, state.shifts[0].at, replace(session, stage=state.stage))
        measured, settled = ports.metrics.measure(state.stage, targets, span), span.end
    return replace(
        measured,
        probes=probe(state.stage, targets, ports),
        alarms=alarms(state.stage, state.started_at, ports),
        versions=tuple(FunctionVersions(t.function.key, t.candidate, t.baseline) for t in targets),
        settled_until=settled,
    )


def window(targets: Sequence[Target], began: datetime, session: Session) -> Window:
    """The minutes from the one in which the canary began to the last settled one."""
    stage = session.stage
    now = session.ports.clock.now()
    longest_s = longest_timeout_s(targets, session)
    start = whole_minute(max(began, now - KEPT))
    end = settled_until(now, settle(stage.settle, longest_s))
    return Window(start, max(start, end), history_start(began, stage.evidence.history))


def longest_timeout_s(targets: Sequence[Target], session: Session) -> int:
    """The longest function timeout of these versions."""
    return max(timeout_s(t.function, version, session) for t in targets for version in (t.baseline, t.candidate))


def timeout_s(function: FunctionRef, version: str, session: Session) -> int:
    """The function timeout of a version; 0 when it can't be read (then the plan's settle time stands)."""
    known = session.ports.memory.timeouts_s
    key = (function.key, version)
    if key not in known:
        try:
            known[key] = session.ports.aliases.version_facts(function, version).timeout_s
        except AwsError:
            return 0
    return known[key]


def probe(stage: StagePlan, targets: Sequence[Target], ports: Ports) -> tuple[Probe, ...]:
    """Every health check; those that failed are made again at once, as often as their gate wants failures in a row.

    So a driver without memory (one Lambda invocation a tick) can tell one unlucky answer from an unhealthy version.
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


def _ended_elsewhere(known: CanaryState, other: CanaryState | None, seen: Mapping[str, AliasState]) -> CanaryState:
    if other is not None:
        return _ended(known, Phase.CONFLICT, f"canary {other.canary_id} has taken over the aliases")
    now_on = [(alias.version, alias.extra_version) for alias in (seen[f.function.key] for f in known.functions)]
    if now_on == [(f.candidate, None) for f in known.functions]:
        return _ended(known, Phase.PROMOTED, "promoted by another driver")
    if now_on == [(f.baseline, None) for f in known.functions]:
        return _ended(known, Phase.ROLLED_BACK, "rolled back by another driver")
    found = ", ".join(f"{key} {alias.routes_text}" for key, alias in seen.items())
    return _ended(known, Phase.CONFLICT, f"the aliases were changed outside this canary: {found}")


def _ended(known: CanaryState, phase: Phase, why: str) -> CanaryState:
    return replace(known, phase=phase, why=why, behind=(), draining=(), foreign=())
