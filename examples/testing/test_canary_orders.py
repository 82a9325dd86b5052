"""How to rehearse a release: the shipped canary against AWS in process. Run it: `pytest examples/testing`.

The fixture `canary_aws` comes with canary (`pip install flagkit-canary[testing]`). Half an hour of release takes
seconds here: the clock is virtual, the handler's code and boto3 are real.
"""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest

import canary
from canary import Plan, assemble
from canary.testing import http_event

SOURCE = Path(__file__).with_name("orders.py").read_text()
PLAN = """
[stages.prod]
functions = ["orders:live"]
steps = [10, 50]
bake = "10m"

[stages.prod.rules]
clean_tree = false
"""


@pytest.fixture
def users(canary_aws):
    """Version 1 is live, and users have been sending orders for a quarter of an hour."""
    canary_aws.lambda_.deploy("orders", SOURCE, alias="live")
    stream = canary_aws.traffic.steady("orders", "live", 600, payloads=[http_event("POST", "/orders")])
    canary_aws.clock.advance(15 * 60)
    return stream


@pytest.fixture
def release(canary_aws, users, tmp_path):
    """Publishes a version and releases it by the plan above."""

    def go(**variables):
        version = canary_aws.lambda_.deploy("orders", SOURCE, variables=variables)
        plan = Plan.parse(PLAN)
        ports = assemble(plan, "prod", base=tmp_path, clock=canary_aws.clock)
        state = canary.start(plan.stage("prod"), ports, versions={"": version})
        return canary.run(plan.stage("prod"), ports, state)

    return go


def live_alias():
    """What the alias says, by an ordinary boto3 client."""
    answer = boto3.client("lambda").get_alias(FunctionName="orders", Name="live")
    return answer["FunctionVersion"], answer.get("RoutingConfig")


def test_the_handler_answers_through_the_alias(canary_aws):
    canary_aws.lambda_.deploy("orders", SOURCE, alias="live")
    answer = boto3.client("lambda").invoke(FunctionName="orders", Qualifier="live", Payload=b"{}")
    body = json.loads(json.loads(answer["Payload"].read())["body"])
    assert (answer["ExecutedVersion"], body["version"]) == ("1", "1")
    assert 20 <= body["took_ms"] <= 80  # virtual: nobody waited


def test_a_healthy_version_is_promoted(release):
    assert release(COLOUR="green").phase == "promoted"
    assert live_alias() == ("2", None)


def test_a_failing_version_comes_back_before_many_users_notice(release, users):
    assert release(BUG_SHARE="0.2").phase == "rolled_back"
    assert live_alias() == ("1", None)
    assert users.counts.failed_by_version["2"] < 150


def test_it_comes_back_while_aws_is_unwell(release, canary_aws):
    canary_aws.faults.add_mix(0.2, "lambda.*Alias")  # throttled, 5xx, lost answers, no network
    assert release(BUG_SHARE="0.2").phase == "rolled_back"
    canary_aws.faults.clear()
    assert live_alias() == ("1", None)


def test_a_colleague_who_moves_the_alias_meanwhile_wins(release, canary_aws):
    canary_aws.lambda_.deploy("orders", SOURCE, variables={"COLOUR": "blue"})  # the colleague's version 2
    canary_aws.foreign.move_alias("orders", "live", "2", weights={}, after_call="lambda.UpdateAlias", nth=2)
    assert release(COLOUR="green").phase == "conflict"
    assert live_alias() == ("2", None)
