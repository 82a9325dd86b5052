"""Finds out where the canary stands and what was measured since it began; it changes and judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from canary.core.alias import AliasState
from canary.core.events import CanaryStarted, Event, Judged, PhaseChanged, TrafficShifted
from canary.core.measurements import (
    AlarmReading,
    AlarmState,
    DataState,
    FunctionVersions,
    Gauge,
    Observations,
    Probe,
    Stream,
)
from canary.core.phases import Phase
from canary.core.plan import AlarmsGate, FunctionRef, GaugeGate, HealthGate, MeasuredGate, StagePlan
from canary.core.record import Shift
from canary.core.recover import in_order, recover
from canary.core.schedule import history_start, settle, settle_at_least, whole_minute
from canary.core.state import CanaryState, FunctionState
from canary.errors import ConflictError, NotFoundError, NotRunningError, RecordError, UnusableFlagError
from canary.ports import Target, Window
from canary.runner.aliases import read_agreed, read_all
from canary.runner.hooks import ask_hooks
from canary.runner.pairing import paired
from canary.runner.session import Ports, Session

KEPT = timedelta(days=15)
"""CloudWatch keeps minutes for so long; a canary that rests longer has lost the older ones."""

START_LASTS = timedelta(minutes=2)
"""A start belongs to its driver for so long; after that the driver must have died."""

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


@dataclass(frozen=True, slots=True)
class Watch:
    """Whether anybody looks at a canary, as its journal tells.

    Attributes:
        last_look_at: the newest evaluation in the journal; None when it has none (a journal of another machine).
        last_look_by: who ran the driver that made it; empty where it isn't known.
        is_driven: whether that is so recent that a driver must be running.
    """

    last_look_at: datetime | None
    last_look_by: str
    is_driven: bool


def watch_of(state: CanaryState, events: Iterable[Event], now: datetime) -> Watch:
    """When the canary was last evaluated, and whether a driver is running; a record in an alias can't tell.

    Args:
        state: the canary.
        events: its journal.
        now: the time of day.
    """
    signs = [event for event in events if isinstance(event, (CanaryStarted, Judged))]
    last = max(signs, key=lambda sign: sign.at, default=None)
    overdue = 2 * state.stage.tick + timedelta(minutes=1)
    is_driven = last is not None and now - last.at <= overdue
    if not isinstance(last, Judged):
        return Watch(None, "", is_driven=is_driven)  # who started it evaluates it soon
    return Watch(last.at, last.by, is_driven=is_driven)


def find(
    stage: StagePlan, ports: Ports, known: CanaryState | None = None
) -> tuple[CanaryState, dict[str, AliasState], Session]:
    """The canary in progress, what each alias says, and the session to continue it.

    Args:
        stage: the plan.
        ports: what the driver reaches AWS and its surroundings through.
        known: what this driver saw last. When the aliases don't name that canary any more, the answer says how it
            ended without us: promoted, rolled back, or a conflict.

    Raises:
        NotRunningError: there is no canary, and none was known.
        ConflictError: the aliases name different canaries, and none was known.
    """
    session = Session(stage, ports, known.canary_id if known else "")
    try:
        seen = _read_surely(known, session)
    except (NotFoundError, UnusableFlagError) as error:
        if known is None:
            raise
        return _ended(known, Phase.CONFLICT, f"{stage.words.gone}: {error.message}"), {}, session
    try:
        state = recover(stage, list(seen.values()))
    except (ConflictError, RecordError) as error:
        if known is None:
            raise
        return _ended(known, Phase.CONFLICT, f"{error.message}; {_routes(seen)}"), seen, session
    if known is not None and (state is None or state.canary_id != known.canary_id):
        return _ended_elsewhere(known, state, seen), seen, session
    if state is None:
        if any(alias.extra_version for alias in seen.values()):
            raise NotRunningError(
                f"stage {stage.name} has no record of a canary, but {_routes(seen)}",
                hint=f"Run `canary rollback {stage.name}` to clear the weights.",
            )
        raise NotRunningError(f"no canary is in progress in stage {stage.name}")
    if known is not None and known.phase is state.phase:
        state = replace(state, why=known.why)
    return state, seen, session.of(state.canary_id)


def _read_surely(known: CanaryState | None, session: Session) -> dict[str, AliasState]:
    """What every alias says; read again when that isn't what this driver left, until two answers agree.

    One odd answer that looks like an alias must neither end the canary nor become its state.
    """
    stage = session.stage
    seen = read_all(in_order(stage), session)
    return seen if _is_expected(stage, seen, known) else read_agreed(in_order(stage), session, seen)


def _is_expected(stage: StagePlan, seen: Mapping[str, AliasState], known: CanaryState | None) -> bool:
    try:
        state = recover(stage, list(seen.values()))
    except (ConflictError, RecordError):
        return False
    if state is None or state.foreign:
        return False
    return known is None or _remembered(state) == _remembered(known)


def _remembered(state: CanaryState) -> tuple[object, ...]:
    """What the aliases keep of a state."""
    functions = tuple(replace(function, shifts=state.shifts_of(function)) for function in state.functions)
    return state.canary_id, state.phase, state.shifts, state.deadline, state.fingerprint, functions


def unfinished(stage: StagePlan, ports: Ports) -> CanaryState | None:
    """The stage's newest canary as its journal knows it, if that has no end of it; for when its records are gone.

    A driver that ended between its last write and its last event leaves such a canary.
    """
    row = next(iter(ports.journal.canaries(stage.name)), None)
    if row is None or row.get("outcome"):
        return None
    started, phase, latest = None, Phase.STARTING, None
    shifts: list[Shift] = []
    for event in ports.journal.events(row["canary_id"]):
        latest = event.at
        if isinstance(event, CanaryStarted):
            started = event
        elif isinstance(event, TrafficShifted):
            shifts.append(Shift(event.at, event.weight_bp))
        elif isinstance(event, PhaseChanged):
            phase = event.after
    if started is None or latest is None or (phase is Phase.STARTING and ports.clock.now() - latest < START_LASTS):
        return None
    moves = {move.function: move for move in started.functions}
    functions = tuple(
        FunctionState(function, moves[function.key].baseline, moves[function.key].candidate)
        for function in in_order(stage)
        if function.key in moves
    )
    if len(functions) < len(moves):
        return None
    return CanaryState(
        canary_id=started.canary_id,
        stage=stage,
        functions=functions,
        phase=phase,
        started_at=started.at,
        fingerprint=started.fingerprint,
        shifts=tuple(shifts),
    )


def observe(state: CanaryState, session: Session) -> Observations:
    """Measures from scratch what has happened since the canary began."""
    targets = tuple(Target(function.function, function.baseline, function.candidate) for function in state.functions)
    measured = Observations()
    if state.shifts:
        measured = _measured(state, targets, replace(session, stage=state.stage))
    return replace(
        measured,
        streams=(*measured.streams, *paired(state, targets, session)),
        probes=probe(targets, replace(session, stage=state.stage)),
        alarms=alarms(state.started_at, replace(session, stage=state.stage)),
        hooks=ask_hooks(state, targets, replace(session, stage=state.stage)),
        versions=tuple(FunctionVersions(t.function.key, t.candidate, t.baseline) for t in targets),
    )


def _measured(state: CanaryState, targets: Sequence[Target], session: Session) -> Observations:
    """The minutes that count. Younger ones are read, too, to see when they stop changing."""
    ports, stage = session.ports, session.stage
    now = ports.clock.now()
    longest_s = longest_timeout_s(targets, session)
    soonest, latest = settle_at_least(longest_s), settle(stage.settle, longest_s)
    span = replace(window(stage, state.shifts[0].at, now), canary_id=state.canary_id)
    found = session.answer(
        "the metrics source", partial(ports.metrics.measure, stage, targets, span), partial(_unmeasured, stage)
    )
    ports.memory.settling = ports.memory.settling.read(stage, found, now, latest)
    return ports.memory.settling.settled(found, now, soonest)


def window(stage: StagePlan, began: datetime, now: datetime) -> Window:
    """The minutes from the one in which the canary began to the last whole one."""
    start = whole_minute(max(began, now - KEPT))
    return Window(start, max(start, whole_minute(now)), history_start(began, stage.evidence.history))


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
        except Exception:  # noqa: BLE001  whatever the answer is, a canary is judged (decision 0017)
            return 0
    return known[key]


def probe(targets: Sequence[Target], session: Session) -> tuple[Probe, ...]:
    """Every health check; those that failed are made again at once, as often as their gate wants failures in a row.

    So a driver without memory (one Lambda invocation a tick) can tell one unlucky answer from an unhealthy version.
    """
    stage, clock = session.stage, session.ports.clock
    gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, HealthGate)}
    if not gates:
        return ()
    made = list(_probe_once(stage, targets, session))
    suspect = {p.key for p in made if p.ok is False}
    for again in range(1, max(gate.failures for gate in gates.values())):
        suspects = {key.gate for key in suspect}
        wanted = {name: gate for name, gate in gates.items() if gate.failures > again and name in suspects}
        if not wanted:
            break
        clock.sleep(PROBE_AGAIN_S)
        later = _probe_once(stage.model_copy(update={"gates": wanted}), targets, session)
        made += [p for p in later if p.key in suspect]
        suspect = {p.key for p in later if p.ok is False and p.key in suspect}
    return tuple(made)


def _probe_once(stage: StagePlan, targets: Sequence[Target], session: Session) -> tuple[Probe, ...]:
    ports, now = session.ports, session.ports.clock.now()

    def unknown(reason: str) -> tuple[Probe, ...]:
        health = [name for name, gate in stage.gates.items() if isinstance(gate, HealthGate)]
        return tuple(Probe(key, now, None, reason) for name in health for key in stage.keys(name))

    return session.answer("the health checks", partial(ports.probes.probe, stage, targets, now), unknown)


def alarms(started_at: datetime | None, session: Session) -> tuple[AlarmReading, ...]:
    """Every alarm of the stage; all of them unknown when CloudWatch doesn't answer."""
    stage = session.stage
    gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, AlarmsGate)}
    if not gates:
        return ()

    def unknown(reason: str) -> tuple[AlarmReading, ...]:
        return tuple(
            AlarmReading(gate, name, AlarmState.UNKNOWN, detail=reason)
            for gate, names in gates.items()
            for name in names.names
        )

    return session.answer("the alarm source", partial(session.ports.alarms.alarms, stage, started_at), unknown)


