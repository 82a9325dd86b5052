"""The check after a deployment: error rate, latency, queues, alarms of what is live now; it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial

from canary.core.measurements import AlarmState, DataState, Gauge, Stream
from canary.core.plan import (
    ErrorsGate,
    Gate,
    HealthGate,
    LatencyGate,
    OutcomesGate,
    QueueGate,
    StagePlan,
    format_duration,
)
from canary.core.recover import in_order
from canary.core.schedule import settle, settled_until
from canary.core.verdict.sentences import limit as limit_text
from canary.core.verdict.sentences import percent, what_is_bad
from canary.ports import Target, Window
from canary.runner.aliases import read_all
from canary.runner.checks import Check, Level
from canary.runner.observe import alarms, longest_timeout_s
from canary.runner.session import Ports, Session

_ALARM_LEVELS = {AlarmState.OK: Level.OK, AlarmState.INSUFFICIENT_DATA: Level.WARNING}


def verify(
    stage: StagePlan,
    ports: Ports,
    *,
    window: timedelta = timedelta(minutes=15),
    max_errors_percent: Decimal = Decimal(1),
    p99: timedelta = timedelta(seconds=1),
) -> tuple[Check, ...]:
    """Errors < 1 %, p99 < 1 s, dead-letter queues empty, alarms OK, over the last settled minutes.

    Plain shares, no statistical test: this shows the present state, not whether a version is to blame. Without traffic
    nothing is verified, which is a level of its own; a query that fails is a failed check.

    Args:
        stage: the plan; its queues, alarms and health checks are looked at.
        ports: what the driver reaches AWS and its surroundings through.
        window: how far back.
        max_errors_percent: more failed requests than this fail the check.
        p99: the latency that 99 % of the requests must keep.

    Raises:
        AwsError: an alias can't be read.
    """
    session = Session(stage, ports)
    aliases = read_all(in_order(stage), session).values()
    live = [Target(alias.function, alias.version, alias.version) for alias in aliases]
    gates = _gates(session, live, p99)
    asked = stage.model_copy(update={"gates": gates})
    end = settled_until(ports.clock.now(), settle(stage.settle, longest_timeout_s(live, session)))
    measured = ports.metrics.measure(asked, live, Window(end - window, end, end - window))
    return (
        *(_share(stream, gates[stream.key.gate], max_errors_percent, window) for stream in measured.streams),
        *(_depth(gauge) for gauge in measured.gauges),
        *_alarms(session),
        *_health(stage, ports, live),
    )


def _gates(session: Session, live: Sequence[Target], p99: timedelta) -> dict[str, Gate]:
    if session.stage.flag:
        return {name: gate for name, gate in session.stage.gates.items() if isinstance(gate, OutcomesGate)}
    queues = {gate.queue for gate in session.stage.gates.values() if isinstance(gate, QueueGate)}
    read = session.ports.aliases.version_facts
    for target in live:
        action = f"GetFunctionConfiguration {target.function}:{target.baseline}"
        facts = session.call(action, partial(read, target.function, target.baseline))
        queues |= {facts.dead_letter_arn} if ":sqs:" in facts.dead_letter_arn else set()
    gates: dict[str, Gate] = {"errors": ErrorsGate(), "p99": LatencyGate(quantile=Decimal("0.99"), limit=p99)}
    return gates | {f"queue {queue}": QueueGate(queue=queue, max_new_messages=0) for queue in sorted(queues)}


def _share(stream: Stream, gate: Gate, max_errors_percent: Decimal, window: timedelta) -> Check:
    # One version is live, so its series equals the alias' total; either may be missing (lambda-canary.md §2.1).
    name, key = stream.key.gate, stream.key.function
    if isinstance(gate, OutcomesGate):
        return _users(stream, gate, window)
    requests = sum(max(row.candidate_requests, row.baseline_requests) for row in stream.minutes)
    bad = sum(max(row.candidate_bad, row.baseline_bad) for row in stream.minutes)
    if stream.state in {DataState.FAILED, DataState.PARTIAL, DataState.UNKNOWN}:
        return Check(name, Level.FAILED, f"no answer from CloudWatch: {stream.detail or stream.state.value}", key)
    if not requests:
        return Check(name, Level.NO_DATA, f"no requests in {format_duration(window)}: nothing was verified", key)
    limit, what = float(max_errors_percent) / 100, "failed"
    if isinstance(gate, LatencyGate):
        limit, what = gate.limit_ratio, f"took longer than {gate.snapped.total_seconds():.3g} s"
    level = Level.OK if bad / requests <= limit else Level.FAILED
    shares = f"{percent(bad / requests)} % of {requests:,.0f} requests {what}, limit {limit_text(limit)} %"
    return Check(name, level, shares, key)


def _users(stream: Stream, gate: OutcomesGate, window: timedelta) -> Check:
    """All users whose windows ended lately, with the flag and without it."""
    name, key = stream.key.gate, stream.key.function
    users = sum(row.candidate_requests + row.baseline_requests for row in stream.minutes)
    bad = sum(row.candidate_bad + row.baseline_bad for row in stream.minutes)
    if stream.state in {DataState.FAILED, DataState.PARTIAL, DataState.UNKNOWN}:
        return Check(name, Level.FAILED, f"outcomes can't be read: {stream.detail or stream.state.value}", key)
    if not users:
        return Check(name, Level.NO_DATA, f"no users in {format_duration(window)}: nothing was verified", key)
    ratio = float(gate.limit_percent) / 100
    level = Level.OK if bad / users <= ratio else Level.FAILED
    shares = f"{percent(bad / users)} % of {users:,} users {what_is_bad(gate)}, limit {limit_text(ratio)} %"
    return Check(name, level, shares, key)


def _depth(gauge: Gauge) -> Check:
    values = [row.candidate for row in gauge.minutes if row.candidate is not None]
    latest = values[-1] if values else gauge.before
    if gauge.state in {DataState.FAILED, DataState.PARTIAL, DataState.UNKNOWN} or latest is None:
        return Check("queue", Level.FAILED, f"{gauge.key.gate}: no value: {gauge.detail or gauge.state.value}")
    level = Level.OK if latest == 0 else Level.FAILED
    return Check("queue", level, f"{gauge.key.gate} holds {latest:.0f} messages")


def _alarms(session: Session) -> Iterator[Check]:
    for reading in alarms(None, session):
        level = _ALARM_LEVELS.get(reading.state, Level.FAILED)
        detail = f": {reading.detail}" if reading.detail and level is not Level.OK else ""
        yield Check("alarm", level, f"alarm {reading.name} is {reading.state.value.replace('_', ' ')}{detail}")


def _health(stage: StagePlan, ports: Ports, live: Sequence[Target]) -> Iterator[Check]:
    checked = {name: gate for name, gate in stage.gates.items() if isinstance(gate, HealthGate) and not gate.dedicated}
    if not checked:
        return
    for probe in ports.probes.probe(stage.model_copy(update={"gates": checked}), live, ports.clock.now()):
        level = {True: Level.OK, False: Level.FAILED, None: Level.WARNING}[probe.ok]
        yield Check("health", level, f"{probe.key}: {probe.detail or 'answers'}", probe.key.function)
