"""Second part of the demo: three releases of the backend, driven by the shipped runner through boto3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canary import runner
from canary.assembly import assemble
from canary.cli.screens import Screen
from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.demo.flags_story import ALIAS, FUNCTION, USERS, request
from canary.view.model import CanaryView

if TYPE_CHECKING:
    from canary.testing import AwsStandIn, Stream

PLAN = """\
# The demo's whole plan; everything that isn't written has a default.
journal = "file:{journal}"

[stages.staging]
functions = ["backend:live"]
steps = [10, 50]
bake = "10m"

[stages.staging.rules]
clean_tree = false
"""

REQUESTS_PER_MINUTE = 300

CALL_S = 0.12
"""Virtual seconds that each call about an alias takes, so that the way back takes a time."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is released, and what is expected of it.

    Attributes:
        number: the version's number.
        heading: what the reader is about to see.
        failing: share of requests that fail, 0 to 1.
        slow: share of slow requests, 0 to 1.

    Since 0.1.
    """

    number: int
    heading: str
    failing: float
    slow: float = 0.0


@dataclass(frozen=True, slots=True)
class Released:
    """How a release ended.

    Attributes:
        served: requests that the new version answered, from the traffic's own books.
        failed: those of them that failed.
        seen_min: minutes from the first traffic to the verdict that took it back; None where it was promoted.
        way_back_s: seconds from that verdict to the alias read back; None where it was promoted.
        alias: what the alias says, read through boto3 afterwards.

    Since 0.1.
    """

    release: Release
    phase: Phase
    view: CanaryView
    served: int
    failed: int
    seen_min: float | None
    way_back_s: float | None
    alias: str


def play(aws: AwsStandIn, release: Release, plan: Plan, base: Path, traffic: Stream, screen: Screen) -> Released:
    """Publishes the version, releases it by a canary and reads the alias back. Since 0.1."""
    before = (traffic.counts.by_version[str(release.number)], traffic.counts.failed_by_version[str(release.number)])
    stage = plan.stage("staging")
    calls_before = len(aws.wire.calls)
    with screen:
        ports = assemble(plan, "staging", base=base, clock=aws.clock, observers=(screen,))
        state = runner.start(stage, ports, versions={"": str(release.number)})
        state = runner.run(stage, ports, state)
    story = screen.story
    counts = traffic.counts
    return Released(
        release=release,
        phase=state.phase,
        view=story.view(),
        served=counts.by_version[str(release.number)] - before[0],
        failed=counts.failed_by_version[str(release.number)] - before[1],
        seen_min=story.turned_back_min,
        way_back_s=_way_back_s(aws, calls_before) if story.way_back_s is not None else None,
        alias=alias_words(aws),
    )


def _way_back_s(aws: AwsStandIn, calls_before: int) -> float:
    """From the last evidence to the alias read back at the base, by the stand-in's log of calls."""
    calls = aws.wire.calls[calls_before:]
    evidence = max(index for index, call in enumerate(calls) if call.call == "cloudwatch.GetMetricData")
    after = calls[evidence:]
    moved = next(index for index, call in enumerate(after) if call.call == "lambda.UpdateAlias")
    read_back = next(call for call in after[moved:] if call.call == "lambda.GetAlias")
    return (read_back.at - after[0].at).total_seconds() + CALL_S


def alias_words(aws: AwsStandIn) -> str:
    """What the alias says, through boto3: `version 2, no weights`. Since 0.1."""
    client: Any = aws.session().client("lambda")
    answer = client.get_alias(FunctionName=FUNCTION, Name=ALIAS)
    weights = answer.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    shares = ", ".join(f"version {version} {weight * 100:g} %" for version, weight in weights.items())
    return f"version {answer['FunctionVersion']}, {shares or 'no weights'}"


def start_traffic(aws: AwsStandIn) -> Stream:
    """Users' requests, 300 a minute at random moments, from now on. Since 0.1."""
    return aws.traffic.steady(
        FUNCTION, ALIAS, REQUESTS_PER_MINUTE, payloads=lambda number: request(USERS[number * 7 % len(USERS)])
    )
