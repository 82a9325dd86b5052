"""The template of a stage: what CloudFormation accepts, what the drivers look for, and who may do what."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import canary
from canary.adapters.deadman import TARGET
from canary.core import resources
from canary.core.plan import Plan
from canary.drivers import rollback_definition
from canary.errors import PlanError
from canary.infra.formats import _variable, sam, terraform
from canary.infra.policies import part_statements
from canary.infra.template import _ENVIRONMENT, template

PLAN = """
[stages.prod]
functions = ["api:live", "rewards:live"]
flags_off = [{ source = "appconfig://shop/prod/flags", key = "new_checkout" }]
[stages.prod.gates.letters]
kind = "queue"
queue = "dlq"
max_new_messages = 0
[stages.prod.gates.red]
kind = "alarms"
names = ["api-5xx"]
[stages.prod.gates.failures]
kind = "http_5xx"
source = "http_api"
target = "a1b2c3"
[stages.prod.gates.slow]
kind = "latency"
source = "http_api"
target = "a1b2c3"
[stages.prod.gates.capacity]
kind = "metric"
metric = { namespace = "AWS/DynamoDB", name = "ConsumedReadCapacityUnits", dimensions = { TableName = "quests" } }
max = 80
"""


HERE = "${AWS::Region}:${AWS::AccountId}"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return template(Plan.parse(PLAN), "prod")


def properties(made: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {key: one["Properties"] for key, one in made["Resources"].items() if one["Type"] == kind}


def granted(made: dict[str, Any], role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    return found


def actions(statements: list[dict[str, Any]]) -> set[str]:
    return {action for statement in statements for action in statement["Action"]}


@pytest.mark.slow
def test_cfn_lint_finds_nothing(made: dict[str, Any], tmp_path: Path) -> None:
    civicforge = Path(__file__).parents[3] / "examples" / "civicforge" / "canary.toml"
    path, other, flag = (tmp_path / f"{name}.json" for name in ("template", "civicforge", "flag"))
    path.write_text(json.dumps(made))
    flag.write_text(json.dumps(template(Plan.parse(FLAG), "checkout")))
    other.write_text(json.dumps(template(Plan.parse(civicforge.read_text("utf-8")), "staging")))
    command = [Path(sys.executable).with_name("cfn-lint"), "--regions", "us-east-1", "--", path, other, flag]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


FLAG = """
[stages.checkout]
flag = "appconfig://shop/prod/flags#new_checkout"
outcomes = "dynamodb://canary-outcomes"
"""


def test_a_stage_that_rolls_out_a_flag_has_what_lowers_it_and_nothing_of_functions() -> None:
    plan = Plan.parse(FLAG)
    made = template(plan, "checkout")
    for name in ("FlagApplication", "FlagEnvironment", "FlagProfile"):
        assert "Default" not in made["Parameters"][name], "the tick function needs it"
        assert "sensitive" not in terraform(made, plan.stage("checkout"), "x")["variable"][_variable(name)]
    text = json.dumps(made)
    assert "flag.new_checkout:" not in json.dumps([one for one in made["Resources"].values() if "Policies" in one])
    assert "lambda:UpdateAlias" not in text
    assert "AWS::Events::Rule" not in text, "no alarm is named"
    alarms = {one["AlarmName"] for one in properties(made, "AWS::CloudWatch::Alarm").values()}
    tables = {f"canary-checkout-Throttles-{table}" for table in ("canary-journal", "canary-outcomes")}
    assert alarms == {"canary-checkout-TickErrors-canary-tick-checkout", *tables}
    deploy = [s for s in granted(made, "TickRole") if "appconfig:StartDeployment" in s["Action"]]
    assert {"Fn::Sub": f"arn:${{AWS::Partition}}:appconfig:{HERE}:application/${{FlagApplication}}"} in deploy[0][
        "Resource"
    ]
    rule = template(Plan.parse(FLAG + '[stages.checkout.gates.red]\nkind = "alarms"\nnames = ["x"]'), "checkout")
    assert properties(rule, "AWS::Events::Rule")["AlarmRule"]["Targets"][0]["Arn"] == {"Ref": "RollbackStateMachine"}
    with pytest.raises(PlanError, match="it has no functions for a SAM template"):
        sam(plan.stage("checkout"))
    with pytest.raises(PlanError, match="needs its tick function"):
        rollback_definition(plan.stage("checkout"))


def test_what_drivers_look_up_has_the_names_that_they_look_for(made: dict[str, Any]) -> None:
    names = {
        value
        for one in made["Resources"].values()
        for key, value in one["Properties"].items()
        if key in {"FunctionName", "Name", "RoleName", "StateMachineName", "TableName", "TopicName"}
    }
    assert names >= {
        resources.JOURNAL_TABLE, resources.SCHEDULE_GROUP, resources.dead_man_role("prod"),
        resources.engine_role("prod"), resources.rollback_machine("prod"), resources.state_machine("prod"),
        resources.tick_function("prod"), resources.tick_role("prod"), resources.topic("prod"),
    }  # fmt: skip


def test_names_of_a_long_stage_with_dots_are_what_aws_allows() -> None:
    stage = "eu.prod-" + "x" * 50
    made = template(Plan.parse(f'[stages."{stage}"]\nfunctions = ["api:live"]'), stage)
    for one in made["Resources"].values():
        for key, value in one["Properties"].items():
            if key in {"FunctionName", "RoleName", "StateMachineName", "DashboardName", "TopicName"}:
                assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value)


def test_the_alarms_are_those_of_an_operations_guide(made: dict[str, Any]) -> None:
    found = {}
    for one in properties(made, "AWS::CloudWatch::Alarm").values():
        period = one.get("Period") or one["Metrics"][1]["MetricStat"]["Period"]
        name = one["AlarmName"].removeprefix("canary-prod-")
        found[name] = (one["Threshold"], period * one["EvaluationPeriods"])
        assert one["ComparisonOperator"] == "GreaterThanThreshold"
        assert one["TreatMissingData"] == "notBreaching"
        assert one["AlarmActions"] == [{"Ref": "Topic"}]
    assert found == {
        "Errors-api:live": (10, 300),
        "Errors-rewards:live": (10, 300),
        "TickErrors-canary-tick-prod": (2, 300),
        "ErrorRate-a1b2c3": (1, 300),
        "Slow-a1b2c3": (1000, 300),
        "Slow-api:live": (1000, 300),
        "Slow-rewards:live": (1000, 300),
        "DeadLetters-dlq": (0, 60),
        "Throttles-canary-journal": (0, 300),
        "Throttles-quests": (0, 300),
    }


def test_alarms_of_stages_never_share_a_name() -> None:
    def names(stage: str, function: str) -> set[str]:
        made = template(Plan.parse(f'[stages.{stage}]\nfunctions = ["{function}:live"]'), stage)
        return {one["AlarmName"] for one in properties(made, "AWS::CloudWatch::Alarm").values()}

    assert not names("a", "Errors-x") & names("a-Errors", "x")


def test_an_alarm_of_the_users_rolls_back_and_no_other(made: dict[str, Any]) -> None:
    rule = properties(made, "AWS::Events::Rule")["AlarmRule"]
    named = [one["Fn::GetAtt"][0] for one in rule["EventPattern"]["resources"] if "Fn::GetAtt" in one]
    alarms = properties(made, "AWS::CloudWatch::Alarm")
    kinds = {alarms[one]["AlarmName"].split("-")[2] for one in named}
    assert kinds == {"Errors", "ErrorRate", "Slow"}
    assert {"Fn::Sub": "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:api-5xx"} in rule[
        "EventPattern"
    ]["resources"]
    assert rule["Targets"][0]["Arn"] == {"Ref": "RollbackStateMachine"}


def test_what_stages_share_outlives_the_stack_of_one(made: dict[str, Any]) -> None:
    shared = {key: one for key, one in made["Resources"].items() if one.get("Condition") == "HasShared"}
    assert sorted(shared) == ["Journal", "Schedules"]
    assert {one["DeletionPolicy"] for one in shared.values()} == {"Retain"}


def test_the_tick_function_gets_the_environment_variables_that_the_plan_names() -> None:
    text = """
