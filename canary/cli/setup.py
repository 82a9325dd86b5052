"""Commands that set canary up: init writes a plan, schema and iam print. None of them changes anything in AWS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from importlib import resources
from typing import Annotated

import click

from canary.cli.options import DEFAULT_PLAN, AsJson, PlanPath, Profile, Region, Stage
from canary.cli.session import CliContext, Session, cli_context, read_plan
from canary.errors import CanaryError, NotFoundError, UsageError
from flagkit.cli.arguments import Argument, Context, Option

PLAN = """\
# Plan of canary: https://github.com/flagkit-canary documents every field in docs/canary/plan.md.
# `canary plan {stage}` shows it with every default, `canary doctor {stage}` checks it against AWS.

[stages.{stage}]
functions = [{functions}]
steps = {steps}        # percent of the traffic, ascending; 100 % follows
bake = "10m"            # the longest time of each step

# What rolls back. Errors above 5 % and p95 above 2 s do so without being written here:
# [stages.{stage}.gates.errors]
# limit_percent = 5
# [stages.{stage}.gates.latency]
# quantile = 0.95
# limit = "2s"

# At little traffic, find regressions with the same request to both versions in turn. It runs in production, so it
# must change nothing (docs/canary/plan.md#probes):
# [stages.{stage}.gates.probes]
# path = "/health"

# More gates:
# [stages.{stage}.gates.health]
# url = "https://example.com/health"
# version_header = "x-version"   # the response header that names the version
# [stages.{stage}.gates.alarms]
# names = ["api-5xx"]
# [stages.{stage}.gates.api]
# kind = "http_5xx"
# source = "http_api"            # or "apigateway", "websocket", "alb", "url"
# target = "a1b2c3d4e5"

# Notifications:
# notifications = [{{ kind = "slack", url_env = "SLACK_URL" }}]
"""
STEPS = (10.0, 50.0)


def init(
    context: Context,
    functions: Annotated[
        list[str] | None,
        Argument(metavar="FUNCTION:ALIAS", help="Functions to release, each with its alias; found in AWS if left out."),
    ] = None,
    stage: Annotated[str, Option("--stage", metavar="STAGE", help="Name of the stage.")] = "staging",
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> int:
    """Write a commented plan for functions that exist.

    Without arguments it asks AWS for the functions that have an alias, and how much traffic they had in the last day:
    at little traffic the first step is larger. An existing file is never replaced.
    """
    from canary.cli.json_lines import write_json

    path = cli_context(context).base / plan
    if path.exists():
        raise UsageError(f"{plan} exists already", hint="Edit it, or name another file: --plan FILE.")
    named = functions or _functions_of_account(region, profile)
    if not named:
        raise NotFoundError(
            "no function of the account has an alias",
            hint="Create one: aws lambda create-alias --function-name api --name live --function-version 1",
        )
    text = plan_text(stage, named)
    steps = STEPS if functions else _steps_for_traffic(text, stage, cli_context(context), region, profile)
    if steps != STEPS:
        text = plan_text(stage, named, steps)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{plan} can't be written: {error.strerror}", hint="Name another file: --plan FILE.") from None
    if as_json:
        write_json({"plan": str(plan), "stage": stage, "functions": list(named), "steps": list(steps)})
    else:
        click.echo(f"{plan} written: stage {stage} with {', '.join(named)}")
        if steps != STEPS:
            click.echo(f"The first step is {steps[0]:g} %, because there was little traffic in the last day.")
        click.echo(f"Next: canary doctor {stage}")
    return 0


def _functions_of_account(region: str | None, profile: str | None) -> Sequence[str]:
    from canary.adapters.aws import open_session
    from canary.adapters.lambda_aliases import aliases_of_account

    return aliases_of_account(open_session(region, profile))


def _steps_for_traffic(
    text: str, stage: str, context: CliContext, region: str | None, profile: str | None
) -> tuple[float, ...]:
    """The first step by the traffic of the last day; the usual one where it isn't known."""
    from canary.cli.views import traffic_of_yesterday
    from canary.core.plan import Plan, first_weight

    plan = Plan.parse(text)
    session = Session(context, plan, plan.stage(stage), region, profile)
    try:
        weight = first_weight(session.stage, traffic_of_yesterday(session) * 60)
    except CanaryError:  # a plan can be written without metrics, and `canary doctor` says what is missing
        weight = None
    return STEPS if weight is None else tuple(sorted({weight, STEPS[-1]}))


def plan_text(stage: str, functions: Sequence[str], steps: Sequence[float] = STEPS) -> str:
    """The plan that `init` writes.

    Raises:
        UsageError: a function without an alias, or a stage that can't be named so.
    """
    from canary.core.plan import FunctionRef, Plan

    for function in functions:
        try:
            FunctionRef.parse(function)
        except ValueError as error:
            raise UsageError(str(error), hint="Example: canary init api:live") from None
    text = PLAN.format(
        stage=stage,
        functions=", ".join(f'"{function}"' for function in functions),
        steps=f"[{', '.join(f'{step:g}' for step in steps)}]",
    )
    try:
        Plan.parse(text)
    except CanaryError as error:
        raise UsageError(error.message, hint="Use letters, digits, - and _ for --stage.") from None
    return text


def schema(context: Context) -> int:
    """Print the JSON Schema of canary.toml, for editors.

    Editors that read TOML schemas complete and check a plan whose first line is `#:schema plan.schema.json`.
    """
    del context
    click.echo((resources.files("canary") / "plan.schema.json").read_text(encoding="utf-8"), nl=False)
    return 0


def iam(
    context: Context,
    stage: Stage,
    role: Annotated[
        str, Option("--role", metavar="ROLE", help="driver (releases), rollback (rolls back) or viewer (only reads).")
    ] = "driver",
    account: Annotated[str, Option("--account", metavar="ID", help="AWS account of the resources.")] = "*",
    flag_ids: Annotated[
        str,
        Option("--flag-ids", metavar="APP/ENV/PROFILE", help="Ids in AppConfig of the flag that the stage rolls out."),
    ] = "*/*/*",
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
) -> int:
    """Print the IAM policy that a stage needs.

    It has the actions that the commands call for this plan, on the stage's resources. Makes no AWS call.
    """
    from canary.cli.json_lines import write_json
    from canary.infra.policies import ROLES, FlagIds, policy

    if role not in ROLES:
        raise UsageError(f"{role!r} is not a role", hint=f"Use one of: {', '.join(ROLES)}.")
    ids = flag_ids.split("/")
    if len(ids) != len(fields(FlagIds)) or not all(ids):
        hint = "Use the ids of application, environment and profile: abc1234/def5678/ghi9012."
        raise UsageError(f"{flag_ids!r} is not three ids", hint=hint)
    whole = read_plan(cli_context(context), plan)
    found = policy(whole, whole.stage(stage), role, account=account, region=region or "*", flag=FlagIds(*ids))
    write_json(found)
    return 0
