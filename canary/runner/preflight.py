"""Everything that is checked before traffic moves, each as a value with its reason; it changes nothing.

What Lambda would refuse or silently do wrong later (lambda-canary.md §9), whether health checks, alarms and metrics
answer, and whether the plan can come to a verdict in its time with this traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial

from canary.core.alias import ALL_BP, UNPUBLISHED, AliasState, basis_points
from canary.core.baseline import unhealthy_baselines, weakened_evidence
from canary.core.measurements import AlarmReading, AlarmState, DataState, Stream
from canary.core.phases import Phase
from canary.core.plan import (
    AlarmsGate,
    FunctionRef,
    HealthGate,
    Http5xxGate,
    LatencyGate,
    StagePlan,
    check_feasibility,
    first_weight,
    format_duration,
    has_little_traffic,
)
from canary.core.record import Record, Shift, decode, room_for_description
from canary.core.recover import fingerprint, in_order
from canary.core.schedule import history_start, settle, whole_minute
from canary.errors import CanaryError, NotFoundError
from canary.ports import Target, Window
from canary.runner.aliases import first_release_hint
from canary.runner.observe import alarms, longest_timeout_s
from canary.runner.session import Ports, Session


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    NO_DATA = "no_data"
    """Nothing to check: no traffic, or no values. Neither passed nor failed."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One result of preflight, doctor or verify.

    Attributes:
        name: stable name, such as "version_active".
        function: key of the function it is about; empty for the whole stage.
        text: what was found, with numbers.
        hint: what to do about it; empty when nothing.
    """

    name: str
    level: Level
    text: str
    function: str = ""
    hint: str = ""


def preflight(
    stage: StagePlan, ports: Ports, targets: Sequence[Target] = (), *, ignore_alarms: Collection[str] = ()
) -> tuple[Check, ...]:
    """Looks at everything a canary of this stage depends on; `doctor` calls it without targets.

    Args:
        stage: the plan.
        ports: what the driver reaches AWS and its surroundings through.
        targets: the versions to be released; without them, what concerns the candidate isn't checked.
        ignore_alarms: names of alarms that may be in ALARM already.

    Returns:
        Every check with its reason, failed ones too. An AWS call that fails is a failed check, not an error.
    """
    session = Session(stage, ports)
    checks: list[Check] = []
    seen: dict[str, AliasState] = {}
    baselines: list[Target] = []
    for function in in_order(stage):
        target = next((target for target in targets if target.function == function), None)
        checks += _guarded("alias_readable", function.key, partial(_alias_checks, function, seen, session))
        if target is not None:
            baselines.append(Target(function, target.baseline, target.baseline))
            checks += _guarded("version_readable", function.key, partial(_version_checks, target, session))
        elif function.key in seen and not any(c.level is Level.FAILED and c.function == function.key for c in checks):
            version = seen[function.key].version
            baselines.append(Target(function, version, version))
    checks += _guarded("record_fits", "", lambda: _record_checks(targets, seen, session))
    checks += _guarded("alarms", "", lambda: _alarm_checks(session, ignore_alarms))
    checks += _guarded("health", "", lambda: _health_checks(stage, ports, baselines, targets))
    checks += _guarded("probes", "", lambda: _probe_checks(stage, ports, baselines))
    if baselines:
        checks += _guarded("metrics", "", lambda: _metric_checks(stage, ports, baselines))
        checks += _guarded("enough_traffic", "", lambda: _feasibility_checks(targets or baselines, session))
    return tuple(checks)


def _guarded(name: str, function: str, check: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        return list(check())
    except CanaryError as error:
        return [Check(name, Level.FAILED, error.message, function, error.hint)]
    except Exception as error:  # noqa: BLE001  an odd answer is a failed check (decision 0017)
        return [Check(name, Level.FAILED, f"unexpected answer ({type(error).__name__}: {error})", function)]


def _check(name: str, ok: bool, text: str, function: str, hint: str) -> Check:
    return Check(name, Level.OK if ok else Level.FAILED, text, function, "" if ok else hint)


# Aliases and functions.


def _alias_checks(function: FunctionRef, seen: dict[str, AliasState], session: Session) -> Iterator[Check]:
    """The alias stands still on a published version, is free, and all traffic goes through it."""
    key, stage = function.key, session.stage
    aliases = session.ports.aliases
    try:
        alias = seen[key] = session.call(f"GetAlias {key}", partial(aliases.read, function))
    except NotFoundError as error:
        raise NotFoundError(error.message, hint=first_release_hint(stage)) from error
    yield _check(
        "alias_published",
        alias.version != UNPUBLISHED,
        f"{key} serves version {alias.version}",
        key,
        f"Point alias {function.alias} at a published version.",
    )
    if stage.account is not None:
        text = f"{key} is in account {alias.account or 'unknown'}, the plan says {stage.account}"
        hint = "Use the credentials of the stage's account, or correct `account` in the plan."
        yield _check("account", alias.account == stage.account, text, key, hint)
    yield _free(alias)
    facts = session.call(f"read the settings of {function.function}", partial(aliases.function_facts, function))
    yield _check(
        "no_unqualified_url",
        not facts.unqualified_url,
        f"{function.function} has {'a' if facts.unqualified_url else 'no'} function URL on {UNPUBLISHED}",
        key,
        f"Its requests bypass alias {function.alias}: create the URL on the alias.",
    )
    sources = ", ".join(facts.unqualified_sources)
    yield _check(
        "no_unqualified_sources",
        not sources,
        f"{function.function} is invoked without the alias by {sources}"
        if sources
        else "no event source bypasses the alias",
        key,
        f"Point the event source at alias {function.alias}.",
    )
    for action in facts.unknown:
        text = f"{action} is not permitted, so traffic that bypasses the alias cannot be detected"
        yield Check("may_look", Level.WARNING, text, key, f"Grant {action}.")
    if function.alias in facts.provisioned_on:
        text = (
            f"alias {function.alias} has provisioned concurrency: "
            "the new version starts cold, and AWS drains the baseline"
        )
        hint = "Put provisioned concurrency on the versions; its settings can't be changed while weights are set."
        yield Check("provisioned_concurrency", Level.WARNING, text, key, hint)


def _free(alias: AliasState) -> Check:
    key = alias.function.key
    record = decode(alias.description)
    if record is not None and record.phase is not Phase.STARTING:
        text = f"canary {record.canary_id} is in progress on {key}"
        return Check("alias_free", Level.FAILED, text, key, "Wait until it ends, or run `canary rollback STAGE`.")
    if alias.extra_version is not None:
        hint = "Another release may be in progress. Clear the alias' weights first."
        return Check("alias_free", Level.FAILED, f"{key} {alias.routes_text}", key, hint)
    return Check("alias_free", Level.OK, f"no canary in progress on {key}", key)


def _version_checks(target: Target, session: Session) -> Iterator[Check]:
    """Both versions exist, are active, differ, and Lambda lets them share an alias."""
    key = target.function.key
    yield _check(
        "versions_differ",
        target.baseline != target.candidate,
        f"{key} changes from version {target.baseline} to version {target.candidate}",
        key,
        "Publish a new version, or name one with --version.",
    )
    read = session.ports.aliases.version_facts
    baseline, candidate = (
        session.call(f"GetFunctionConfiguration {target.function}:{number}", partial(read, target.function, number))
        for number in (target.baseline, target.candidate)
    )
    for facts in (baseline, candidate):
        yield _check(
            "version_active",
            facts.state == "Active",
            f"version {facts.version} is {facts.state}",
            key,
            "Wait until it is Active. An inactive version becomes active when it is invoked.",
        )
    yield _check(
        "same_role",
        baseline.role == candidate.role,
        f"execution roles: {baseline.role} and {candidate.role}",
        key,
        "Lambda splits an alias only between versions with the same execution role.",
    )
    yield _check(
        "same_dead_letter_queue",
        baseline.dead_letter_arn == candidate.dead_letter_arn,
        f"dead-letter queues: {baseline.dead_letter_arn or 'none'} and {candidate.dead_letter_arn or 'none'}",
        key,
        "Lambda splits an alias only between versions with the same dead-letter queue.",
    )
    if baseline.durable or candidate.durable:
        text = "durable function: executions started on the new version continue there after a rollback, up to a year"
        yield Check("durable", Level.WARNING, text, key, "Keep the baseline; pin long executions to a version.")


def _record_checks(targets: Sequence[Target], seen: Mapping[str, AliasState], session: Session) -> Iterator[Check]:
    """The record must fit into 256 characters at its longest; the operator's text may be cut meanwhile."""
    for target in targets:
        alias = seen.get(target.function.key)
        if alias is None:
            continue  # said already
        record = decode(alias.description)
        text = alias.description if record is None else record.description
        room = room_for_description(_longest_record(target, session))
        if room < 0:
            steps = len(session.stage.steps)
            yield Check(
                "record_fits", Level.FAILED, f"the record of {steps} steps is {-room} characters too long",
                target.function.key, "Use fewer steps: an alias description has at most 256 characters.",
            )  # fmt: skip
        elif len(text) > room:
            yield Check(
                "description_fits", Level.WARNING,
                f"the alias description has {len(text)} characters; {room} fit beside the record during the canary",
                target.function.key, "The journal keeps the whole text, and it is restored at the end.",
            )  # fmt: skip


