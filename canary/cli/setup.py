"""Commands that set canary up: init writes a plan, schema and iam print. None of them changes anything in AWS."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is an option of the command line

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from importlib import resources
from pathlib import Path
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
FLAG_PLAN = """\
# Plan of canary for a flag. How users are counted: docs/canary/guarded-rollouts.md; every field: docs/canary/plan.md.
# `canary plan {stage}` shows it with every default, `canary doctor {stage}` checks flag, outcomes and users.

[stages.{stage}]
flag = "{flag}"
steps = {steps}        # percent of the users, ascending
bake = "10m"            # the longest time of each step, at least as long as window
window = "5m"           # what happens to a user within it counts, once
outcomes = "{outcomes}"   # or "dynamodb://TABLE", "emf://NAMESPACE", "csv:FILE", "command:COMMAND"

# What rolls back. More than 5 % of the users with a failed request do so without being written here:
# [stages.{stage}.gates.outcomes]
# limit_percent = 5

# More gates:
# [stages.{stage}.gates.slow]
# kind = "outcomes"
# metric = "slow"                # reported by the integrations, or by flags.report(user_id, slow=True)
# limit_percent = 10
# [stages.{stage}.gates.orders]
# kind = "value"
# metric = "orders"              # flags.report(user_id, value=18.5, metric="orders")
# percent_of_baseline = 90

# Notifications:
# notifications = [{{ kind = "slack", url_env = "SLACK_URL" }}]
"""
STEPS = (10.0, 50.0)
FLAG_STEPS = (5.0, 25.0, 50.0, 100.0)


def init(
    context: Context,
    functions: Annotated[
        list[str] | None,
        Argument(metavar="FUNCTION:ALIAS", help="Functions to release, each with its alias; found in AWS if left out."),
    ] = None,
    stage: Annotated[str, Option("--stage", metavar="STAGE", help="Name of the stage.")] = "staging",
    flag: Annotated[
        str | None,
        Option(
            "--flag",
            metavar="SOURCE#KEY",
            help="Flag to roll out instead: file:flags.json#key or appconfig://APP/ENV/PROFILE#key.",
        ),
    ] = None,
    users: Annotated[
        int | None,
        Option(
            "--users", metavar="N", min=1, max=1_000_000_000, help="Users who may come: chooses a flag's first step."
        ),
    ] = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> int:
    """Write a commented plan for functions or a flag.

    Without arguments it asks AWS for the functions that have an alias, and how much traffic they had in the last day:
    at little traffic the first step is larger. An existing file is never replaced.
    """
    from canary.cli.json_lines import write_json

    path = cli_context(context).base / plan
    if path.exists():
        raise UsageError(f"{plan} exists already", hint="Edit it, or name another file: --plan FILE.")
    if flag is not None:
        if functions:
            raise UsageError("give either functions or --flag", hint="A stage shifts functions or one flag.")
        return _init_flag(path, plan, stage, flag, users, as_json=as_json)
    if users is not None:
        raise UsageError("--users needs --flag", hint="Functions have requests: leave --users out.")
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
    _write(path, plan, text)
    if as_json:
        write_json({"plan": str(plan), "stage": stage, "functions": list(named), "steps": list(steps)})
    else:
        click.echo(f"{plan} written: stage {stage} with {', '.join(named)}")
        if steps != STEPS:
            click.echo(f"The first step is {steps[0]:g} %, because there was little traffic in the last day.")
        click.echo(f"Next: canary doctor {stage}")
    return 0


def _write(path: Path, plan: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{plan} can't be written: {error.strerror}", hint="Name another file: --plan FILE.") from None


def _init_flag(path: Path, plan: Path, stage: str, flag: str, users: int | None, *, as_json: bool) -> int:
    from canary.cli.json_lines import write_json

    text, steps = flag_plan_text(stage, flag, users)
    _write(path, plan, text)
    if as_json:
        write_json({"plan": str(plan), "stage": stage, "flag": flag, "steps": list(steps)})
    else:
        click.echo(f"{plan} written: stage {stage} with flag {flag}")
        if steps != FLAG_STEPS:
            click.echo(
                f"The first step is {steps[0]:g} %, because a smaller one doesn't get enough of {users:,} users."
            )
        click.echo(f"Next: canary doctor {stage}")
    return 0


def flag_plan_text(stage: str, flag: str, users: int | None = None) -> tuple[str, tuple[float, ...]]:
    """The plan that `init --flag` writes, and its steps: with few users fewer and larger ones.

    Raises:
        UsageError: no flag, a stage that can't be named so, or so few users that no step gets enough of them.
    """
    from canary.core.plan import FlagTarget, Plan, check_users

    try:
        target = FlagTarget.parse(flag)
    except ValueError as error:
        raise UsageError(str(error), hint="Example: canary init --flag file:flags.json#new_checkout") from None
    outcomes = "csv:outcomes.csv" if target.source.startswith("file:") else "dynamodb://canary-outcomes"
    for steps in (FLAG_STEPS, (10.0, 50.0, 100.0), (25.0, 50.0, 100.0), (50.0, 100.0)):
        shown = f"[{', '.join(f'{step:g}' for step in steps)}]"
        text = FLAG_PLAN.format(stage=stage, flag=target, outcomes=outcomes, steps=shown)
        try:
            planned = Plan.parse(text).stage(stage)
        except CanaryError as error:
            raise UsageError(error.message, hint="Use letters, digits, - and _ for --stage.") from None
        if users is None or not check_users(planned, math.inf, users):
            return text, steps
    raise UsageError(
        f"{users:,} users are too few for any rollout: half of them are fewer than a step needs",
        hint="Leave --users out, and raise limit_percent in the plan.",
    )


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
