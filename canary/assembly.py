"""Builds the ports of a stage from its plan: the only place that knows which adapter serves which port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from os import environ
from pathlib import Path

from canary.adapters.alarms import CloudWatchAlarms
from canary.adapters.aws import Session, credentials_end, open_session, unused_session
from canary.adapters.buses import EventBuses, SnsTopics
from canary.adapters.clock import AppConfigClock, SystemClock
from canary.adapters.cloudwatch import CloudWatchMetrics
from canary.adapters.deadman import DeadManSwitch
from canary.adapters.engines import engine_of
from canary.adapters.flag_target import FlagAliases, no_dead_man
from canary.adapters.flags import FlagsOff
from canary.adapters.health import HealthChecks
from canary.adapters.hooks import HookCalls
from canary.adapters.journals import DynamoJournal, FileJournal
from canary.adapters.lambda_aliases import LambdaAliases
from canary.adapters.notify import Notifier
from canary.adapters.others import Others, others_of
from canary.adapters.outcomes import WEAKER, UserMetrics, source_of
from canary.adapters.pairs import PairedInvocations
from canary.adapters.queries import QueryingMetrics
from canary.core.events import UNKNOWN_ORIGIN, Origin
from canary.core.others import beside
from canary.core.plan import EngineName, EventBridgeTarget, FlagTarget, Plan, SnsTarget, StagePlan
from canary.errors import PlanError
from canary.ports import Aliases, Clock, Journal, MetricSource, Observer
from canary.runner import Ports


def load_plan(path: Path) -> Plan:
    """Reads `canary.toml`.

    Raises:
        PlanError: no such file, or the plan is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError(f"{path} can't be read: {error.strerror or error}", hint="Pass --plan PATH.") from error
    except UnicodeDecodeError as error:
        raise PlanError(f"{path} isn't UTF-8 text") from error
    return Plan.parse(text)


def open_journal(
    plan: Plan, *, base: Path = Path(), session: Session | None = None, stage: str | None = None
) -> Journal:
    """The journal that the plan names: `file:DIRECTORY` or `dynamodb://TABLE`.

    Raises:
        PlanError: neither of them.
    """
    kind, _, where = plan.journal.partition(":")
    if kind == "file" and where:
        return FileJournal(base / where)
    if kind == "dynamodb" and where.strip("/"):
        region = plan.stages[stage].region if stage in plan.stages else None
        return DynamoJournal(session or open_session(region), where.strip("/"), stage)
    raise PlanError(f'journal = "{plan.journal}" is neither "file:DIRECTORY" nor "dynamodb://TABLE"')


def assemble(
    plan: Plan,
    stage: str,
    *,
    base: Path = Path(),
    session: Session | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
    origin: Origin = UNKNOWN_ORIGIN,
    engine: EngineName = "local",
) -> Ports:
    """The real ports of one stage.

    Args:
        plan: the whole plan (for its journal).
        stage: name of the stage.
        base: directory that relative paths of the plan start from.
        session: the boto3 session to use; made from the environment and the stage's region when None.
        clock: the machine's clock when None; tests pass a virtual one.
        observers: are notified of every event, before the plan's notifications are sent.
        origin: where the code comes from that a start releases, for history and reports.
        engine: what drives the canary, for commands that hand it over.

    Raises:
        UnknownStageError: the plan has no such stage.
        PlanError: the plan's journal is none.
        AwsError: no region is set.
    """
    chosen = plan.stage(stage)
    clock = clock or SystemClock()
    is_local = chosen.is_local and not plan.journal.startswith("dynamodb:")
    session = unused_session() if is_local else session or open_session(chosen.region)
    on_date = clock.aws_says if isinstance(clock, SystemClock) else None
    aliases: Aliases
    dead_man: DeadManSwitch | None = None
    others: Others | None = None
    if chosen.flag is None:
        aliases = LambdaAliases(session, clock, on_date=on_date)
        dead_man = DeadManSwitch(chosen, chosen.dead_man, session, aliases, clock)
    else:
        own = flag_within(base, chosen.flag)
        aliases = FlagAliases(own, chosen.variant, session, clock=AppConfigClock(clock))
        if not own.is_file:
            dead_man = DeadManSwitch(chosen, chosen.dead_man, session, aliases, clock)
        others = others_of(own, [(own, aliases), *_of_other_stages(plan, chosen, base, session)])
    flags = (FlagsOff(chosen.flags_off, session),) if chosen.flags_off else ()
    journal = open_journal(plan, base=base, session=session, stage=stage)
    return Ports(
        aliases=aliases,
        metrics=_metrics(chosen, session, clock, base, others),
        probes=HealthChecks(session),
        alarms=CloudWatchAlarms(session, clock),
        hooks=HookCalls(session),
        clock=clock,
        journal=journal,
        observers=(*observers, *([dead_man] if dead_man else []), *flags, *_notifiers(chosen, session, clock, journal)),
        origin=origin,
        # A Lambda function is frozen between two ticks, and threads with it.
        pairs=PairedInvocations(
            session, clock, beside=isinstance(clock, SystemClock) and "AWS_LAMBDA_FUNCTION_NAME" not in environ
        ),
        credentials_end=partial(credentials_end, session),
        dead_man=dead_man.checked if dead_man else no_dead_man,
        engine=engine_of(engine, chosen, plan.journal, session),
        others=others,
        # Threads only against the real AWS: a virtual clock must see one call after the other.
        in_parallel=isinstance(clock, SystemClock),
    )


def flag_within(base: Path, flag: FlagTarget) -> FlagTarget:
    """A flag in a file is found from the plan's directory."""
    kind, _, path = flag.source.partition(":")
    return FlagTarget(f"file:{base / path}", flag.key) if kind == "file" else flag


def _of_other_stages(
    plan: Plan, chosen: StagePlan, base: Path, session: Session
) -> Iterator[tuple[FlagTarget, FlagAliases]]:
    """The flags that a plan's other stages roll out to the same users, in the same region."""
    for name, flag in beside(chosen, plan.stages.values()):
        if plan.stages[name].region == chosen.region:
            found = flag_within(base, flag)
            yield found, FlagAliases(found, plan.stages[name].variant, session)


def _metrics(
    stage: StagePlan, session: Session, clock: Clock, base: Path, others: Others | None = None
) -> MetricSource:
    found = QueryingMetrics(CloudWatchMetrics(session, clock), clock)
    if stage.outcomes is None:
        return found
    weaker = (WEAKER,) if stage.outcomes.startswith("emf:") else ()

    def notes(canary_id: str) -> tuple[str, ...]:
        return (*weaker, *(other.sentence for other in (others() if others and canary_id else ())))

    source = source_of(stage.outcomes, session, clock, base)
    return UserMetrics(found, source, stage.variant, notes)


def _notifiers(stage: StagePlan, session: Session, clock: Clock, journal: Journal) -> tuple[Observer, ...]:
    targets = stage.notifications
    if not targets:
        return ()
    topics = SnsTopics(session) if any(isinstance(target, SnsTarget) for target in targets) else None
    buses = EventBuses(session) if any(isinstance(target, EventBridgeTarget) for target in targets) else None
    beside = isinstance(clock, SystemClock)
    return (Notifier(targets, clock, topics=topics, buses=buses, stage=stage, journal=journal, beside=beside),)
