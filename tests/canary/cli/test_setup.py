"""canary init writes a plan that can be used, canary iam prints policies of the calls that are made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from canary.adapters.aws import Api, Session, open_session
from canary.adapters.iam import policy
from canary.core.plan import Plan
from tests.canary.cli.conftest import Desk

EVERYTHING = """
journal = "dynamodb://canary"

[stages.staging]
functions = ["api:live"]
steps = [20]
bake = "5m"
hold_max = "5m"
notifications = [{ kind = "sns", topic_arn = "arn:aws:sns:us-east-1:123456789012:releases" }, { kind = "eventbridge" }]
dead_man = { role_arn = "arn:aws:iam::123456789012:role/dead-man" }

[[stages.staging.hooks]]
when = "before_traffic"
function = "smoke:live"

[stages.staging.rules]
clean_tree = false
[stages.staging.gates.letters]
kind = "queue"
queue = "dlq"
max_new_messages = 0
[stages.staging.gates.red]
kind = "alarms"
names = ["api-5xx"]
[stages.staging.gates.ping]
kind = "health"
invoke = { ping = true }
"""


def test_init_writes_a_plan_for_the_functions_that_exist(desk: Desk) -> None:
    (desk.base / "canary.toml").unlink()
    done = desk("init")
    assert (done.code, done.out) == (
        0,
        "canary.toml written: stage staging with api:live\nNext: canary doctor staging\n",
    )
    plan = Plan.parse((desk.base / "canary.toml").read_text())
    assert [function.key for function in plan.stage("staging").functions] == ["api:live"]
    assert desk("doctor", "staging").code in {0, 7}


def test_init_takes_functions_and_another_stage(desk: Desk) -> None:
    done = desk("init", "shop:live", "cart:live", "--stage", "prod", "--plan", "prod.toml", "--json")
    assert json.loads(done.out) == {"plan": "prod.toml", "stage": "prod", "functions": ["shop:live", "cart:live"]}
    assert desk("plan", "prod", "--plan", "prod.toml").code == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("init",), "canary.toml exists already"),
        (("init", "shop", "--plan", "x.toml"), "a function and an alias"),
        (("init", "shop:live", "--plan", "nowhere/x.toml"), "can't be written"),
        (("init", "shop:live", "--plan", "x.toml", "--stage", "a b"), "not valid TOML"),
        (("iam", "staging", "--role", "king"), "'king' is not a role"),
    ],
)
def test_what_cannot_be_written_is_a_usage_error(desk: Desk, arguments: tuple[str, ...], part: str) -> None:
    done = desk(*arguments)
    assert done.code == 2
    assert part in done.err.splitlines()[0]
    assert not (desk.base / "x.toml").exists()


def test_init_without_any_alias_says_how_to_create_one(desk: Desk) -> None:
    client: Any = desk.aws.session().client("lambda")
    client.delete_alias(FunctionName="api", Name="live")
    done = desk("init", "--plan", "x.toml")
    assert done.code == 1
    assert "aws lambda create-alias" in done.err


@pytest.mark.parametrize(
    ("function", "resource"),
    [
        ("smoke", "arn:aws:lambda:*:*:function:smoke"),
        ("smoke:live", "arn:aws:lambda:*:*:function:smoke:live"),
        ("123456789012:function:smoke:2", "arn:aws:lambda:*:*:function:smoke:2"),
        ("arn:aws:lambda:eu-west-1:1:function:smoke", "arn:aws:lambda:eu-west-1:1:function:smoke"),
    ],
)
def test_a_hook_function_is_granted_as_the_plan_names_it(function: str, resource: str) -> None:
    plan = Plan.parse(
        f'[stages.a]\nfunctions = ["api:live"]\nhooks = [{{ when = "before_traffic", function = "{function}" }}]'
    )
    (hooks,) = (s for s in policy(plan, plan.stage("a"), "driver")["Statement"] if s["Sid"] == "Hooks")
    assert (hooks["Action"], hooks["Resource"]) == (["lambda:InvokeFunction"], [resource])


def granted(desk: Desk, role: str) -> set[str]:
    document = json.loads(desk("iam", "staging", "--role", role).out)
    return {action for statement in document["Statement"] for action in statement["Action"]}


class Calls:
    """The actions that commands call, as IAM names them."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        self.made: set[str] = set()
        call, pages = Api.call, Api.pages

        def note(api: Api, operation: str) -> None:
            self.made.add(f"{api.service}:{'InvokeFunction' if operation == 'Invoke' else operation}")

        def noting_call(api: Api, operation: str, **arguments: object) -> dict[str, Any]:
            note(api, operation)
            return call(api, operation, **arguments)

        def noting_pages(api: Api, operation: str, key: str, **arguments: object) -> Iterator[dict[str, Any]]:
            note(api, operation)
            return pages(api, operation, key, **arguments)

        monkeypatch.setattr(Api, "call", noting_call)
        monkeypatch.setattr(Api, "pages", noting_pages)

    def __call__(self, *arguments: str) -> set[str]:
        self.made = set()
        assert self.desk(*arguments).code in {0, 3, 4, 7}
        return self.made