def _unmeasured(stage: StagePlan, reason: str) -> Observations:
    streams: list[Stream] = []
    gauges: list[Gauge] = []
    for name, gate in stage.gates.items():
        for key in stage.keys(name):
            if isinstance(gate, MeasuredGate):
                streams.append(Stream(key, state=DataState.FAILED, detail=reason))
            elif isinstance(gate, GaugeGate):
                gauges.append(Gauge(key, state=DataState.FAILED, detail=reason))
    return Observations(tuple(streams), tuple(gauges))


def _ended_elsewhere(known: CanaryState, other: CanaryState | None, seen: Mapping[str, AliasState]) -> CanaryState:
    words = known.stage.words
    if other is not None:
        return _ended(
            known, Phase.CONFLICT, f"canary {other.canary_id} has taken over the {words.places}; {_routes(seen)}"
        )
    now_on = [(alias.version, alias.extra_version) for alias in (seen[f.function.key] for f in known.functions)]
    if now_on == [(f.candidate, None) for f in known.functions]:
        return _ended(known, Phase.PROMOTED, words.found_promoted)
    if now_on == [(f.baseline, None) for f in known.functions]:
        if known.phase is Phase.STARTING:
            return _ended(known, Phase.ABORTED, words.found_unstarted)
        return _ended(known, Phase.ROLLED_BACK, words.found_rolled_back)
    at = [(alias.version, alias.extra_version, alias.extra_bp) for alias in seen.values()]
    if known.resting_bp and at == [(f.baseline, f.candidate, known.resting_bp) for f in known.functions]:
        return _ended(known, Phase.ROLLED_BACK, words.found_rolled_back)
    return _ended(known, Phase.CONFLICT, f"{words.changed}; {_routes(seen)}")


def _routes(seen: Mapping[str, AliasState]) -> str:
    """What the aliases really serve: a person must decide about it."""
    return ", ".join(f"{alias.function} {alias.routes_text}" for alias in seen.values())


def _ended(known: CanaryState, phase: Phase, why: str) -> CanaryState:
    return replace(known, phase=phase, why=why, behind=(), draining=(), foreign=())