[stages.prod]
functions = ["api:live"]
notifications = [{ kind = "slack", url_env = "SLACK_URL" }]
hooks = [{ when = "before_traffic", url = "https://example.com/smoke", token_env = "SMOKE_TOKEN" }]
"""
    made = template(Plan.parse(text), "prod")
    assert properties(made, "AWS::Lambda::Function")["TickFunction"]["Environment"] == {
        "Variables": {"SLACK_URL": {"Ref": "EnvSlackUrl"}, "SMOKE_TOKEN": {"Ref": "EnvSmokeToken"}}
    }
    assert all(made["Parameters"][key]["NoEcho"] for key in ("EnvSlackUrl", "EnvSmokeToken"))
    module = terraform(made, Plan.parse(text).stage("prod"), "template.json")
    assert module["variable"]["env_slack_url"]["sensitive"]
    assert "default" not in module["variable"]["env_slack_url"]


def test_every_field_of_a_plan_that_names_an_environment_variable_is_known() -> None:
    fields = set(re.findall(r'"(\w+_env)"', Path(canary.__file__).with_name("plan.schema.json").read_text()))
    assert fields == _ENVIRONMENT


def test_names_and_patterns_of_long_and_many_functions_are_within_the_limits_of_aws() -> None:
    functions = [f"{'f' * 60}-{number}:{'a' * 128}" for number in range(12)]
    text = f"[stages.{'s' * 64}]\nfunctions = {json.dumps(functions)}"
    made = template(Plan.parse(text), "s" * 64)
    alarms = properties(made, "AWS::CloudWatch::Alarm")
    names = [one["AlarmName"] for one in alarms.values()]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 255
    watched = []
    for rule in properties(made, "AWS::Events::Rule").values():
        keys = [one["Fn::GetAtt"][0] for one in rule["EventPattern"]["resources"]]
        watched += keys
        arns = [f"arn:aws:cloudwatch:ap-southeast-1:123456789012:alarm:{alarms[key]['AlarmName']}" for key in keys]
        assert len(json.dumps({**rule["EventPattern"], "resources": arns})) <= 2048
        assert len(rule["Name"]) <= 64
    assert watched == [key for key in alarms if key.startswith(("Errors", "Slow"))]


def tasks(states: object) -> Iterator[str]:
    """The resources of the tasks of a definition, those of its maps included."""
    if isinstance(states, dict):
        if states.get("Type") == "Task":
            yield states["Resource"]
        for value in states.values():
            yield from tasks(value)


def test_the_engine_may_do_what_its_definitions_do_and_nothing_else(made: dict[str, Any]) -> None:
    integrations = {
        "arn:aws:states:::lambda:invoke": "lambda:InvokeFunction",
        "arn:aws:states:::aws-sdk:lambda:getAlias": "lambda:GetAlias",
        "arn:aws:states:::aws-sdk:lambda:updateAlias": "lambda:UpdateAlias",
        "arn:aws:states:::aws-sdk:sns:publish": "sns:Publish",
    }
    machines = properties(made, "AWS::StepFunctions::StateMachine").values()
    done = {integrations[one] for machine in machines for one in tasks(machine["Definition"])}
    parts = part_statements(Plan.parse(PLAN).stage("prod"), "us-east-1:1")
    assert actions(parts["engine"]) == done
    writes = "lambda:" + TARGET.rpartition(":")[2].replace("u", "U", 1)
    assert actions(parts["dead_man"]) == {writes, "states:StartExecution"}
    assert parts["dead_man"][0]["Resource"] == ["arn:aws:states:us-east-1:1:stateMachine:canary-rollback-prod"]


def test_the_rollback_needs_no_code_of_ours(made: dict[str, Any]) -> None:
    (rollback,) = (
        one["Definition"]
        for key, one in properties(made, "AWS::StepFunctions::StateMachine").items()
        if key == "RollbackStateMachine"
    )
    assert all(one.startswith("arn:aws:states:::aws-sdk:") for one in tasks(rollback))


def test_who_may_only_roll_back_starts_the_fixed_workflow_and_writes_no_alias(made: dict[str, Any]) -> None:
    policy = properties(made, "AWS::IAM::ManagedPolicy")["RollbackPolicy"]["PolicyDocument"]
    assert actions(policy["Statement"]) == {"states:DescribeExecution", "states:StartExecution"}
    assert "stateMachine:canary-rollback-prod" in json.dumps(policy)


def test_pipelines_are_trusted_by_repository_and_environment(made: dict[str, Any]) -> None:
    trust = properties(made, "AWS::IAM::Role")["GitHubRole"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Condition"]["StringEquals"] == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": {
            "Fn::Sub": "repo:${GitHubRepository}:environment:${GitHubEnvironment}"
        },
    }
    gitlab = properties(made, "AWS::IAM::Role")["GitLabRole"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert gitlab["Condition"]["StringEquals"]["gitlab.com:sub"] == {
        "Fn::Sub": "project_path:${GitLabProject}:${GitLabScope}"
    }
    scope = "ref_type:branch:ref:main:deployment_tier:production"
    assert made["Parameters"]["GitLabScope"]["Default"] == scope


@pytest.mark.parametrize(
    ("stage", "tier"),
    [
        ("prod", "production"),
        ("eu-live", "production"),
        ("staging", "staging"),
        ("qa", "testing"),
        ("dev", "development"),
        ("blue", "other"),
    ],
)
def test_a_gitlab_pipeline_is_trusted_in_the_tier_of_the_stage_only(stage: str, tier: str) -> None:
    made = template(Plan.parse(f'[stages.{stage}]\nfunctions = ["api:live"]'), stage)
    assert made["Parameters"]["GitLabScope"]["Default"].endswith(f":deployment_tier:{tier}")


def test_no_role_of_aws_serves_another_account(made: dict[str, Any]) -> None:
    for key, role in properties(made, "AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        if "Service" in trust["Principal"] and key != "TickRole":
            assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_a_stage_whose_policy_is_too_long_for_iam_is_refused() -> None:
    functions = ", ".join(f'"a-function-with-a-rather-long-name-{number}:live"' for number in range(60))
    with pytest.raises(PlanError, match=r"would have [\d,]+ characters; IAM allows 6,144"):
        template(Plan.parse(f"[stages.prod]\nfunctions = [{functions}]"), "prod")


def test_the_tick_function_switches_flags_only_where_the_plan_does(made: dict[str, Any]) -> None:
    assert "ManagedPolicyArns" in properties(made, "AWS::IAM::Role")["TickRole"]
    plain = template(Plan.parse('[stages.prod]\nfunctions = ["api:live"]'), "prod")
    assert "ManagedPolicyArns" not in properties(plain, "AWS::IAM::Role")["TickRole"]
