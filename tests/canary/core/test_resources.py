"""Names and ARNs of what is deployed for a stage."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from canary.core import resources

WHERE = {"account": "123456789012", "region": "us-east-1"}
NAMES = (
    resources.state_machine,
    resources.rollback_machine,
    resources.tick_function,
    resources.dead_man_role,
    resources.engine_role,
    resources.tick_role,
    resources.topic,
)


def test_names_and_arns() -> None:
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:canary-dev"
    assert resources.state_machine_arn("dev", **WHERE) == machine
    assert resources.rollback_machine_arn("dev", **WHERE).endswith(":stateMachine:canary-rollback-dev")
    assert resources.tick_function_arn("dev", **WHERE).endswith(":function:canary-tick-dev")
    role = resources.role_arn(resources.dead_man_role("dev"), **WHERE)
    assert role == "arn:aws:iam::123456789012:role/canary-deadman-dev"
    regions = ("us-gov-west-1", "cn-north-1", "eu-west-1")
    assert [resources.partition_of(region) for region in regions] == ["aws-us-gov", "aws-cn", "aws"]


@pytest.mark.parametrize("stage", ["dev", "eu.prod", "x" * 64, "." * 64])
def test_whatever_a_stage_is_called_aws_allows_the_names_of_its_parts(stage: str) -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name(stage)) for name in NAMES)


def test_stages_never_share_a_name() -> None:
    stages = ["eu.prod", "eu-prod", "x" * 64, "x" * 63 + "y"]
    assert all(len({name(stage) for stage in stages}) == len(stages) for name in NAMES)


def test_no_stage_is_called_as_a_part_of_another_stage() -> None:
    assert resources.state_machine("rollback-prod") != resources.rollback_machine("prod")
    assert resources.dead_man_schedules("tick-prod") != resources.tick_schedules("prod")


@pytest.mark.parametrize("names", [resources.dead_man_schedules, resources.tick_schedules])
def test_the_schedules_of_a_stage_are_covered_by_no_other_stage(names: Callable[[str], str]) -> None:
    stages = ["prod", "prod-eu", "prod.eu", "prod.", "tick-prod", "x" * 64, "x" * 63 + "y"]
    for one in stages:
        assert [other for other in stages if names(other).startswith(names(one))] == [one]
        for name in (resources.tick_schedule(one, "k3f9a2c1"), resources.dead_man_schedule(one, "a" * 60 + ":live")):
            assert re.fullmatch(r"[0-9a-zA-Z_.-]{1,64}", name)
