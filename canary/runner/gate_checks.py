"""The gates before traffic moves: health checks, alarms, probes and metrics; each check is a value with its reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from canary.core.baseline import blind_gates, unhealthy_baselines, weakened_evidence
from canary.core.measurements import AlarmReading, AlarmState, DataState, Gauge, Observations, Stream, SumStream
from canary.core.plan import (
    AlarmsGate,
    EmfGate,
    HealthGate,
    Http5xxGate,
    LatencyGate,
    MeanGate,
    MetricGate,
    OutcomesGate,
    RatioGate,
    StagePlan,
    format_duration,
)
from canary.core.schedule import history_start, whole_minute
from canary.errors import CanaryError
from canary.ports import Target, Window
from canary.runner.checks import Check, Level, check
from canary.runner.observe import alarms
from canary.runner.session import Ports, Session


def alarm_checks(session: Session, ignored: Collection[str]) -> Iterator[Check]:
    """Every alarm exists, and is green unless it may be red."""
    for reading in alarms(None, session):
        gate = session.stage.gates[reading.gate]
        may_be_red = reading.name in ignored or (isinstance(gate, AlarmsGate) and gate.already_red == "ignore")
        yield _alarm_check(reading, may_be_red=may_be_red)


def _alarm_check(reading: AlarmReading, *, may_be_red: bool) -> Check:
    if reading.state is AlarmState.UNKNOWN:
        text = f"alarm {reading.name}: {reading.detail or 'its state is unknown'}"
        return Check("alarm_exists", Level.FAILED, text, hint="Correct the name in the plan, or repair the alarm.")
    if reading.state is AlarmState.ALARM and not may_be_red:
        text = f"alarm {reading.name} is in ALARM before the start, so it cannot show a regression"
        return Check("alarm_green", Level.FAILED, text, hint=f"Fix the cause, or pass --ignore-alarm {reading.name}.")
    level = Level.WARNING if reading.state is not AlarmState.OK else Level.OK
    return Check("alarm_green", level, f"alarm {reading.name} is {reading.state.value.replace('_', ' ')}")


def health_checks(
    stage: StagePlan, ports: Ports, baselines: Sequence[Target], targets: Sequence[Target]
) -> Iterator[Check]:
    """The baseline must pass its checks, and the new version those that reach it before it has any traffic."""
    gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, HealthGate)}
    shared = {name: gate for name, gate in gates.items() if gate.invoke is not None or not gate.dedicated}
    direct = {name: gate for name, gate in gates.items() if gate.invoke is not None or gate.dedicated}
    for which, chosen, wanted in (("baseline", shared, baselines), ("new version", direct, targets)):
        if not chosen or not wanted:
            continue
        narrowed = stage.model_copy(update={"gates": chosen})
        probes = ports.probes.probe(narrowed, wanted, ports.clock.now())
        if which == "baseline":
            yield from _attribution_checks(chosen, {probe.key.gate for probe in probes})
        for probe in probes:
            level = (
                Level.OK if probe.ok else Level.FAILED if probe.ok is False or which == "baseline" else Level.WARNING
            )
            outcome = "passes" if probe.ok else "fails"
            text = f"the {which} {outcome} {probe.key}{': ' if probe.detail else ''}{probe.detail}"
            hint = "" if probe.ok else "Fix the endpoint, or correct the gate in the plan."
            yield Check("health", level, text, probe.key.function, hint)


def probe_checks(stage: StagePlan, ports: Ports, baselines: Sequence[Target]) -> Iterator[Check]:
    """A probe that fails on the baseline compares nothing."""
    for key, why in ports.pairs.first(stage, baselines):
        text = f"a probe of the baseline failed ({key}): {why}" if why else f"a probe of the baseline succeeded ({key})"
        hint = f"Correct the request of gate {key.gate}, or grant lambda:InvokeFunction."
        yield check("probes", not why, text, key.function, hint)


def _attribution_checks(gates: Mapping[str, HealthGate], answered: Collection[str]) -> Iterator[Check]:
    """A failure counts against the new version only if the answer says that it came from it."""
    for name, gate in gates.items():
        if gate.invoke is not None:
            continue
        hint = f"Send the version in a header and name it in version_header of gate {name}, or use a dedicated URL."
        if gate.version_header is None:
            text = (
                f"{name}: the URL doesn't say which version answers, so a failure holds the canary and never rolls back"
            )
            yield Check("health_attributed", Level.WARNING, text, hint=hint)
        elif name not in answered:
            text = f"{name}: no answer named the baseline's version in the header {gate.version_header}"
            yield Check("health_attributed", Level.WARNING, text, hint=hint)


def _no_requests(stage: StagePlan, stream: Stream, traffic: Callable[[], Mapping[str, float]]) -> Check:
    gate = stage.gates[stream.key.gate]
    text = f"{stream.key}: {stream.detail or 'no traffic'} in the last {format_duration(stage.evidence.history)}"
    before = isinstance(gate, LatencyGate | Http5xxGate) and gate.source != "lambda"
    if before and any(traffic().values()):
        # What stands before the function has no requests, and the function has: it is named wrongly.
        hint = f"Correct source and target of gate {stream.key.gate}."
        return Check("traffic", Level.FAILED, text, stream.key.function, hint)
    return Check("traffic", Level.NO_DATA, text, stream.key.function, "Without traffic nothing can be evaluated.")


def _existence_checks(
    stage: StagePlan, ports: Ports, baselines: Sequence[Target], measured: Observations
) -> Iterator[Check]:
    """A gate whose series was never there waits for ever: CloudWatch is asked what it has instead."""
    empty = {gauge.key for gauge in measured.gauges if not gauge.minutes and gauge.before is None}
    empty |= {stream.key for stream in measured.streams if not stream.history}
    empty = {key for key in empty if isinstance(stage.gates[key.gate], MetricGate | RatioGate | EmfGate)}
    if not empty:
        return
    try:
        missing = ports.metrics.missing_series(stage, baselines, empty)
    except CanaryError as error:
        text = f"whether the series of {', '.join(sorted(map(str, empty)))} exist is unknown: {error.message}"
        yield Check("series_exists", Level.WARNING, text, hint=error.hint)
        return
    served = ports.metrics.requests_per_minute(baselines, ports.clock.now()) if missing else {}
    for key, text in missing.items():
        # Without traffic nothing is published: then a right name looks like a wrong one.
        level = Level.FAILED if any(served.values()) else Level.NO_DATA
        if stage.gates[key.gate].dry_run and level is Level.FAILED:
            level = Level.WARNING
        hint = f"Correct namespace, name and dimensions of gate {key.gate}; publish 0 where nothing happened."
        yield Check("series_exists", level, f"{key}: {text}", key.function, hint)


_UNREAD = frozenset({DataState.FAILED, DataState.PARTIAL})


def _unread(stage: StagePlan, measured: Sequence[Gauge | SumStream]) -> Iterator[Check]:
    """A queue that doesn't exist, a query that is refused, a store that doesn't answer."""
    for one in measured:
        if one.state in _UNREAD:
            level = Level.WARNING if stage.gates[one.key.gate].dry_run else Level.FAILED
            hint = f"Correct gate {one.key.gate}, or grant what the message names."
            yield Check("metrics", level, f"{one.key}: {one.detail or one.state.value}", one.key.function, hint)


def metric_checks(stage: StagePlan, ports: Ports, baselines: Sequence[Target]) -> Iterator[Check]:
    """Every series can be read and has values, and the baseline keeps its limits."""
    now = whole_minute(ports.clock.now() - stage.settle)
    measured = ports.metrics.measure(stage, baselines, Window(now, now, history_start(now, stage.evidence.history)))
    traffic = partial(ports.metrics.requests_per_minute, baselines, now)
    for stream in measured.streams:
        if isinstance(stage.gates[stream.key.gate], OutcomesGate):
            continue  # see flag_checks
        if stream.state in _UNREAD:
            text = f"{stream.key}: {stream.detail or stream.state.value}"
            yield Check("metrics", Level.FAILED, text, stream.key.function)
        elif not any(row.baseline_requests or row.candidate_requests for row in stream.history):
            yield _no_requests(stage, stream, traffic)
    sums = [one for one in measured.sums if not isinstance(stage.gates[one.key.gate], MeanGate)]
    yield from _unread(stage, (*measured.gauges, *sums))
    yield from _existence_checks(stage, ports, baselines, measured)
    unhealthy = unhealthy_baselines(stage, measured.streams)
    level = Level.WARNING if stage.hotfix else Level.FAILED
    for text in unhealthy:
        yield Check(
            "baseline_healthy", level, text, hint="Release a fix with --hotfix, or wait until it has recovered."
        )
    if not unhealthy and not stage.flag:
        yield Check("baseline_healthy", Level.OK, "the baseline keeps every limit")
    for text in weakened_evidence(stage, measured.streams):
        yield Check("evidence", Level.WARNING, text, hint="Wait until the history is calm, or raise the first weight.")
    for text in blind_gates(stage, measured.streams, now):
        hint = "Raise the weights, the bake or hold_max, add paired probes to the plan, or wait for more traffic."
        yield Check("detection", Level.WARNING, text, hint=hint)