def _longest_record(target: Target, session: Session) -> Record:
    stage, now = session.stage, session.ports.clock.now()
    end = now + len(stage.steps) * stage.hold_max + stage.total_bake + stage.post_bake + timedelta(days=7)
    weights = (*(basis_points(step.weight) for step in stage.steps), ALL_BP, ALL_BP, 0)
    return Record(
        canary_id="x" * 8,
        baseline=target.baseline,
        candidate=target.candidate,
        phase=Phase.BAKING,
        started_at=now,
        shifts=tuple(Shift(end, weight) for weight in weights),
        deadline=end,
        fingerprint=fingerprint(stage),
        description="",
        hotfix=True,
    )


# Gates.


def _alarm_checks(session: Session, ignored: Collection[str]) -> Iterator[Check]:
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


def _health_checks(
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
        for probe in ports.probes.probe(narrowed, wanted, ports.clock.now()):
            level = (
                Level.OK if probe.ok else Level.FAILED if probe.ok is False or which == "baseline" else Level.WARNING
            )
            outcome = "passes" if probe.ok else "fails"
            text = f"the {which} {outcome} {probe.key}{': ' if probe.detail else ''}{probe.detail}"
            hint = "" if probe.ok else "Fix the endpoint, or correct the gate in the plan."
            yield Check("health", level, text, probe.key.function, hint)


def _probe_checks(stage: StagePlan, ports: Ports, baselines: Sequence[Target]) -> Iterator[Check]:
    """A probe that fails on the baseline compares nothing."""
    for key, why in ports.pairs.first(stage, baselines):
        text = f"a probe of the baseline failed ({key}): {why}" if why else f"a probe of the baseline succeeded ({key})"
        hint = f"Correct the request of gate {key.gate}, or grant lambda:InvokeFunction."
        yield _check("probes", not why, text, key.function, hint)


def _no_requests(stage: StagePlan, stream: Stream, traffic: Callable[[], Mapping[str, float]]) -> Check:
    gate = stage.gates[stream.key.gate]
    text = f"{stream.key}: {stream.detail or 'no traffic'} in the last {format_duration(stage.evidence.history)}"
    before = isinstance(gate, LatencyGate | Http5xxGate) and gate.source != "lambda"
    if before and any(traffic().values()):
        # What stands before the function has no requests, and the function has: it is named wrongly.
        hint = f"Correct source and target of gate {stream.key.gate}."
        return Check("traffic", Level.FAILED, text, stream.key.function, hint)
    return Check("traffic", Level.NO_DATA, text, stream.key.function, "Without traffic nothing can be evaluated.")


def _metric_checks(stage: StagePlan, ports: Ports, baselines: Sequence[Target]) -> Iterator[Check]:
    now = whole_minute(ports.clock.now() - stage.settle)
    measured = ports.metrics.measure(stage, baselines, Window(now, now, history_start(now, stage.evidence.history)))
    for stream in measured.streams:
        if stream.state in {DataState.FAILED, DataState.PARTIAL}:
            text = f"{stream.key}: {stream.detail or stream.state.value}"
            yield Check("metrics", Level.FAILED, text, stream.key.function)
        elif not any(row.baseline_requests or row.candidate_requests for row in stream.history):
            yield _no_requests(stage, stream, partial(ports.metrics.requests_per_minute, baselines, now))
    unhealthy = unhealthy_baselines(stage, measured.streams)
    level = Level.WARNING if stage.hotfix else Level.FAILED
    for text in unhealthy:
        yield Check(
            "baseline_healthy", level, text, hint="Release a fix with --hotfix, or wait until it has recovered."
        )
    if not unhealthy:
        yield Check("baseline_healthy", Level.OK, "the baseline keeps every limit")
    for text in weakened_evidence(stage, measured.streams):
        yield Check("evidence", Level.WARNING, text, hint="Wait until the history is calm, or raise the first weight.")


# Whether the plan can come to a verdict in its time.


def _feasibility_checks(targets: Sequence[Target], session: Session) -> Iterator[Check]:
    """Refuses steps that not even the longest hold could show to be healthy; names those that will have to hold."""
    stage, ports = session.stage, session.ports
    for target in targets:
        yield from _settling_checks(target, session)
    per_minute = ports.metrics.requests_per_minute(targets, ports.clock.now())
    known = {key: rate for key, rate in per_minute.items() if rate > 0.0}  # without traffic: `on_no_data` is for that
    for finding in check_feasibility(stage, known):
        refused = finding.severity == "refuse" and stage.on_inconclusive != "promote"
        level = Level.FAILED if refused else Level.WARNING
        text = f"{finding.message} (traffic of the last day: {known[finding.function]:.3g} requests a minute)"
        yield Check("enough_traffic", level, text, finding.function, finding.hint)
    for key, rate in known.items():
        if has_little_traffic(stage, rate):
            yield _little_traffic(stage, key, rate)


def _little_traffic(stage: StagePlan, key: str, rate: float) -> Check:
    first = float(stage.steps[0].weight)
    weight = first_weight(stage, rate)
    raised = f"Raise the first weight to {weight:g} %, or add" if weight is not None else "Add"
    text = (
        f"the first weight of {first:g} % gives the new version {rate * first / 100:.3g} requests a minute "
        f"(traffic of the last day), so a regression takes long to find"
    )
    return Check("little_traffic", Level.WARNING, text, key, f"{raised} paired probes to the plan.")


def _settling_checks(target: Target, session: Session) -> Iterator[Check]:
    """A minute is settled only when its longest invocation must be over; until then a step has no evidence."""
    stage = session.stage
    longest_s = longest_timeout_s([target], session)
    delay = settle(stage.settle, longest_s) + timedelta(minutes=1)
    for number, step in enumerate(stage.steps, 1):
        if delay > step.bake:
            watched = step.bake + stage.hold_max
            yield Check(
                "judged_in_time",
                Level.FAILED if delay > watched and stage.on_no_data != "promote" else Level.WARNING,
                f"{target.function} has a timeout of {longest_s} s, so a minute is judged after "
                f"{format_duration(delay)}; step {number} bakes {format_duration(step.bake)} and holds "
                f"{format_duration(stage.hold_max)} at most",
                target.function.key,
                "Let the step bake longer, raise hold_max, or lower the function's timeout.",
            )
            return
