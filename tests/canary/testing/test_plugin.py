"""The pytest fixtures, and what the stand-in does to the process around a test."""

from __future__ import annotations

import os
import random
import sys
import time

import boto3
import botocore.endpoint
import botocore.waiter
import pytest

from canary.testing import AwsStandIn
from flagkit.testing import Fault


def test_the_fixture_gives_a_running_stand_in(canary_aws: AwsStandIn) -> None:
    assert boto3.client("lambda").list_functions()["Functions"] == []
    assert canary_aws.seed == 0


class TestAnotherSeed:
    """A test overrides the seed."""

    @pytest.fixture
    def canary_aws_seed(self) -> int:
        return 7

    def test_the_seed_can_be_overridden(self, canary_aws: AwsStandIn) -> None:
        assert canary_aws.seed == 7


def test_the_process_is_left_as_it_was() -> None:
    def handler(event: object, context: object) -> None:
        os.environ["LEAK"] = "1"
        print("hidden")

    before = (dict(os.environ), list(sys.path), sys.stdout, time.sleep, time.time, random.getstate())
    modules = (botocore.endpoint.time, botocore.waiter.time)
    with AwsStandIn() as aws:
        aws.lambda_.deploy("f", handler)
        assert aws.lambda_.call("f").error is None
        assert "LEAK" not in os.environ
    assert (dict(os.environ), list(sys.path), sys.stdout, time.sleep, time.time, random.getstate()) == before
    assert (botocore.endpoint.time, botocore.waiter.time) == modules


def test_time_outside_handlers_is_real(canary_aws: AwsStandIn) -> None:
    real = time.time()
    canary_aws.clock.advance(10 * 365 * 86400)
    assert time.time() < real + 86400


def test_retries_of_boto3_wait_in_virtual_time(canary_aws: AwsStandIn) -> None:
    canary_aws.lambda_.deploy("f", "def handler(e, c):\n    return 1\n", alias="live")
    canary_aws.faults.add(Fault.THROTTLED, "lambda.GetAlias", times=2)
    before = canary_aws.clock.monotonic()
    assert boto3.client("lambda").get_alias(FunctionName="f", Name="live")["FunctionVersion"] == "1"
    assert canary_aws.clock.monotonic() > before
    assert [record.outcome for record in canary_aws.wire.calls] == ["throttled"] * 2 + ["ok"]


def test_a_handler_may_use_boto3_and_its_retries_are_its_time(canary_aws: AwsStandIn) -> None:
    source = """
        import boto3
        def handler(event, context):
            return len(boto3.client("lambda").list_functions()["Functions"])
    """
    canary_aws.lambda_.deploy("f", source, Timeout=60)
    canary_aws.faults.add(Fault.THROTTLED, "lambda.ListFunctions", times=2)
    before = canary_aws.clock.monotonic()
    outcome = canary_aws.lambda_.call("f")
    assert outcome.payload == b"1"
    assert outcome.duration_ms > 1
    assert canary_aws.clock.monotonic() == before


def test_stand_ins_nest() -> None:
    with AwsStandIn() as outer:
        outer.lambda_.deploy("f", "def handler(e, c):\n    return 1\n")
        with AwsStandIn():
            assert boto3.client("lambda").list_functions()["Functions"] == []
        assert len(boto3.client("lambda").list_functions()["Functions"]) == 1
