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
    canary_id: Annotated[
        str | None,
        Option("--canary", metavar="CANARY", help="Rollout to read (default: the one under way, or the last)."),
    ] = None,
    experiment: Annotated[
        str | None, Option("--experiment", metavar="NAME", help="Name users are counted under, outside a rollout.")
    ] = None,
    control: Annotated[
        str | None, Option("--control", metavar="ARM", help="Arm to compare the others with (default: off).")
    ] = None,
    shares: Annotated[
        str | None,
        Option("--shares", metavar="LIST", help="Shares the arms had all the time, outside a rollout: on=50,off=50."),
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

    The intervals hold however often they are looked at. Works with any number of variants. Of a rollout, the sample
    ratio is checked against its own percentages.
    """
    from canary.cli.experiments import Question, moment, read_experiment, shares_of, show_reading
    from canary.cli.session import percentage

    effect_ratio = float(percentage(effect)) / 100.0
    session = open_session(cli_context(context), plan, stage)
    asked = Question(experiment, canary_id, control, shares_of(shares), effect_ratio, moment(since))
    name, found = read_experiment(session, asked)
    show_reading(name, found, effect_ratio, as_json=as_json, report=report)
    return 0
