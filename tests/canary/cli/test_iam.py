"""The policies of canary equal the calls of full runs, both ways: actions, resources and conditions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple
from fnmatch import fnmatchcase
from typing import Any

import pytest

from canary.adapters.aws import Api
from canary.assembly import assemble
from canary.core import resources
from canary.core.plan import Plan
from canary.drivers import act, definition, lambda_handler, rollback_definition
from canary.infra.policies import FlagIds, engine_statements, policy, statements
from canary.runner import Ports
from flagkit.admin import edits
from flagkit.admin.stores import Note, open_store
from flagkit.admin.stores.control import Control
from flagkit.core.documents import FlagDocument
from flagkit.testing import AppConfigFlags
from tests.canary.cli.conftest import Desk

ACCOUNT = "123456789012"
EVERYTHING = """
journal = "dynamodb://canary"

[stages.staging]
functions = ["api:live"]
steps = [20]
bake = "5m"
hold_max = "5m"
on_inconclusive = "promote"
on_no_data = "promote"
notifications = [{ kind = "sns", topic_arn = "arn:aws:sns:us-east-1:123456789012:releases" }, { kind = "eventbridge" }]

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
[stages.staging.gates.orders]
kind = "metric"
metric = { namespace = "shop", name = "orders" }
max = 50
"""
Statement = dict[str, Any]


class Calls:
    """The calls that are made, as IAM sees them: action, resource, and the key of a table's partition."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        self.made: set[tuple[str, str, str]] = set()
        self.ticks: set[tuple[str, str, str]] = set()
        call, pages = Api.call, Api.pages

        def noting_call(api: Api, operation: str, **arguments: object) -> dict[str, Any]:
            self.made.update(asked(api.service, operation, arguments))
            return call(api, operation, **arguments)

        def noting_pages(api: Api, operation: str, key: str, **arguments: object) -> Iterator[dict[str, Any]]:
            self.made.update(asked(api.service, operation, arguments))
            return pages(api, operation, key, **arguments)

        ports: dict[str, Ports] = {}  # clients cost more than everything else
        monkeypatch.setattr(
            lambda_handler,
            "assemble",
            lambda plan, name, **more: ports.get(name) or ports.setdefault(name, assemble(plan, name, **more)),
        )
        monkeypatch.setattr(Api, "call", noting_call)
        monkeypatch.setattr(Api, "pages", noting_pages)

    def run(self, *arguments: str) -> Calls:
        assert self.desk(*arguments).code in {0, 3, 4, 5, 7}
        return self

    def deploy_engines(self) -> None:
        """The tick function, whose calls are noted apart, and the state machine."""
        session, plan = self.desk.aws.session(), self.desk.base / "canary.toml"

        def tick(event: dict[str, Any], context: object) -> dict[str, object]:
            self.made, self.ticks = self.ticks, self.made
            try:
                return act(event, plan_path=plan, session=session, clock=self.desk.aws.clock)
            finally:
                self.made, self.ticks = self.ticks, self.made

        self.desk.aws.lambda_.deploy(resources.tick_function("staging"), tick, Timeout=900)
        arn = resources.tick_function_arn("staging", account=ACCOUNT, region="us-east-1")
        session.client("stepfunctions").create_state_machine(
            name=resources.state_machine("staging"),
            definition=json.dumps(definition(Plan.parse(plan.read_text()).stage("staging"), arn)),
            roleArn=resources.role_arn(resources.engine_role("staging"), account=ACCOUNT, region="us-east-1"),
        )

    def act(self, action: str) -> dict[str, object]:
        event = {"stage": "staging", "action": action}
        plan = self.desk.base / "canary.toml"
        return act(event, plan_path=plan, session=self.desk.aws.session(), clock=self.desk.aws.clock)


