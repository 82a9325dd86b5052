"""CivicForge on the stand-in: a flag and two releases of three functions. Run it: python examples/civicforge/run.py."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import canary
from canary import ViewBuilder, status_lines
from canary.testing import AwsStandIn

PLAN = Path(__file__).with_name("canary.toml")
FUNCTIONS = ("api", "rewards", "quests")
FLAG = "new_attestation_flow"
SOURCE = "appconfig://civicforge/staging/flags"
HANDLER = """
import random
from flagkit import Flags

flags = Flags.connect("{source}")

@flags.on_invocation
def handler(event, context):
    flow = "new" if flags.is_enabled("{flag}", event.get("user", "anonymous")) else "old"
    if flow == "new" and random.random() < {failing}:
        raise RuntimeError("the attestation can't be stored")
    return {{"statusCode": 200, "body": flow}}
"""


def create_flag(aws: AwsStandIn) -> None:
    """The flag is on for half of the users."""
    client = aws.session().client("appconfig")
    application = client.create_application(Name="civicforge")["Id"]
    environment = client.create_environment(ApplicationId=application, Name="staging")["Id"]
    profile = client.create_configuration_profile(
        ApplicationId=application, Name="flags", LocationUri="hosted", Type="AWS.Freeform"
    )["Id"]
    variants = [
        {"name": "on", "enabled": True, "rule": f'(split pct::50 by::$userId seed::"{FLAG}")'},
        {"name": "off", "enabled": False},
    ]
    document = {"version": "1", "flags": {FLAG: {"name": FLAG}}, "values": {FLAG: {"_variants": variants}}}
    client.create_hosted_configuration_version(
        ApplicationId=application,
        ConfigurationProfileId=profile,
        Content=json.dumps(document).encode(),
        ContentType="application/json",
    )
    client.start_deployment(
        ApplicationId=application,
        EnvironmentId=environment,
        ConfigurationProfileId=profile,
        ConfigurationVersion="1",
        DeploymentStrategyId="AppConfig.AllAtOnce",
    )


def create_journal(aws: AwsStandIn) -> None:
    aws.session().client("dynamodb").create_table(
        TableName="canary-journal",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    aws.session().client("scheduler").create_schedule_group(Name="canary")


def upload(aws: AwsStandIn, failing: float) -> None:
    """New code for all three functions; only the API's may be bad."""
    for name in FUNCTIONS:
        source = HANDLER.format(source=SOURCE, flag=FLAG, failing=failing if name == "api" else 0)
        aws.lambda_.deploy(name, source + f"# {failing}\n", alias="live")


def release(aws: AwsStandIn) -> canary.Phase:
    plan = canary.load_plan(PLAN)
    stage = plan.stage("staging")
    builder = ViewBuilder(stage)
    with tempfile.TemporaryDirectory() as folder:
        ports = canary.assemble(plan, "staging", base=Path(folder), clock=aws.clock, observers=(builder,))
        state = canary.run(stage, ports, canary.start(stage, ports))
    print(*status_lines(builder.view()), "", sep="\n")
    return state.phase


def main() -> None:
    with AwsStandIn(seed=1) as aws:
        create_flag(aws)
        create_journal(aws)
        upload(aws, failing=0)
        users = [f"user-{number}" for number in range(500)]
        for name in FUNCTIONS:
            aws.traffic.steady(name, "live", 120, payloads=lambda number: {"user": users[number % len(users)]})
        aws.clock.advance(900)

        print("A good release of three functions:")
        upload(aws, failing=0.0001)
        assert release(aws) is canary.Phase.PROMOTED

        print("A release whose API fails for users with the new flow:")
        upload(aws, failing=0.5)
        assert release(aws) is canary.Phase.ROLLED_BACK

        aws.clock.advance(60)
        client = aws.session().client("lambda")
        for name in FUNCTIONS:
            alias = client.get_alias(FunctionName=name, Name="live")
            print(f"{name}:live serves version {alias['FunctionVersion']}")
            assert alias["FunctionVersion"] == "2"
        for user in users[:20]:
            event = json.dumps({"user": user}).encode()
            answer = client.invoke(FunctionName="api", Qualifier="live", Payload=event)
            assert json.load(answer["Payload"])["body"] == "old"
        print(f"{FLAG} is off: everybody gets the old flow")


if __name__ == "__main__":
    main()
