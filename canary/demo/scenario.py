"""What the demo does: a flag that changes while requests run, and three releases, all through boto3.

`backend` returns the source of a whole Lambda module. The versions differ only in how often they fail and how long they
take, as releases do. Every share is counted from real invocations of the deployed handler.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from canary import runner
from canary.assembly import assemble
from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.ports import Observer
from canary.view.build import ViewBuilder
from canary.view.model import CanaryView

if TYPE_CHECKING:
    from canary.testing import AwsStandIn, Stream

FLAG = "new_checkout"

_SOURCE = '''
"""Backend of the shop, release {release}."""
import random
import time

from flagkit import Flags

flags = Flags.connect()  # the address is in the environment variable FLAGKIT_SOURCE


@flags.on_invocation
def handler(event, context):
    user_id = event["queryStringParameters"]["user"]
    flow = "three steps" if flags.is_enabled("{flag}", user_id) else "one page"
    if random.random() < {failing}:
        raise RuntimeError("payment service refused the card")
    time.sleep(random.uniform(0.04, 0.12) if random.random() >= {slow} else random.uniform(2.0, 3.55))
    return {{"statusCode": 200, "body": flow, "headers": {{"x-version": context.function_version}}}}
'''


def backend(release: int, *, failing: float, slow: float = 0.0) -> str:
    """Source of the backend's module.

    Args:
        release: number of the release, for the reader.
        failing: share of requests that raise, 0 to 1.
        slow: share of requests that take 2.0 to 3.55 s. At 14 % the 95th percentile is 3.0 s.
    """
    return _SOURCE.format(release=release, flag=FLAG, failing=failing, slow=slow)


APPLICATION, ENVIRONMENT, PROFILE = "shop", "staging", "flags"
SOURCE = f"appconfig://{APPLICATION}/{ENVIRONMENT}/{PROFILE}"
FUNCTION, ALIAS = "backend", "live"
USERS = tuple(f"user-{number}" for number in range(1, 2_001))


@dataclass(frozen=True, slots=True)
class FlagStep:
    """One state of the flag and who saw it.

    Attributes:
        label: what was done.
        expected_ratio: the share that was asked for.
        seen: users that got the new flow.
        asked: users that were asked for.
        named_sees: whether the one named user got it.
        code_sha256: of the code that answered; it never changes here.
    """

    label: str
    expected_ratio: float
    seen: int
    asked: int
    named_sees: bool
    code_sha256: str


def document(*variants: dict[str, object]) -> bytes:
    """A flag document with one flag, in AWS's format."""
    value: dict[str, object] = {"_variants": list(variants)} if len(variants) > 1 else {**variants[0]}
    value.pop("name", None)
    return json.dumps({"version": "1", "flags": {FLAG: {"name": FLAG}}, "values": {FLAG: value}}).encode()


class FlagApplication:
    """The application in AppConfig, and the one thing done with it: deploy a document."""

    def __init__(self, aws: AwsStandIn) -> None:
        self._aws = aws
        self._client: Any = aws.session().client("appconfig")
        self._application = self._client.create_application(Name=APPLICATION)["Id"]
        self._environment = self._client.create_environment(ApplicationId=self._application, Name=ENVIRONMENT)["Id"]
        self._profile = self._client.create_configuration_profile(
            ApplicationId=self._application, Name=PROFILE, LocationUri="hosted", Type="AWS.Freeform"
        )["Id"]

    def deploy(self, content: bytes) -> None:
        """Stores a version, deploys it at once and waits until every process has had time to poll."""
        version = self._client.create_hosted_configuration_version(
            ApplicationId=self._application,
            ConfigurationProfileId=self._profile,
            Content=content,
            ContentType="application/json",
        )["VersionNumber"]
        self._client.start_deployment(
            ApplicationId=self._application,
            EnvironmentId=self._environment,
            ConfigurationProfileId=self._profile,
            ConfigurationVersion=str(version),
            DeploymentStrategyId="AppConfig.AllAtOnce",
        )
        # AllAtOnce bakes 10 minutes, in which no other deployment may start (appconfig.md §5).
        self._aws.clock.advance(11 * 60)


def flag_steps(aws: AwsStandIn, desk: FlagApplication) -> Iterator[FlagStep]:
    """Off, 25 %, one named user besides, everybody; after each the whole population asks the backend."""
    off: dict[str, object] = {"name": "off", "enabled": False}
    quarter: dict[str, object] = {
        "name": "rollout",
        "enabled": True,
        "rule": f'(split pct::25 by::$userId seed::"{FLAG}")',
    }
    yield _count(aws, "off", 0.0, USERS[0])
    desk.deploy(document(quarter, off))
    step = _count(aws, "25 % of users", 0.25, USERS[0])
    yield step
    named = next(user for user in USERS if not _sees(aws, user))
    tester: dict[str, object] = {"name": "named", "enabled": True, "rule": f'(eq $userId "{named}")'}
    desk.deploy(document(tester, quarter, off))
    yield _count(aws, f"and {named}", (step.seen + 1) / step.asked, named)
    desk.deploy(document({"name": "on", "enabled": True}))
    yield _count(aws, "on", 1.0, named)


