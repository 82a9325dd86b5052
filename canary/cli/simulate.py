"""Commands about synthetic or recorded traffic: simulate, replay. Neither of them calls AWS."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is a word of the command line

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from canary.cli.options import DEFAULT_PLAN, AsJson, PlanPath, ReportPath, Stage
from canary.cli.session import cli_context, open_session
from flagkit.cli.arguments import Argument, Context, Option


def simulate(
    context: Context,
    stage: Stage,
    candidate_errors: Annotated[str, Option(metavar="PERCENT", help="Failed requests of the new version.")] = "8%",
    baseline_errors: Annotated[str, Option(metavar="PERCENT", help="Failed requests of the baseline.")] = "1%",
    rps: Annotated[float, Option("--rps", metavar="N", help="Requests per second to each function.")] = 2.0,
    onset: Annotated[str, Option(metavar="DURATION", help="Time after which the new version fails: 150m.")] = "0m",
    history_outage: Annotated[
        str | None, Option(metavar="DURATION@PERCENT", help="Outage two hours before the start: 5m@50%.")
    ] = None,
    shared_outage: Annotated[
        str | None, Option(metavar="DURATION@PERCENT", help="Outage of both versions during the canary: 2m@30%.")
    ] = None,
    cold_start: Annotated[
        str | None, Option(metavar="DURATION@PERCENT", help="Failures of the new version after each step: 2m@8%.")
    ] = None,
    candidate_slow: Annotated[
        str, Option(metavar="PERCENT", help="Requests of the new version over the latency limit.")
    ] = "0.1%",
    baseline_slow: Annotated[
        str, Option(metavar="PERCENT", help="Requests of the baseline over the latency limit.")
    ] = "0.1%",
    probes: Annotated[
        int | None,
        Option("--probes", metavar="N", min=1, max=600, help="Pairs of probes per minute, if the plan had them."),
    ] = None,
    users: Annotated[
        int, Option("--users", metavar="N", min=1, max=1_000_000, help="Users who may come, where users are counted.")
    ] = 5000,
    broken_users: Annotated[
        str, Option(metavar="PERCENT", help="Users for whom every request fails, with the variant and without it.")
    ] = "2%",
    runs: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            max=1_000_000,
            help="Number of simulated releases (default: as many as half a minute allows, at most 1000).",
        ),
    ] = None,
    seed: Annotated[int, Option(metavar="N", help="Random seed; equal seeds give equal results.")] = 0,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> int:
    """Simulate a release many times with synthetic traffic.

    Prints how often and when it is rolled back, and how many requests fail.
    """
    from canary.cli.scenarios import burst, minutes, played, ratio, show_comparison, with_probes
    from canary.core.plan import OutcomesGate
    from canary.simulator import Scenario, Users

    session = open_session(cli_context(context), plan, stage)
    counts_users = any(isinstance(gate, OutcomesGate) for gate in session.stage.gates.values())
    scenario = Scenario(
        candidate_errors=ratio(candidate_errors),
        baseline_errors=ratio(baseline_errors),
        requests_per_s=rps,
        from_minute=minutes(onset),
        candidate_slow=ratio(candidate_slow),
        baseline_slow=ratio(baseline_slow),
        history_outage=burst(history_outage),
        shared_outage=burst(shared_outage),
        cold_start=burst(cold_start),
        users=Users(users, ratio(broken_users)) if counts_users else None,
    )
    found, shortened = played(with_probes(session.stage, probes), scenario, runs, seed)
    show_comparison(found, as_json=as_json, report=report, shortened=shortened)
    return 0


def replay(
    context: Context,
    journal: Annotated[Path, Argument(help="Journal file of one canary.", metavar="JOURNAL")],
    stage: Annotated[
        str | None, Option("--stage", metavar="STAGE", help="Stage to evaluate it as (default: its own).")
    ] = None,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> int:
    """Evaluate a recorded canary again with the current plan."""
    from canary.cli.scenarios import recorded, show_again

    cli = cli_context(context)
    events = recorded(cli.base / journal)
    session = open_session(cli, plan, stage or events[0].stage)
    show_again(events, session.stage, as_json=as_json, report=report)
    return 0