def asked(service: str, operation: str, said: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a call needs to be allowed."""
    near = f"us-east-1:{ACCOUNT}"
    action = f"{service}:{'InvokeFunction' if operation == 'Invoke' else operation}"
    key = ""
    match service:
        case "lambda" if operation != "ListEventSourceMappings":
            qualifier = f":{said['Qualifier']}" if operation == "Invoke" and "Qualifier" in said else ""
            resources = [f"arn:aws:lambda:{near}:function:{said['FunctionName']}{qualifier}"]
        case "cloudwatch" if operation == "DescribeAlarms":
            resources = [f"arn:aws:cloudwatch:{near}:alarm:{name}" for name in said["AlarmNames"]]
        case "sqs":
            name = said.get("QueueName") or said["QueueUrl"].rpartition("/")[2]
            resources = [f"arn:aws:sqs:{near}:{name}"]
        case "sns":
            resources = [said["TopicArn"]]
        case "events":
            resources = [f"arn:aws:events:{near}:event-bus/{entry['EventBusName']}" for entry in said["Entries"]]
        case "scheduler" if operation == "GetScheduleGroup":
            resources = [f"arn:aws:scheduler:{near}:schedule-group/{said['Name']}"]
        case "scheduler" if operation == "ListSchedules":
            resources = ["*"]
        case "scheduler":
            resources = [f"arn:aws:scheduler:{near}:schedule/{said['GroupName']}/{said['Name']}"]
            if target := said.get("Target"):
                yield "iam:PassRole", target["RoleArn"], "scheduler.amazonaws.com"
        case "dynamodb" if operation == "TransactWriteItems":
            for one in said["TransactItems"]:
                for kind, part in one.items():
                    yield from asked(service, f"{kind}Item", part)
            return
        case "dynamodb":
            resources = [f"arn:aws:dynamodb:{near}:table/{said['TableName']}"]
            row = said.get("Item") or said.get("Key") or {"pk": said["ExpressionAttributeValues"][":pk"]}
            key = row["pk"]["S"]
        case "stepfunctions":
            action = f"states:{operation}"
            resources = [said["stateMachineArn"]]
        case "iam":
            resources = [said["PolicySourceArn"]]
        case "appconfig":
            resources = [f"arn:aws:appconfig:{near}:{part}" for part in parts_of(operation, said)] or ["*"]
        case "sts":
            resources = []  # GetCallerIdentity needs no permission
        case _:
            resources = ["*"]
    yield from ((action, resource, key) for resource in resources)


def parts_of(operation: str, said: Mapping[str, Any]) -> Iterator[str]:
    """What a call to AppConfig must be allowed on (appconfig.md §8)."""
    if "ApplicationId" not in said:
        return
    application = f"application/{said['ApplicationId']}"
    environment = f"{application}/environment/{said.get('EnvironmentId')}"
    yield application
    if "ConfigurationProfileId" in said:
        yield f"{application}/configurationprofile/{said['ConfigurationProfileId']}"
    if "EnvironmentId" in said:
        yield environment
    if operation in {"GetDeployment", "StopDeployment", "ListDeployments"}:
        yield f"{environment}/deployment/{said.get('DeploymentNumber', '*')}"
    if "DeploymentStrategyId" in said:
        yield f"deploymentstrategy/{said['DeploymentStrategyId']}"


def allows(statement: Statement, action: str, resource: str, key: str) -> bool:
    """Whether a statement allows a call, as IAM decides it."""
    for tests in statement.get("Condition", {}).values():
        for wanted in tests.values():
            if not any(fnmatchcase(key, one) for one in ([wanted] if isinstance(wanted, str) else wanted)):
                return False
    return action in statement["Action"] and any(fnmatchcase(resource, one) for one in statement["Resource"])


def compare(made: set[tuple[str, str, str]], statements: list[Statement]) -> tuple[list[object], list[object]]:
    """What is missing in a policy, and what is in it and no call needs."""
    missing = [call for call in made if not any(allows(statement, *call) for statement in statements)]
    unused = [
        (action, resource)
        for statement in statements
        for action in statement["Action"]
        for resource in statement["Resource"]
        if not any(allows({**statement, "Action": [action], "Resource": [resource]}, *call) for call in made)
    ]
    return missing, unused


def granted(desk: Desk, role: str) -> list[Statement]:
    words = ("iam", "staging", "--role", role, "--account", ACCOUNT, "--region", "us-east-1")
    found: list[Statement] = json.loads(desk(*words).out)["Statement"]
    return found


@pytest.fixture
def everything(desk: Desk) -> Desk:
    session = desk.aws.session()
    desk.write_plan(EVERYTHING)
    desk.aws.lambda_.deploy("smoke", lambda event, context: {"status": "Succeeded"}, alias="live")
    session.client("sqs").create_queue(QueueName="dlq")
    session.client("sns").create_topic(Name="releases")
    session.client("scheduler").create_schedule_group(Name=resources.SCHEDULE_GROUP)  # as `canary infra` deploys it
    session.client("dynamodb").create_table(
        TableName="canary",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    session.client("cloudwatch").put_metric_data(Namespace="shop", MetricData=[{"MetricName": "orders", "Value": 1}])
    session.client("cloudwatch").put_metric_alarm(
        AlarmName="api-5xx", Namespace="shop", MetricName="x", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
    )  # fmt: skip
    desk.aws.clock.advance(180)
    desk.release(0)
    return desk


@pytest.mark.sweep
def test_the_driver_may_do_what_releases_do_and_nothing_else(everything: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(everything, monkeypatch)
    everything.write_plan(EVERYTHING.replace("api:live", "api:canary").replace('"orders" }', '"order" }'))
    calls.run("deploy", "staging", "--create-alias", "--version", "1")
    calls.run("doctor", "staging")  # names the series that there are
    everything.write_plan(EVERYTHING)
    calls.run("deploy", "staging").run("deploy", "staging", "--publish", "--allow-no-change")
    assert compare(calls.made, granted(everything, "driver")) == ([], [])


def test_a_viewer_may_do_what_only_reads_and_nothing_else(everything: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(everything, monkeypatch)
    everything.write_plan(EVERYTHING.replace('"orders" }', '"order" }'))
    calls.run("doctor", "staging")  # names the series that there are
    everything.write_plan(EVERYTHING)
    calls.run("doctor", "staging").run("status", "staging").run("history", "staging")
    missing, unused = compare(calls.made, granted(everything, "viewer"))
    # Only the health checks of doctor need more; they ask the function itself.
    assert (missing, unused) == (
        [("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:api:1", "")],
        [],
    )


def test_who_rolls_back_may_do_that_and_nothing_else(everything: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(everything, monkeypatch)
    calls.act("start")
    calls.made.clear()
    calls.run("abort", "staging").run("rollback", "staging", "--to", "2")
    assert compare(calls.made, granted(everything, "rollback")) == ([], [])


def test_policies_name_the_resources_of_the_stage(everything: Desk) -> None:
    text = everything("iam", "staging", "--account", ACCOUNT, "--region", "cn-north-1").out
    assert "arn:aws-cn:lambda:cn-north-1:123456789012:function:api" in text
    assert "arn:aws-cn:sqs:cn-north-1:123456789012:dlq" in text
    assert '"dynamodb:LeadingKeys":["staging#*"]' in text


def test_a_dead_man_switch_is_granted_as_the_plan_names_it() -> None:
    settings = '{ role_arn = "arn:aws:iam::123456789012:role/switch", group = "mine" }'
    plan = Plan.parse(f'[stages.a]\nfunctions = ["api:live"]\ndead_man = {settings}')
    found = {s["Sid"]: s for s in policy(plan, plan.stage("a"), "driver")["Statement"]}
    assert found["DeadManSwitch"]["Resource"] == ["arn:aws:scheduler:*:*:schedule/mine/canary-a.*"]
    assert found["DeadManRole"]["Resource"] == ["arn:aws:iam::123456789012:role/switch"]
    assert not {"DeadManGroup", "DeadManWorkflow"} & found.keys()
    deployed = settings.replace("switch", "canary-deadman-a")
    plan = Plan.parse(f'[stages.a]\nfunctions = ["api:live"]\ndead_man = {deployed}')
    found = {s["Sid"]: s for s in policy(plan, plan.stage("a"), "driver")["Statement"]}
    assert found["DeadManWorkflow"]["Resource"] == ["arn:aws:states:*:*:stateMachine:canary-rollback-a"]


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


@pytest.mark.sweep
def test_engines_and_who_hands_over_to_them_may_do_what_they_do_and_nothing_else(
    everything: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(everything, monkeypatch)
    calls.deploy_engines()
    calls.run("deploy", "staging", "--engine", "stepfunctions")
    everything.release(0, "3")
    calls.run("deploy", "staging", "--engine", "lambda")
    plan, where = Plan.parse(EVERYTHING), f"us-east-1:{ACCOUNT}"
    stage = plan.stage("staging")
    assert compare(calls.ticks, statements(plan, stage, "tick", where)) == ([], [])
    handing_over = engine_statements(stage, where)
    missing, _ = compare(calls.made, [*statements(plan, stage, "driver", where), *handing_over])
    _, unused = compare(calls.made, handing_over)
    assert (missing, unused) == ([], [])


@pytest.mark.parametrize(("source", "tables"), [("dynamodb://shop-outcomes", ["shop-outcomes"]), ("emf://shop", [])])
def test_whoever_judges_users_may_read_their_table(source: str, tables: list[str]) -> None:
    plan = Plan.parse(f'[stages.shop]\nfunctions = ["api:live"]\noutcomes = "{source}"\n')
    for role in ("driver", "viewer", "tick"):
        found = statements(plan, plan.stage("shop"), role, f"us-east-1:{ACCOUNT}")  # type: ignore[arg-type]
        read = [arn for statement in found if statement["Sid"] == "Outcomes" for arn in statement["Resource"]]
        assert read == [f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}" for table in tables]


FLAGGED = """
journal = "dynamodb://canary"

[stages.staging]
flag = "appconfig://shop/test/flags#new_checkout"
outcomes = "dynamodb://canary"
steps = [20]
bake = "5m"
hold_max = "5m"
on_inconclusive = "promote"
on_no_data = "promote"

[stages.staging.rules]
clean_tree = false
"""


class FlagCalls(Calls):
    """The calls for a stage that rolls out a flag."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(desk, monkeypatch)
        desk.write_plan(FLAGGED)
        session = desk.aws.session()
        session.client("scheduler").create_schedule_group(Name=resources.SCHEDULE_GROUP)
        keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
        types = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
        session.client("dynamodb").create_table(
            TableName="canary", KeySchema=keys, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST"
        )  # fmt: skip
        self.flags = AppConfigFlags(session)
        self.save(lambda document: edits.create(edits.create(document, "new_checkout"), "other"), "immediate")
        desk.aws.clock.advance(60)
        self.deploy_engines()
        arn = resources.tick_function_arn("staging", account=ACCOUNT, region="us-east-1")
        session.client("stepfunctions").create_state_machine(
            name=resources.rollback_machine("staging"),
            definition=json.dumps(rollback_definition(Plan.parse(FLAGGED).stage("staging"), tick_arn=arn)),
            roleArn=resources.role_arn(resources.engine_role("staging"), account=ACCOUNT, region="us-east-1"),
        )
        once = Control.once

        def noting_once(control: Control, operation: str, **said: Any) -> Any:
            self.made.update(asked("appconfig", operation, said))
            return once(control, operation, **said)

        monkeypatch.setattr(Control, "once", noting_once)

    def save(self, change: Callable[[FlagDocument], FlagDocument], pace: str) -> None:
        """A change that isn't canary's."""
        made, self.made = self.made, set()
        store = open_store(self.flags.url, session=self.desk.aws.session(), clock=self.desk.aws.clock)
        saved = store.save(base := store.read(missing_ok=True), change(base.document), Note())
        assert store.deployments is not None
        store.deployments.deploy(saved.version.number, pace=pace, when_busy="replace")
        self.made = made

    def interrupted_by_a_deployment(self) -> None:
        """Another flag is being deployed slowly, which a decrease replaces."""
        slow = self.flags.strategy(duration_min=30, step_percent=10)
        self.save(lambda document: edits.rollout(document, "other", 10), slow)

    @property
    def ids(self) -> FlagIds:
        return FlagIds(self.flags.application_id, self.flags.environment_id, self.flags.profile_id)

    def compared(self, role: str) -> tuple[list[object], list[object]]:
        """As `compare`; a deployment alone is asked for after a lost answer, and by an older botocore."""
        words = (
            "--role",
            role,
            "--account",
            ACCOUNT,
            "--region",
            "us-east-1",
            "--flag-ids",
            "/".join(astuple(self.ids)),
        )
        missing, unused = compare(self.made, json.loads(self.desk("iam", "staging", *words).out)["Statement"])
        return missing, [one for one in unused if one[0] != "appconfig:GetDeployment"]


@pytest.mark.sweep
def test_who_drives_or_reads_a_flag_may_do_that_and_nothing_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = FlagCalls(desk, monkeypatch)
    calls.run("doctor", "staging").run("status", "staging")
    missing, unused = calls.compared("viewer")
    tick = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:canary-tick-staging"
    assert (missing, unused) == ([("lambda:InvokeFunction", tick, "")], [])  # a viewer may not start a tick
    calls.act("start")
    calls.act("tick")
    calls.interrupted_by_a_deployment()
    calls.made.clear()
    calls.run("abort", "staging").run("rollback", "staging")
    assert calls.compared("rollback") == ([], [])
    calls.made.clear()
    calls.run("doctor", "staging").run("deploy", "staging", "--engine", "stepfunctions")
    calls.desk.aws.clock.advance(3600)
    calls.save(lambda document: edits.rollout(document, "new_checkout", 0), "immediate")
    calls.desk.aws.clock.advance(60)
    calls.act("start")
    calls.act("tick")
    calls.interrupted_by_a_deployment()
    calls.run("rollback", "staging")
    plan, where = Plan.parse(FLAGGED), f"us-east-1:{ACCOUNT}"
    stage = plan.stage("staging")
    handing_over = engine_statements(stage, where)
    missing, unused = calls.compared("driver")
    assert unused == []
    assert compare(set(missing), handing_over)[0] == []
    missing, unused = compare(calls.ticks, statements(plan, stage, "tick", where, calls.ids))
    assert missing == []
    of_the_flag = {action for action, _ in unused if action.startswith("appconfig:")}
    assert of_the_flag <= {"appconfig:GetDeployment", "appconfig:StopDeployment"}  # nothing was rolled back there
