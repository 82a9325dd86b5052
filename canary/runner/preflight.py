"""Everything that is checked before traffic moves; it changes nothing (lambda-canary.md §9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial

from canary.core.baseline import unhealthy_baselines
from canary.core.measurements import AlarmReading, AlarmState, DataState
from canary.core.plan import AlarmsGate, HealthGate, StagePlan
from canary.core.recover import in_order
from canary.core.schedule import history_start, whole_minute
from canary.errors import CanaryError
from canary.ports import Target, Window
from canary.runner.alias_checks import alias_checks, record_checks, version_checks
from canary.runner.checks import Check, Level
from canary.runner.feasibility import feasibility_checks
from canary.runner.measuring import alarms
from canary.runner.retrying import Retrying
from canary.runner.setup import Ports
from canary.runner.telling import Teller


def preflight(
    stage: StagePlan, ports: Ports, targets: Sequence[Target] = (), *, ignore_alarms: Collection[str] = ()
) -> tuple[Check, ...]:
    """Looks at everything a canary of this stage depends on; `doctor` calls it without targets.

    Args:
        stage: the plan.
        ports: the world.
        targets: the versions to be released; without them, what concerns the candidate isn't checked.
        ignore_alarms: names of alarms that may be red already.

    Returns:
        Every check with its reason, failed ones too. An AWS call that fails is a failed check, not an error.

    Since 0.1.
    """
    retrying = Retrying(Teller(ports, "", stage.name))
    checks: list[Check] = []
    bases: list[Target] = []
    for function in in_order(stage):
        target = next((target for target in targets if target.function == function), None)
        found = _guarded("alias_readable", function.key, partial(alias_checks, stage, function, retrying))
        checks += found
        if target is not None:
            bases.append(Target(function, target.baseline, target.baseline))
            checks += _guarded("version_readable", function.key, partial(version_checks, target, retrying))
        elif all(check.level is not Level.FAILED for check in found):
            alias = retrying.call(f"GetAlias {function}", partial(ports.aliases.read, function))
            bases.append(Target(function, alias.version, alias.version))
    checks += _guarded("record_fits", "", lambda: record_checks(stage, targets, retrying))
    checks += _guarded("alarms", "", lambda: _alarm_checks(stage, ports, ignore_alarms))
    checks += _guarded("health", "", lambda: _health_checks(stage, ports, bases, targets))
    if bases:
        checks += _guarded("metrics", "", lambda: _metric_checks(stage, ports, bases))
        checks += _guarded("enough_traffic", "", lambda: feasibility_checks(stage, targets or bases, retrying))
    return tuple(checks)


def _guarded(name: str, function: str, check: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        return list(check())
    except CanaryError as error:
        return [Check(name, Level.FAILED, error.message, function, error.hint)]


def _alarm_checks(stage: StagePlan, ports: Ports, ignored: Collection[str]) -> Iterator[Check]:
    for reading in alarms(stage, None, ports):
        gate = stage.gates[reading.gate]
        may_be_red = reading.name in ignored or (isinstance(gate, AlarmsGate) and gate.already_red == "ignore")
        yield _alarm_check(reading, may_be_red=may_be_red)


def _alarm_check(reading: AlarmReading, *, may_be_red: bool) -> Check:
    if reading.state is AlarmState.UNKNOWN:
        text = f"alarm {reading.name}: {reading.detail or 'its state is unknown'}"
        return Check("alarm_exists", Level.FAILED, text, hint="Correct the name in the plan, or mend the alarm.")
    if reading.state is AlarmState.ALARM and not may_be_red:
        text = f"alarm {reading.name} is red already, so it can't speak against the new version"
        return Check("alarm_green", Level.FAILED, text, hint=f"Mend the cause, or pass --ignore-alarm {reading.name}.")
    level = Level.WARNING if reading.state is not AlarmState.OK else Level.OK
    return Check("alarm_green", level, f"alarm {reading.name} is {reading.state.value.replace('_', ' ')}")


def _health_checks(
    stage: StagePlan, ports: Ports, bases: Sequence[Target], targets: Sequence[Target]
) -> Iterator[Check]:
    """The old version must answer its checks, and the new one those that reach it before it has any traffic."""
    gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, HealthGate)}
    shared = {name: gate for name, gate in gates.items() if gate.invoke is not None or not gate.dedicated}
    direct = {name: gate for name, gate in gates.items() if gate.invoke is not None or gate.dedicated}
    for which, chosen, wanted in (("old", shared, bases), ("new", direct, targets)):
        if not chosen or not wanted:
            continue
        narrowed = stage.model_copy(update={"gates": chosen})
        for probe in ports.probes.probe(narrowed, wanted, ports.clock.now()):
            level = Level.OK if probe.ok else Level.FAILED if probe.ok is False or which == "old" else Level.WARNING
            outcome = "answers" if probe.ok else "doesn't answer as it should"
            text = f"the {which} version {outcome} {probe.key}{': ' if probe.detail else ''}{probe.detail}"
            yield Check(
                "health", level, text, probe.key.function, "" if probe.ok else "Mend it, or the gate in the plan."
            )


def _metric_checks(stage: StagePlan, ports: Ports, bases: Sequence[Target]) -> Iterator[Check]:
    now = whole_minute(ports.clock.now() - stage.settle)
    measured = ports.metrics.measure(stage, bases, Window(now, now, history_start(now, stage.evidence.history)))
    for stream in measured.streams:
        if stream.state in {DataState.FAILED, DataState.PARTIAL}:
            yield Check(
                "metrics", Level.FAILED, f"{stream.key}: {stream.detail or stream.state.value}", stream.key.function
            )
        elif not any(row.baseline_requests or row.candidate_requests for row in stream.history):
            text = f"{stream.key}: no traffic in the last {len(stream.history) or 'known'} minutes"
            yield Check("traffic", Level.WARNING, text, stream.key.function, "Without traffic nothing can be judged.")
    sick = unhealthy_baselines(stage, measured.streams)
    level = Level.WARNING if stage.hotfix else Level.FAILED
    for text in sick:
        yield Check("baseline_healthy", level, text, hint="Release a fix with --hotfix, or wait until it is over.")
    if not sick:
        yield Check("baseline_healthy", Level.OK, "the old version keeps every limit")
