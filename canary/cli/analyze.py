"""The command about experiments: analyze. It reads outcomes and changes nothing."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is a word of the command line

from __future__ import annotations

from typing import Annotated

from canary.cli.options import DEFAULT_PLAN, AsJson, PlanPath, ReportPath, Stage
from canary.cli.session import cli_context, open_session
from flagkit.cli.arguments import Context, Option


def analyze(
    context: Context,
    stage: Stage,
    experiment: Annotated[
        str | None, Option("--experiment", metavar="NAME", help="Name users are counted under (default: the target's).")
    ] = None,
    control: Annotated[str, Option("--control", metavar="ARM", help="Arm to compare the others with.")] = "off",
    shares: Annotated[
        str | None, Option("--shares", metavar="LIST", help="Shares that the arms had all the time: on=50,off=50.")
    ] = None,
    effect: Annotated[
        str, Option("--effect", metavar="PERCENT", help="Effect, relative to the control, to compute users for.")
    ] = "5%",
    since: Annotated[
        str | None, Option("--since", metavar="TIME", help="Leave out earlier users: 2027-01-31T09:00.")
    ] = None,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> int:
    """Read a rollout or an experiment: effect of each arm with intervals, sample ratio, users so far and needed.

    The intervals hold however often they are looked at. Works with any number of variants.
    """
    from canary.cli.experiments import moment, read_experiment, shares_of, show_reading
    from canary.cli.session import percentage

    effect_ratio = float(percentage(effect)) / 100.0
    session = open_session(cli_context(context), plan, stage)
    name, found = read_experiment(session, experiment, control, shares_of(shares), effect_ratio, moment(since))
    show_reading(name, found, effect_ratio, as_json=as_json, report=report)
    return 0
