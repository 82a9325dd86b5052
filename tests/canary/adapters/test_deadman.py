"""The dead-man switch through real boto3 against the stand-in: a driver that dies is survived without compute."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.iam.exceptions import NoSuchEntity
from moto.iam.responses import IamResponse

from canary.adapters.deadman import DeadManSwitch
from canary.assembly import assemble
from canary.core import resources
from canary.core.plan import Plan, StagePlan
from canary.core.state import CanaryState
from canary.drivers import rollback_definition
from canary.runner import Check, Level, Ports, preflight, run, start, tick
from canary.testing import AwsStandIn
from flagkit.testing import Fault

pytestmark = pytest.mark.slow

SOURCE = "def handler(event, context):\n    return {'statusCode': 200}\n"
NAME = resources.dead_man_schedule("dev", "api:live")
BROKEN = "def handler(event, context):\n    raise RuntimeError('broken')\n"
PLAN = """
[stages.dev]
functions = ["api:live"]
steps = [10, 50]
bake = "10m"
[stages.dev.dead_man]
role_arn = "arn:aws:iam::123456789012:role/dead-man"
after = "15m"
"""


@pytest.fixture
def aws() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        aws.lambda_.deploy("api", SOURCE, alias="live")
        aws.traffic.steady("api", "live", 100)
        aws.clock.advance(3 * 60)
        boto3.client("lambda").update_alias(FunctionName="api", Name="live", Description="The operator's words")
        yield aws


@pytest.fixture
def stage() -> StagePlan:
    return Plan.parse(PLAN).stage("dev")


@pytest.fixture
def ports(aws: AwsStandIn, tmp_path: Path) -> Ports:
    return assemble(Plan.parse(PLAN), "dev", base=tmp_path, clock=aws.clock)


def alias() -> tuple[str, object, str]:
    answer = boto3.client("lambda").get_alias(FunctionName="api", Name="live")
    return answer["FunctionVersion"], answer.get("RoutingConfig"), answer["Description"]


def schedules() -> list[str]:
    return [row["Name"] for row in boto3.client("scheduler").list_schedules()["Schedules"]]


@pytest.fixture(autouse=True)
def roles(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each role may do; moto simulates no policy, and this answers in its place."""
    may: dict[str, str] = {}

    def simulate(response: Any) -> str:
        asked = {key: values[0] for key, values in response.querystring.items()}
        role, action = asked["PolicySourceArn"].rpartition("/")[2], asked["ActionNames.member.1"]
        if role not in may:
            raise NoSuchEntity(f"{role} cannot be found.")
        members = "".join(
            f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{arn}</EvalResourceName>"
            f"<EvalDecision>{'allowed' if may[role] == action else 'implicitDeny'}</EvalDecision></member>"
            for key, arn in asked.items()
            if key.startswith("ResourceArns.")
        )
        name = "SimulatePrincipalPolicy"
        found = f"<{name}Result><EvaluationResults>{members}</EvaluationResults></{name}Result>"
        return f"<{name}Response>{found}</{name}Response>"

    monkeypatch.setattr(IamResponse, "simulate_principal_policy", simulate, raising=False)
    return may


def at_ten_percent(stage: StagePlan, ports: Ports, aws: AwsStandIn, code: str = SOURCE) -> CanaryState:
    aws.lambda_.deploy("api", code.replace("200", "201"))
    state = tick(stage, ports, start(stage, ports)).state
    assert alias()[1] == {"AdditionalVersionWeights": {"2": 0.1}}
    return state


def test_when_the_driver_dies_aws_itself_gives_the_traffic_back(
    aws: AwsStandIn, stage: StagePlan, ports: Ports
) -> None:
    at_ten_percent(stage, ports, aws)
    assert schedules() == [NAME]
    aws.clock.advance(14 * 60)
    assert alias()[1] is not None
    aws.clock.advance(2 * 60)  # nobody ticked
    assert alias() == ("1", None, "The operator's words")
    assert schedules() == []


