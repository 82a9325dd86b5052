"""Commands that only read: status, history, verify, doctor, plan. None of them changes anything."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is an option of the command line

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated

import click

from canary.cli.options import DEFAULT_PLAN, AsJson, Branch, NoColor, PlanPath, Profile, Region, ReportPath, Stage
from canary.cli.session import Session, cli_context, open_session, percentage, read_plan
from canary.errors import UsageError
from flagkit.cli.arguments import Argument, Context, Option


def status(
    context: Context,
    stage: Stage,
    watching: Annotated[bool, Option("--watch", "-w", help="Refresh every tick until the canary ends.")] = False,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Show the canary in progress and its evidence.

    Steps, error shares of both versions with intervals, odds, and the time to a decision.
    """
    from canary.cli import views

    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    if watching:
        return views.watch_status(session, as_json=as_json, no_color=no_color)
    return views.show_status(session, as_json=as_json, no_color=no_color, report=report)


def history(
    context: Context,
    stage: Annotated[str | None, Argument(metavar="STAGE", help="Stage to list.")] = None,
    canary_id: Annotated[str | None, Option("--id", help="Show one canary in full.", metavar="CANARY")] = None,
    by: Annotated[str | None, Option("--by", help="List what this person or CI job started.", metavar="NAME")] = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> int:
    """List past canaries, or show one in full."""
    from canary.adapters import aws
    from canary.assembly import open_journal
    from canary.cli import views

    cli = cli_context(context)
    whole = read_plan(cli, plan)
    if stage is not None:
        whole.stage(stage)
    dynamo = whole.journal.startswith("dynamodb:")
    asked = region or (whole.stage(stage).region if stage else None)
    session = aws.open_session(asked, profile) if dynamo else None
    journal = open_journal(whole, base=cli.base, session=session, stage=stage)
    if canary_id is not None:
        return views.show_one(list(journal.events(canary_id)), canary_id, whole, as_json=as_json, report=report)
    rows = journal.canaries(stage)
    return views.show_list([row for row in rows if by in {None, row.get("started_by")}], as_json=as_json)


def verify(
    context: Context,
    stage: Stage,
    window: Annotated[str, Option("--window", metavar="DURATION", help="Time window to check.")] = "15m",
    max_errors: Annotated[
        str, Option("--max-errors", metavar="PERCENT", help="Highest share of failed requests.")
    ] = "1%",
    p99: Annotated[str, Option("--p99", metavar="DURATION", help="Highest 99th percentile of the duration.")] = "1s",
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> int:
    """Check the health of the live versions.

    Error rate, p99, queues and alarms. Exit code 1 if a check fails, 7 if there is no traffic to check.
    """
    from canary import runner
    from canary.cli.output import show_checks

    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    found = runner.verify(
        session.stage,
        session.ports(),
        window=duration(window),
        max_errors_percent=percentage(max_errors),
        p99=duration(p99),
    )
    return show_checks(found, as_json=as_json, failed_code=1)


def doctor(
    context: Context,
    stage: Stage,
    branch: Branch = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> int:
    """Check everything a release depends on, without releasing.

    Exit code 5 if a release would be refused, 7 if a gate has no data.
    """
    from canary import runner
    from canary.cli.output import show_checks
    from canary.cli.rules import rule_checks

    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    rules, found = rule_checks(session, branch=branch), runner.preflight(session.stage, session.ports())
    return show_checks([*rules, *found], as_json=as_json, failed_code=5)


def plan(
    context: Context,
    stage: Stage,
    plan_path: PlanPath = DEFAULT_PLAN,
    rps: Annotated[
        float | None,
        Option("--rps", metavar="N", help="Expected requests per second to each function; says what the plan can do."),
    ] = None,
    yesterday: Annotated[
        bool,
        Option("--yesterday", help="Instead of --rps: the traffic of the last day, of the function with the least."),
    ] = False,
    users: Annotated[
        int | None,
        Option(
            "--users",
            metavar="N",
            min=1,
            max=1_000_000_000,
            help="Users who may come in all, where users are counted; says which steps get enough of them.",
        ),
    ] = None,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> int:
    """Print the plan of a stage with every default.

    Makes no AWS call but with --yesterday. With a traffic releases are simulated: how often the plan promotes in time,
    and what it finds; exit code 2 if a step has too few requests, or users, to be shown healthy.
    """
    from canary.cli import views

    if rps is not None and yesterday:
        raise UsageError("--rps and --yesterday exclude each other", hint="Give one of them.")
    if rps is not None and not 0 < rps < math.inf:
        raise UsageError(f"--rps {rps:g} is not a request rate", hint="Give a number above 0, for example --rps 2.")
    session: Session = open_session(cli_context(context), plan_path, stage, region=region, profile=profile)
    if users is not None and session.stage.outcomes is None:
        raise UsageError(f"stage {stage} counts requests, not users", hint="Use --rps.")
    if yesterday and session.stage.flag:
        hint = "Give --users; `canary doctor` counts the users of the last day."
        raise UsageError("--yesterday is for functions: a flag has no traffic of its own", hint=hint)
    if yesterday:
        rps = views.traffic_of_yesterday(session)
        if not as_json:
            click.echo(f"Traffic of the last day: {rps:.3g} requests per second.")
    return views.show_plan(session.stage, rps, session.plan.stages, users=users, as_json=as_json)


def duration(word: str) -> timedelta:
    """`15m` as a duration.

    Raises:
        UsageError: not a duration.
    """
    from canary.core.plan import parse_duration

    try:
        value = parse_duration(word)
    except ValueError as error:
        raise UsageError(str(error)) from None
    assert isinstance(value, timedelta)
    return value