def _count(aws: AwsStandIn, label: str, expected_ratio: float, named: str) -> FlagStep:
    _sees(aws, named)  # the first request after a pause is the one that asks AppConfig for news
    seen = sum(_sees(aws, user) for user in USERS)
    client: Any = aws.session().client("lambda")
    sha = client.get_function_configuration(FunctionName=FUNCTION, Qualifier=ALIAS)["CodeSha256"]
    return FlagStep(label, expected_ratio, seen, len(USERS), _sees(aws, named), sha)


def _sees(aws: AwsStandIn, user: str) -> bool:
    """One request of one user, repeated if the backend failed, as a browser's user would."""
    event = json.dumps(request(user)).encode()
    while True:
        outcome = aws.lambda_.call(FUNCTION, ALIAS, event)
        if outcome.error is None:
            return bool(json.loads(outcome.payload)["body"] == "three steps")


def request(user: str) -> dict[str, Any]:
    """A user's request as API Gateway hands it on."""
    return {"version": "2.0", "rawPath": "/attest", "queryStringParameters": {"user": user}}


PLAN = """\
# The whole plan of the demo; everything else has a default.
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
"""Virtual seconds that each call about an alias takes, so that a rollback takes time."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is released, and what is expected of it.

    Attributes:
        number: the version's number.
        heading: what the reader is about to see.
        failing: share of requests that fail, 0 to 1.
        slow: share of slow requests, 0 to 1.
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
        seen_min: minutes from the first traffic to the verdict; None where it was promoted.
        rollback_s: seconds from that verdict to the alias read back; None where it was promoted.
        alias: what the alias says, read through boto3 afterwards.
    """

    release: Release
    phase: Phase
    view: CanaryView
    served: int
    failed: int
    seen_min: float | None
    rollback_s: float | None
    alias: str


class Screen(Observer, AbstractContextManager[object], Protocol):
    """Where one canary of the demo is shown: an observer that keeps its view."""

    builder: ViewBuilder


def play(aws: AwsStandIn, release: Release, plan: Plan, base: Path, traffic: Stream, screen: Screen) -> Released:
    """Publishes the version, releases it by a canary and reads the alias back."""
    before = (traffic.counts.by_version[str(release.number)], traffic.counts.failed_by_version[str(release.number)])
    stage = plan.stage("staging")
    calls_before = len(aws.wire.calls)
    with screen:
        ports = assemble(plan, "staging", base=base, clock=aws.clock, observers=(screen,))
        state = runner.start(stage, ports, versions={"": str(release.number)})
        state = runner.run(stage, ports, state)
    builder = screen.builder
    counts = traffic.counts
    return Released(
        release=release,
        phase=state.phase,
        view=builder.view(),
        served=counts.by_version[str(release.number)] - before[0],
        failed=counts.failed_by_version[str(release.number)] - before[1],
        seen_min=builder.rollback_min,
        rollback_s=_rollback_s(aws, calls_before) if builder.rollback_s is not None else None,
        alias=alias_text(aws),
    )


def _rollback_s(aws: AwsStandIn, calls_before: int) -> float:
    """From the last evidence to the alias read back at the base, by the stand-in's log of calls."""
    calls = aws.wire.calls[calls_before:]
    evidence = max(index for index, call in enumerate(calls) if call.call == "cloudwatch.GetMetricData")
    after = calls[evidence:]
    moved = next(index for index, call in enumerate(after) if call.call == "lambda.UpdateAlias")
    read_back = next(call for call in after[moved:] if call.call == "lambda.GetAlias")
    return (read_back.at - after[0].at).total_seconds() + CALL_S


def alias_text(aws: AwsStandIn) -> str:
    """What the alias says, through boto3: `version 2, no weights`."""
    client: Any = aws.session().client("lambda")
    answer = client.get_alias(FunctionName=FUNCTION, Name=ALIAS)
    weights = answer.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    shares = ", ".join(f"version {version} {weight * 100:g} %" for version, weight in weights.items())
    return f"version {answer['FunctionVersion']}, {shares or 'no weights'}"


def start_traffic(aws: AwsStandIn) -> Stream:
    """Users' requests, 300 a minute at random moments, from now on."""
    return aws.traffic.steady(
        FUNCTION, ALIAS, REQUESTS_PER_MINUTE, payloads=lambda number: request(USERS[number * 7 % len(USERS)])
    )
