"""First part of the demo: a flag changes what users see, and nothing is redeployed.

Everything goes through boto3, and the shares are counted from real invocations of the deployed handler.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canary.demo.handlers import FLAG

if TYPE_CHECKING:
    from canary.testing import AwsStandIn

APPLICATION, ENVIRONMENT, PROFILE = "civicforge", "staging", "flags"
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

    Since 0.1.
    """

    label: str
    expected_ratio: float
    seen: int
    asked: int
    named_sees: bool
    code_sha256: str


def document(*variants: dict[str, object]) -> bytes:
    """A flag document with one flag, in AWS's format. Since 0.1."""
    value: dict[str, object] = {"_variants": list(variants)} if len(variants) > 1 else {**variants[0]}
    value.pop("name", None)
    return json.dumps({"version": "1", "flags": {FLAG: {"name": FLAG}}, "values": {FLAG: value}}).encode()


class FlagDesk:
    """The application in AppConfig, and the one thing done with it: deploy a document. Since 0.1."""

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


def flag_steps(aws: AwsStandIn, desk: FlagDesk) -> Iterator[FlagStep]:
    """Off, 25 %, one named user besides, everybody; after each the whole population asks the backend. Since 0.1."""
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
    """A user's request as API Gateway hands it on. Since 0.1."""
    return {"version": "2.0", "rawPath": "/attest", "queryStringParameters": {"user": user}}