def test_a_living_driver_pushes_it_forward_and_takes_it_away_at_the_end(
    aws: AwsStandIn, stage: StagePlan, ports: Ports
) -> None:
    state = at_ten_percent(stage, ports, aws)
    assert run(stage, ports, state).phase == "promoted"
    assert alias() == ("2", None, "The operator's words")
    assert schedules() == []
    aws.traffic.streams[0].stop()
    aws.clock.advance(3600)
    assert alias()[0] == "2"


def test_it_never_fights_somebody_who_moved_the_alias_since(aws: AwsStandIn, stage: StagePlan, ports: Ports) -> None:
    at_ten_percent(stage, ports, aws)
    client = boto3.client("lambda")
    client.update_alias(
        FunctionName="api", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    aws.clock.advance(3600)
    assert alias()[0] == "2"


def test_a_conflict_leaves_it_to_the_aliases_that_nobody_else_has_changed(aws: AwsStandIn, tmp_path: Path) -> None:
    aws.lambda_.deploy("worker", SOURCE, alias="live")
    aws.traffic.steady("worker", "live", 100)
    aws.clock.advance(3 * 60)
    plan = Plan.parse(PLAN.replace('"api:live"', '"api:live", "worker:live"'))
    stage, ports = plan.stage("dev"), assemble(plan, "dev", base=tmp_path, clock=aws.clock)
    aws.lambda_.deploy("worker", SOURCE.replace("200", "201"))
    at_ten_percent(stage, ports, aws)
    client = boto3.client("lambda")
    client.update_alias(
        FunctionName="api", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert tick(stage, ports).state.phase == "conflict"
    aws.clock.advance(16 * 60)
    assert alias()[0] == "2"
    worker = client.get_alias(FunctionName="worker", Name="live")
    assert (worker["FunctionVersion"], worker.get("RoutingConfig")) == ("1", None)
    assert schedules() == []


def test_a_scheduler_that_fails_never_stops_a_canary(aws: AwsStandIn, stage: StagePlan, ports: Ports) -> None:
    aws.faults.add(Fault.SERVER_ERROR, "scheduler.*")
    state = at_ten_percent(stage, ports, aws, BROKEN)
    assert run(stage, ports, state).phase == "rolled_back"
    assert alias() == ("1", None, "The operator's words")


def test_the_call_names_the_base_and_the_revision_of_the_last_write(
    aws: AwsStandIn, stage: StagePlan, ports: Ports
) -> None:
    at_ten_percent(stage, ports, aws)
    found = boto3.client("scheduler").get_schedule(Name=NAME)
    call = json.loads(found["Target"]["Input"])
    revision = boto3.client("lambda").get_alias(FunctionName="api", Name="live")["RevisionId"]
    assert (call["FunctionVersion"], call["RevisionId"]) == ("1", revision)
    assert found["Target"]["Arn"] == "arn:aws:scheduler:::aws-sdk:lambda:updateAlias"
    assert found["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 5


def test_an_alias_without_this_canary_is_left_alone(aws: AwsStandIn, stage: StagePlan, ports: Ports) -> None:
    from canary.core.events import TrafficShifted

    assert stage.dead_man is not None
    switch = DeadManSwitch(stage, stage.dead_man, aws.session(), ports.aliases, aws.clock)
    switch.notify(TrafficShifted("other", "dev", aws.clock.now() + timedelta(), 1000, "x"))
    assert schedules() == []


@pytest.mark.parametrize(
    ("is_deployed", "fault", "absence"),
    [
        (True, None, ""),
        (False, None, "the schedule group canary does not exist"),
        (True, Fault.DENIED, "scheduler:GetScheduleGroup"),
    ],
)
def test_without_settings_the_switch_is_there_where_its_group_is_deployed(
    is_deployed: bool, fault: Fault | None, absence: str, aws: AwsStandIn, tmp_path: Path, roles: dict[str, str]
) -> None:
    plan = Plan.parse(PLAN.partition("[stages.dev.dead_man]")[0])
    if is_deployed:
        boto3.client("scheduler").create_schedule_group(Name="canary")
        roles["canary-deadman-dev"] = "lambda:UpdateAlias"
    if fault is not None:
        aws.faults.add(fault, "scheduler.GetScheduleGroup")
    ports = assemble(plan, "dev", base=tmp_path, clock=aws.clock)
    found = dead_man_check(plan.stage("dev"), ports)
    assert (found.level is Level.OK) is not bool(absence)
    assert absence in found.text
    at_ten_percent(plan.stage("dev"), ports, aws)
    aws.clock.advance(17 * 60)
    assert (alias()[1] is None) is not bool(absence)
    if not absence:
        assert alias() == ("1", None, "The operator's words")


def test_a_scheduler_that_does_not_answer_is_asked_again(aws: AwsStandIn, tmp_path: Path) -> None:
    plan = Plan.parse(PLAN.partition("[stages.dev.dead_man]")[0])
    boto3.client("scheduler").create_schedule_group(Name="canary")
    ports = assemble(plan, "dev", base=tmp_path, clock=aws.clock)
    aws.faults.add(Fault.SERVER_ERROR, "scheduler.GetScheduleGroup")
    state = at_ten_percent(plan.stage("dev"), ports, aws)
    assert schedules() == []
    aws.faults.clear()
    aws.clock.advance(60)
    tick(plan.stage("dev"), ports, state)
    assert schedules() == [NAME]


def deploy_workflow(aws: AwsStandIn, definition: dict[str, object]) -> None:
    boto3.client("scheduler").create_schedule_group(Name=resources.SCHEDULE_GROUP)
    boto3.client("stepfunctions").create_state_machine(
        name=resources.rollback_machine("dev"), definition=json.dumps(definition), roleArn="arn:aws:iam::1:role/engine"
    )


ROLE = "arn:aws:iam::123456789012:role/"


@pytest.mark.parametrize(
    ("action", "is_workflow", "problem"),
    [
        ("states:StartExecution", True, ""),
        ("lambda:UpdateAlias", False, ""),
        ("", True, f"its role {ROLE}canary-deadman-dev does not exist"),
        ("lambda:UpdateAlias", True, f"its role {ROLE}canary-deadman-dev may not states:StartExecution on arn:aws:"),
        ("states:StartExecution", False, f"its role {ROLE}dead-man may not lambda:UpdateAlias on arn:aws:lambda:"),
    ],
)
def test_a_role_that_is_missing_or_may_too_little_is_seen_before_the_start(
    action: str,
    is_workflow: bool,
    problem: str,
    aws: AwsStandIn,
    stage: StagePlan,
    ports: Ports,
    tmp_path: Path,
    roles: dict[str, str],
) -> None:
    if is_workflow:
        plan = Plan.parse(PLAN.partition("[stages.dev.dead_man]")[0])
        stage, ports = plan.stage("dev"), assemble(plan, "dev", base=tmp_path, clock=aws.clock)
        deploy_workflow(aws, rollback_definition(stage))
    if action:
        roles["canary-deadman-dev" if is_workflow else "dead-man"] = action
    found = dead_man_check(stage, ports)
    assert (found.level, found.text.startswith(problem)) == (Level.WARNING if problem else Level.OK, True)


def test_a_role_that_nobody_may_look_at_is_unknown_and_not_fine(
    aws: AwsStandIn, stage: StagePlan, ports: Ports
) -> None:
    aws.faults.add(Fault.DENIED, "iam.SimulatePrincipalPolicy")
    (found,) = [check for check in preflight(stage, ports) if check.name == "dead_man_role"]
    assert found.level is Level.WARNING
    assert "is unknown: iam:SimulatePrincipalPolicy: AccessDenied" in found.text


@pytest.fixture
def guarded(aws: AwsStandIn, tmp_path: Path, roles: dict[str, str]) -> tuple[StagePlan, Ports]:
    """A stage whose rollback state machine is deployed."""
    plan = Plan.parse(PLAN.partition("[stages.dev.dead_man]")[0])
    deploy_workflow(aws, rollback_definition(plan.stage("dev")))
    roles["canary-deadman-dev"] = "states:StartExecution"
    return plan.stage("dev"), assemble(plan, "dev", base=tmp_path, clock=aws.clock)


def dead_man_check(stage: StagePlan, ports: Ports) -> Check:
    (found,) = [check for check in preflight(stage, ports) if check.name == "dead_man"]
    return found


def test_the_workflow_guards_a_canary_from_before_its_first_shift(
    aws: AwsStandIn, guarded: tuple[StagePlan, Ports]
) -> None:
    stage, ports = guarded
    assert dead_man_check(stage, ports).text == "AWS starts canary-rollback-dev if every driver ends"
    aws.lambda_.deploy("api", SOURCE.replace("200", "201"))
    state = start(stage, ports)
    assert schedules() == [resources.dead_man_schedule("dev", state.canary_id)]
    aws.clock.advance(14 * 60)
    tick(stage, ports, state)
    aws.clock.advance(14 * 60)
    assert alias()[1] is not None
    aws.clock.advance(3 * 60)  # nobody ticked
    assert alias() == ("1", None, "The operator's words")
    assert schedules() == []


@pytest.mark.parametrize(
    "move",
    [
        {"FunctionVersion": "2", "RoutingConfig": {"AdditionalVersionWeights": {}}},
        {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.9}}},
        {"Description": "canary1 another1 1>2 b tn1f0a 10@0,50 - 9f3a2b1c|The operator's words"},
    ],
)
def test_the_workflow_leaves_an_alias_that_somebody_has_moved_since(
    move: dict[str, Any], aws: AwsStandIn, guarded: tuple[StagePlan, Ports]
) -> None:
    at_ten_percent(*guarded, aws)
    boto3.client("lambda").update_alias(FunctionName="api", Name="live", **move)
    left = alias()
    aws.clock.advance(3600)
    assert alias() == left
    (execution,) = aws.states.executions.values()
    assert execution.status == "SUCCEEDED"


def test_a_canary_that_ends_takes_its_start_of_the_workflow_away(
    aws: AwsStandIn, guarded: tuple[StagePlan, Ports]
) -> None:
    stage, ports = guarded
    assert run(stage, ports, at_ten_percent(stage, ports, aws)).phase == "promoted"
    assert schedules() == []
    aws.clock.advance(3600)
    assert not aws.states.executions


def test_a_workflow_of_an_older_version_is_not_used(aws: AwsStandIn, tmp_path: Path, roles: dict[str, str]) -> None:
    roles["canary-deadman-dev"] = "lambda:UpdateAlias"
    plan = Plan.parse(PLAN.partition("[stages.dev.dead_man]")[0])
    old = json.loads(json.dumps(rollback_definition(plan.stage("dev"))).replace("canary_id", "ignored"))
    deploy_workflow(aws, old)
    ports = assemble(plan, "dev", base=tmp_path, clock=aws.clock)
    assert "each alias" in dead_man_check(plan.stage("dev"), ports).text
    at_ten_percent(plan.stage("dev"), ports, aws)
    assert schedules() == [NAME]


def test_a_workflow_that_lacks_a_function_is_warned_of(aws: AwsStandIn, tmp_path: Path) -> None:
    plan = Plan.parse(PLAN.partition("[stages.dev.dead_man]")[0])
    other = Plan.parse('[stages.dev]\nfunctions = ["worker:live"]')
    deploy_workflow(aws, rollback_definition(other.stage("dev")))
    found = dead_man_check(plan.stage("dev"), assemble(plan, "dev", base=tmp_path, clock=aws.clock))
    assert (found.level, found.text) == (Level.WARNING, "canary-rollback-dev does not roll back api:live")


def test_schedule_names_fit_scheduler_s_limits() -> None:
    assert NAME.startswith("canary-dev.api-live-")
    long = resources.dead_man_schedule(
        "staging", "arn:aws:lambda:us-east-1:123456789012:function:" + "a" * 64 + ":live"
    )
    assert len(long) <= 64
    assert ":" not in long
    assert resources.dead_man_schedule("a", "b-c:d") != resources.dead_man_schedule("a-b", "c:d")