@pytest.fixture
def everything(desk: Desk) -> Desk:
    session = desk.aws.session()
    desk.write_plan(EVERYTHING)
    desk.aws.lambda_.deploy("smoke", lambda event, context: {"status": "Succeeded"}, alias="live")
    session.client("sqs").create_queue(QueueName="dlq")
    session.client("sns").create_topic(Name="releases")
    session.client("dynamodb").create_table(
        TableName="canary",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    session.client("cloudwatch").put_metric_alarm(
        AlarmName="api-5xx", Namespace="shop", MetricName="x", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
    )  # fmt: skip
    desk.aws.clock.advance(180)
    desk.release(0)
    return desk


def test_the_policies_grant_the_calls_that_are_made_and_no_others(
    everything: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(everything, monkeypatch)
    everything.write_plan(EVERYTHING.replace("api:live", "api:canary"))
    made = calls("deploy", "staging", "--create-alias", "--version", "1")
    everything.write_plan(EVERYTHING)
    made |= calls("deploy", "staging") | calls("status", "staging")
    driver = granted(everything, "driver")
    assert made - driver == set()
    # --publish, and the role of the dead-man schedule.
    assert driver - made == {"lambda:PublishVersion", "iam:PassRole"}
    read = calls("doctor", "staging") | calls("status", "staging") | calls("history", "staging")
    viewer = granted(everything, "viewer")
    assert read - viewer == {"lambda:InvokeFunction"}  # only the health checks of doctor need more
    assert viewer - read == set()
    assert calls("rollback", "staging", "--to", "1") - granted(everything, "rollback") == set()


def test_policies_name_the_resources_of_the_stage(everything: Desk) -> None:
    text = everything("iam", "staging", "--account", "123456789012", "--region", "cn-north-1").out
    assert "arn:aws-cn:lambda:cn-north-1:123456789012:function:api" in text
    assert "arn:aws-cn:sqs:cn-north-1:123456789012:dlq" in text
    assert '"dynamodb:LeadingKeys":["staging#*"]' in text


def test_region_and_profile_are_taken_from_the_command_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    done = desk("status", "staging", "--profile", "nobody")
    assert done.code == 1
    assert done.err.startswith("error[aws_access_denied]: ")
    assert "hint: Correct --profile or AWS_PROFILE." in done.err
    asked: list[tuple[str | None, str | None]] = []

    def opened(region: str | None = None, profile: str | None = None) -> Session:
        asked.append((region, profile))
        return open_session("us-east-1")

    monkeypatch.setattr("canary.adapters.aws.open_session", opened)
    assert desk("status", "staging", "--region", "eu-west-1").code == 0
    assert set(asked) == {("eu-west-1", None)}
