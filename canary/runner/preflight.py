"""Everything that is checked before traffic moves, each as a value with its reason; it changes nothing.

What Lambda would refuse or silently do wrong later (lambda-canary.md §9), whether health checks, alarms and metrics
answer, and whether the plan can come to a verdict in its time with this traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, timedelta
from functools import partial
from typing import Final

from canary.core import resources
from canary.core.alias import ALL_BP, UNPUBLISHED, AliasState, basis_points
from canary.core.phases import Phase
from canary.core.plan import (
    FunctionRef,
    StagePlan,
    check_feasibility,
    first_weight,
    format_duration,
    has_little_traffic,
)
from canary.core.record import Record, Shift, decode, room_for_description
from canary.core.recover import fingerprint, in_order
from canary.core.schedule import settle
from canary.errors import CanaryError, NotFoundError
from canary.ports import DeadManFacts, Target
from canary.runner.aliases import first_release_hint
from canary.runner.checks import Check, Level, check
from canary.runner.engines import engine_checks
from canary.runner.flag_checks import flag_checks, user_checks
from canary.runner.gate_checks import alarm_checks, health_checks, metric_checks, probe_checks
from canary.runner.observe import longest_timeout_s
from canary.runner.others import OTHERS, rollout_checks
from canary.runner.session import Ports, Session


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
    readable = "flag_readable" if stage.flag else "alias_readable"
    seen: dict[str, AliasState] = {}
    baselines: list[Target] = []
    for function in in_order(stage):
        target = next((target for target in targets if target.function == function), None)
        checks += _guarded(readable, function.key, partial(_alias_checks, function, seen, session))
        if target is not None:
            baselines.append(Target(function, target.baseline, target.baseline))
        if target is not None and not function.flag:
            checks += _guarded("version_readable", function.key, partial(_version_checks, target, session))
        elif (
            target is None
            and function.key in seen
            and not any(c.level is Level.FAILED and c.function == function.key for c in checks)
        ):
            version = seen[function.key].version
            baselines.append(Target(function, version, version))
    checks += _guarded("record_fits", "", lambda: _record_checks(targets, seen, session))
    checks += _guarded("alarms", "", lambda: alarm_checks(session, ignore_alarms))
    checks += _guarded("health", "", lambda: health_checks(stage, ports, baselines, targets))
    checks += _guarded("probes", "", lambda: probe_checks(stage, ports, baselines))
    if not stage.is_local:
        checks += _guarded(CREDENTIALS, "", lambda: [_credentials_check(session)])
    checks += _guarded(OTHERS, "", lambda: rollout_checks(stage, ports))
    checks += _journal_checks(session)
    if (facts := ports.dead_man) is not None:
        checks += _guarded("dead_man", "", lambda: _dead_man_checks(stage, facts))
    engine = ports.engine
    if engine is not None:
        checks += _guarded("engine_deployed", "", lambda: engine_checks(stage, engine))
    if baselines:
        checks += _guarded("metrics", "", lambda: metric_checks(stage, ports, baselines))
        checks += _guarded("outcomes", "", lambda: user_checks(stage, ports, baselines))
        checks += _guarded("enough_traffic", "", lambda: _feasibility_checks(targets or baselines, session))
    return tuple(checks)


def _guarded(name: str, function: str, check: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        return list(check())
    except CanaryError as error:
        return [Check(name, Level.FAILED, error.message, function, error.hint)]
    except Exception as error:  # noqa: BLE001  an odd answer is a failed check (decision 0017)
        return [Check(name, Level.FAILED, f"unexpected answer ({type(error).__name__}: {error})", function)]


# Aliases and functions.


CREDENTIALS: Final = "credentials_last"
"""Name of the check that a start publishes too: nobody reads `canary doctor` in a pipeline."""


def _credentials_check(session: Session) -> Check:
    """A driver whose credentials have ended can neither watch nor roll back."""
    stage = session.stage
    end = session.ports.credentials_end()
    planned = stage.total_bake + stage.post_bake
    longest = planned + (len(stage.steps) + 1) * stage.hold_max
    as_planned = f"this {stage.words.run} lasts {format_duration(planned)} as planned"
    lasts = f"{as_planned}, {format_duration(longest)} if every step holds"
    hint = "Ask for credentials that last longer, use a driver in AWS, or set dead_man in the plan."
    if end.at is None and end.is_known:
        return Check(CREDENTIALS, Level.OK, "the AWS credentials don't end by themselves")
    if end.at is None:
        text = f"the AWS credentials are temporary and don't say when they end; {lasts}"
        return Check(CREDENTIALS, Level.WARNING, text, hint=hint)
    left = end.at - session.ports.clock.now()
    text = f"the AWS credentials end at {end.at.astimezone(UTC):%H:%M} UTC; {lasts}"
    return Check(
        CREDENTIALS, Level.OK if left >= longest else Level.WARNING, text, hint="" if left >= longest else hint
    )


def _journal_checks(session: Session) -> Iterator[Check]:
    """A release doesn't depend on its journal, but a table that doesn't exist is a mistake."""
    try:
        session.ports.journal.canaries(session.stage.name)
    except Exception as error:  # noqa: BLE001  an odd answer is a check (decision 0017)
        hint = "Without it a release works, and history, --retry and the rollback of a promotion don't."
        yield Check("journal", Level.WARNING, f"the journal can't be read: {error}", hint=hint)


def _dead_man_checks(stage: StagePlan, find: Callable[[], DeadManFacts]) -> Iterator[Check]:
    """A release without one is only as safe as its driver; that refuses none."""
    try:
        facts = find()
    except CanaryError as error:
        yield Check("dead_man", Level.WARNING, f"it can't be found out whether there is one: {error.message}")
        return
    yield _dead_man_check(stage, facts)
    if facts.unknown:
        text = f"whether the role of the dead-man switch may do that is unknown: {facts.unknown}"
        more = "" if stage.flag is None else ", and lambda:InvokeFunction on the tick function"
        hint = f"Grant iam:SimulatePrincipalPolicy on the role{more}."
        yield Check("dead_man_role", Level.WARNING, text, hint=hint)


def _dead_man_check(stage: StagePlan, facts: DeadManFacts) -> Check:
    if facts.kind is None:
        text = f"there is none ({facts.problem}), so a canary whose driver is killed keeps its {stage.words.weight}"
        return Check("dead_man", Level.WARNING, text, hint=stage.words.without_dead_man.format(stage=stage.name))
    if facts.problem:
        again = f"Deploy `canary infra {stage.name}` again, or correct dead_man in the plan."
        return Check("dead_man", Level.WARNING, facts.problem, hint=again)
    if facts.kind == "workflow":
        text = f"AWS starts {resources.rollback_machine(stage.name)} if every driver ends"
        if stage.flag is not None:
            text += f", which lets {resources.tick_function(stage.name)} set the percentage to 0 %"
    else:
        text = "AWS rolls each alias back if every driver ends, except in the seconds after a shift"
    return Check("dead_man", Level.OK, text)


def _alias_checks(function: FunctionRef, seen: dict[str, AliasState], session: Session) -> Iterator[Check]:
    """The alias stands still on a published version, is free, and all traffic goes through it."""
    key, stage = function.key, session.stage
    aliases = session.ports.aliases
    alias = seen[key] = _read(function, session)
    if function.flag:
        facts = session.call(f"read {function}", partial(aliases.function_facts, function))
        yield from flag_checks(stage, alias, facts)
        yield _free(stage, alias)
        return
    yield check(
        "alias_published",
        alias.version != UNPUBLISHED,
        f"{key} serves version {alias.version}",
        key,
        f"Point alias {function.alias} at a published version.",
    )
    if stage.account is not None:
        text = f"{key} is in account {alias.account or 'unknown'}, the plan says {stage.account}"
        hint = "Use the credentials of the stage's account, or correct `account` in the plan."
        yield check("account", alias.account == stage.account, text, key, hint)
    yield _free(stage, alias)
    facts = session.call(f"read the settings of {function.function}", partial(aliases.function_facts, function))
    yield check(
        "no_unqualified_url",
        not facts.unqualified_url,
        f"{function.function} has {'a' if facts.unqualified_url else 'no'} function URL on {UNPUBLISHED}",
        key,
        f"Its requests bypass alias {function.alias}: create the URL on the alias.",
    )
    sources = ", ".join(facts.unqualified_sources)
    yield check(
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


def _read(function: FunctionRef, session: Session) -> AliasState:
    action = function.words.verb(f"GetAlias {function}")
    try:
        return session.call(action, partial(session.ports.aliases.read, function))
    except NotFoundError as error:
        hint = error.hint if function.flag else first_release_hint(session.stage)
        raise NotFoundError(error.message, hint=hint) from error


def _free(stage: StagePlan, alias: AliasState) -> Check:
    key, name = alias.function.key, alias.function
    record = decode(alias.description)
    if record is not None and record.phase is not Phase.STARTING:
        text = f"canary {record.canary_id} is in progress on {name}"
        return Check("alias_free", Level.FAILED, text, key, "Wait until it ends, or run `canary rollback STAGE`.")
    if alias.extra_version is not None:
        return Check("alias_free", Level.FAILED, f"{name} {alias.routes_text}", key, stage.words.taken)
    return Check("alias_free", Level.OK, f"no canary in progress on {name}", key)


def _version_checks(target: Target, session: Session) -> Iterator[Check]:
    """Both versions exist, are active, differ, and Lambda lets them share an alias."""
    key = target.function.key
    yield check(
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
        yield check(
            "version_active",
            facts.state == "Active",
            f"version {facts.version} is {facts.state}",
            key,
            "Wait until it is Active. An inactive version becomes active when it is invoked.",
        )
    yield check(
        "same_role",
        baseline.role == candidate.role,
        f"execution roles: {baseline.role} and {candidate.role}",
        key,
        "Lambda splits an alias only between versions with the same execution role.",
    )
    yield check(
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
                target.function.key, "Use fewer steps: a record has at most 256 characters.",
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


# Whether the plan can come to a verdict in its time.


def _feasibility_checks(targets: Sequence[Target], session: Session) -> Iterator[Check]:
    """Refuses steps that not even the longest hold could show to be healthy; names those that will have to hold."""
    stage, ports = session.stage, session.ports
    for target in targets:
        yield from () if target.function.flag else _settling_checks(target, session)
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
