"""The command that finds and ends canaries which nobody drives."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is an option of the command line

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import click

from canary.cli.inspect import duration
from canary.cli.json_lines import write_json
from canary.cli.options import DEFAULT_PLAN, AsJson, PlanPath, Profile, Yes
from canary.cli.session import CliContext, cli_context, read_plan
from canary.errors import CanaryError, PlanError, RefusedError, UsageError
from flagkit.cli.arguments import Context, Option

if TYPE_CHECKING:
    from canary.adapters.flag_rollouts import FlagRollout
    from canary.core.alias import AliasState
    from canary.core.orphans import Sighting
    from canary.core.plan import Plan


def orphans(
    context: Context,
    region: Annotated[
        list[str] | None,
        Option("--region", help="Region to search; the plan's, and the environment's, by default.", metavar="REGION"),
    ] = None,
    older_than: Annotated[
        str,
        Option(
            "--older-than", metavar="DURATION", help="A step without a deadline that lasts so long counts as abandoned."
        ),
    ] = "2h",
    canary_id: Annotated[
        str | None, Option("--id", help="End this canary, also if it waits for a decision.", metavar="CANARY")
    ] = None,
    end: Annotated[bool, Option("--end", help="Roll the abandoned canaries back.")] = False,
    plan: PlanPath = DEFAULT_PLAN,
    profile: Profile = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Find canaries that nobody drives, and end them.

    It reads the records in every alias of the account, and in every flag document of AppConfig; a plan is needed only
    for the journal and the notifications of the end. Exit code 1 if one is left, or a region can't be read.
    """
    cli = cli_context(context)
    try:
        whole = read_plan(cli, plan)
    except PlanError:
        if plan != DEFAULT_PLAN:
            raise
        whole = None
    flags: dict[str, FlagRollout] = {}
    found, problems = _search(cli, whole, region, profile, duration(older_than), flags)
    for problem in problems:
        click.echo(problem, err=True)
    chosen = [s for s in found if (s.canary_id == canary_id if canary_id else s.verdict == "abandoned")]
    if canary_id and not chosen:
        raise UsageError(f"no alias and no flag has a canary {canary_id}", hint="`canary orphans` lists them all.")
    for sighting in found:
        _show(sighting, flags.get(sighting.canary_id), as_json=as_json)
    if not found and not problems and not as_json:
        click.echo("no canary in progress")
    left = len(chosen)
    if end and chosen:
        _confirm(cli, chosen, assume_yes=yes)
        left -= sum(_end(cli, whole, sighting, profile, flags.get(sighting.canary_id)) for sighting in chosen)
    elif chosen and not as_json:
        click.echo("`canary orphans --end` rolls the abandoned ones back.")
    return 1 if left or problems else 0


def _search(
    cli: CliContext,
    plan: Plan | None,
    named: list[str] | None,
    profile: str | None,
    older_than: timedelta,
    flags: dict[str, FlagRollout],
) -> tuple[list[Sighting], list[str]]:
    """What is found, and what can't be searched; `flags` gets the rollouts of flags by their ids."""
    from canary.adapters.aws import open_session
    from canary.adapters.clock import SystemClock
    from canary.adapters.flag_rollouts import flag_rollouts
    from canary.adapters.lambda_aliases import aliases_with_descriptions
    from canary.core.orphans import sightings
    from flagkit.core.rollouts import rollout_id

    stages = () if plan is None else plan.stages.values()
    planned = [open_session(None, profile).region_name, *(stage.region for stage in stages)]
    regions = dict.fromkeys(region for region in named or planned if region)
    if not regions:
        raise UsageError("no region to search", hint="Set AWS_REGION, or pass --region.")
    clock = cli.clock or SystemClock()
    found: list[Sighting] = []
    problems: list[str] = []
    for region in regions:
        session = open_session(region, profile)
        aliases: list[AliasState] = []
        try:
            aliases += aliases_with_descriptions(session)
        except CanaryError as error:
            problems.append(f"{region} can't be searched: {error.message}")
        try:
            rollouts = {rollout_id(one.state.description): one for one in flag_rollouts(session, clock)}
        except CanaryError as error:
            problems.append(f"the flags of {region} can't be searched: {error.message}")
        else:
            flags.update(rollouts)
            aliases += [one.state for one in rollouts.values()]
        found += sightings(region, aliases, clock.now(), older_than)
    return found, problems


def _show(sighting: Sighting, flag: FlagRollout | None, *, as_json: bool) -> None:
    names = [alias.function.key for alias in sighting.aliases] if flag is None else [str(flag.targets[0])]
    if as_json:
        write_json(
            {
                "region": sighting.region,
                "canary_id": sighting.canary_id,
                "verdict": sighting.verdict,
                "why": sighting.why,
                "aliases": names,
            }
        )
        return
    routes = "; ".join(f"{name} {alias.routes_text}" for name, alias in zip(names, sighting.aliases, strict=True))
    click.echo(f"{sighting.region}  {sighting.canary_id or '-'}  {sighting.verdict}: {sighting.why}\n  {routes}")


def _confirm(cli: CliContext, chosen: list[Sighting], *, assume_yes: bool) -> None:
    if assume_yes:
        return
    names = ", ".join(sighting.canary_id for sighting in chosen)
    if cli.ask is None or not cli.ask(f"Roll back {names}? [y/N] ").strip().lower().startswith("y"):
        raise RefusedError("not confirmed; nothing was changed", hint="Answer y, or pass --yes.")


def _end(cli: CliContext, plan: Plan | None, sighting: Sighting, profile: str | None, flag: FlagRollout | None) -> bool:
    from canary.adapters.aws import open_session
    from canary.adapters.clock import SystemClock
    from canary.adapters.lambda_aliases import LambdaAliases
    from canary.assembly import assemble
    from canary.runner.orphans import end_by_plan, end_by_record, stage_of

    session = open_session(sighting.region, profile)
    clock = cli.clock or SystemClock()
    home = open_session(None, profile).region_name
    stage = None if plan is None else stage_of(sighting, plan.stages.values(), home, flag.targets if flag else ())
    try:
        if plan is None or stage is None:
            lines = end_by_record(sighting, flag.aliases if flag else LambdaAliases(session, clock), clock)
        else:
            ports = assemble(plan, stage.name, base=cli.base, session=session, clock=clock)
            lines = end_by_plan(sighting, stage, ports)
    except CanaryError as error:
        click.echo(f"{sighting.canary_id}: {error.message}", err=True)
        return False
    for line in lines:
        click.echo(f"{sighting.canary_id}  {line}", err=True)
    return True
