"""The example that `canary sandbox` starts with: an application, three functions, their traffic, flags and alarms.

CivicForge lets citizens attest local facts, do quests and earn rewards. Everything is made through boto3, as a user
would.
"""

from __future__ import annotations

import json
from typing import Any, Final

from canary.testing import AwsStandIn, http_event
from canary.testing.lambda_.disturbance import Disturbance

APPLICATION: Final = "civicforge"
ENVIRONMENTS: Final = ("dev", "staging", "prod")
PROFILE: Final = "flags"
SOURCE: Final = f"appconfig://{APPLICATION}/staging/{PROFILE}"
FUNCTIONS: Final = ("api", "rewards", "quests")
ALIAS: Final = "live"
REQUESTS_PER_MINUTE: Final = {"api": 300.0, "rewards": 240.0, "quests": 240.0}
USERS: Final = tuple(f"user-{number}" for number in range(1, 1001))

BASELINE, BAD, SLOW, GOOD = "1", "2", "3", "4"

PLAN: Final = """\
# The plan of the sandbox: `canary plan staging` prints it with every default.
journal = "file:{journal}"

[stages.staging]
functions = ["api:live", "rewards:live", "quests:live"]
steps = [10, 25, 50]
bake = "5m"
watch_min = "5m"
rules = {{ clean_tree = false }}

[stages.staging.gates.health]
url = "{url}/health"
version_header = "x-version"

[stages.staging.gates.alarms]
names = ["api-5xx"]

[stages.staging.gates.attestations]
kind = "ratio"
[stages.staging.gates.attestations.numerator]
namespace = "CivicForge"
name = "Attestations"
dimensions = {{ function = "api", version = "{{version}}" }}

[stages.staging.gates.attestations.denominator]
namespace = "CivicForge"
name = "Requests"
dimensions = {{ function = "api", version = "{{version}}" }}
"""

_SOURCE = '''
"""The function {name} of CivicForge, release {release}."""
import json
import random
import time

from flagkit import Flags

flags = Flags.connect()  # the source is in the environment variable FLAGKIT_SOURCE


@flags.on_invocation
def handler(event, context):
    if event.get("rawPath", "").endswith("/health"):
        return {{"statusCode": 200, "body": "ok", "headers": {{"x-version": context.function_version}}}}
    user_id = (event.get("queryStringParameters") or {{}}).get("user", "anonymous")
    is_new = flags.is_enabled("{flag}", user_id)
    time.sleep(random.uniform(0.03, 0.09))
    done = random.random() < (0.34 if is_new else 0.3)
    print(json.dumps({{
        "_aws": {{
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [{{
                "Namespace": "CivicForge",
                "Dimensions": [["function", "version"]],
                "Metrics": [{{"Name": "Requests"}}, {{"Name": "{metric}"}}],
            }}],
        }},
        "function": context.function_name,
        "version": context.function_version,
        "Requests": 1,
        "{metric}": int(done),
    }}))
    body = "new" if is_new else "old"
    return {{"statusCode": 200, "body": body, "headers": {{"x-version": context.function_version}}}}
'''

_WHAT: Final = {
    "api": ("new_attestation_flow", "Attestations"),
    "rewards": ("double_rewards", "RewardsGranted"),
    "quests": ("seasonal_quests", "QuestsDone"),
}

FLAGS: Final[dict[str, Any]] = {
    "version": "1",
    "flags": {
        "new_attestation_flow": {"name": "New attestation flow", "description": "Three steps in the place of one form"},
        "double_rewards": {"name": "Double rewards"},
        "seasonal_quests": {"name": "Seasonal quests"},
        "maintenance_mode": {"name": "Maintenance mode", "description": "Kill switch: read-only while it is on"},
        "quest_button": {
            "name": "Colour of the quest button",
            "attributes": {"value": {"constraints": {"type": "string", "enum": ["green", "blue", "violet"]}}},
        },
    },
    "values": {
        "new_attestation_flow": {
            "_variants": [
                {"name": "on", "enabled": True, "rule": '(split pct::10 by::$userId seed::"new_attestation_flow")'},
                {"name": "off", "enabled": False},
            ]
        },
        "double_rewards": {"enabled": True},
        "seasonal_quests": {
            "_variants": [
                {
                    "name": "rollout",
                    "enabled": True,
                    "rule": '(and (eq $country "US") (split pct::50 by::$userId seed::"seasonal_quests"))',
                },
                {"name": "off", "enabled": False},
            ]
        },
        "maintenance_mode": {"enabled": False},
        "quest_button": {
            "_variants": [
                {
                    "name": "green",
                    "enabled": True,
                    "rule": '(split pct::50 by::$userId seed::"quest_button")',
                    "attributeValues": {"value": "green"},
                },
                {"name": "blue", "enabled": True, "attributeValues": {"value": "blue"}},
            ]
        },
    },
}


def build(aws: AwsStandIn) -> None:
    """Makes the application, the functions and the alarms, and starts the traffic."""
    _flags(aws)
    for name in FUNCTIONS:
        _function(aws, name)
    _alarms(aws)
    for name in FUNCTIONS:
        aws.traffic.steady(name, ALIAS, REQUESTS_PER_MINUTE[name], payloads=_request)
    # What is wrong with the two bad versions; `canary sandbox set` changes it.
    aws.lambda_.invoker.disturbances.set("api", Disturbance(error_ratio=0.12), BAD)
    aws.lambda_.invoker.disturbances.set("api", Disturbance(slow_ratio=0.15, slow_ms=2600), SLOW)


def _request(number: int) -> dict[str, Any]:
    return {**http_event("GET", "/"), "queryStringParameters": {"user": USERS[number * 7 % len(USERS)]}}


def _flags(aws: AwsStandIn) -> None:
    client: Any = aws.session().client("appconfig")
    application = client.create_application(Name=APPLICATION)["Id"]
    profile = client.create_configuration_profile(
        ApplicationId=application, Name=PROFILE, LocationUri="hosted", Type="AWS.Freeform"
    )["Id"]
    version = client.create_hosted_configuration_version(
        ApplicationId=application,
        ConfigurationProfileId=profile,
        Content=json.dumps(FLAGS).encode(),
        ContentType="application/json",
    )["VersionNumber"]
    for name in ENVIRONMENTS:
        environment = client.create_environment(ApplicationId=application, Name=name)["Id"]
        client.start_deployment(
            ApplicationId=application,
            EnvironmentId=environment,
            ConfigurationProfileId=profile,
            ConfigurationVersion=str(version),
            DeploymentStrategyId="AppConfig.AllAtOnce",
        )


def _function(aws: AwsStandIn, name: str) -> None:
    flag, metric = _WHAT[name]
    for release in (BASELINE, BAD, SLOW, GOOD):
        source = _SOURCE.format(name=name, release=release, flag=flag, metric=metric)
        aws.lambda_.deploy(name, source, alias=ALIAS, variables={"FLAGKIT_SOURCE": SOURCE}, Timeout=10)


def _alarms(aws: AwsStandIn) -> None:
    client: Any = aws.session().client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="api-5xx",
        AlarmDescription="More than 10 % of the API's requests fail",
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": "api"}, {"Name": "Resource", "Value": f"api:{ALIAS}"}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=3,
        Threshold=0.1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
