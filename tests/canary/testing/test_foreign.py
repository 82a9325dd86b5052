"""The foreign writer: it moves the alias at every point of somebody else's work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import boto3
import pytest

from canary.testing import AwsStandIn
from flagkit.testing import Fault


@pytest.fixture
def client(canary_aws: AwsStandIn) -> Any:
    for number in (1, 2, 3):
        canary_aws.lambda_.deploy("f", f"def handler(e, c):\n    return {number}\n", alias="live")
    return boto3.client("lambda")


def read(client: Any) -> Any:
    return client.get_alias(FunctionName="f", Name="live")


def test_it_moves_an_alias_at_once(canary_aws: AwsStandIn, client: Any) -> None:
    before = read(client)["RevisionId"]
    write = canary_aws.foreign.move_alias("f", "live", "3", weights={"2": 0.2}, description="by hand")
    after = read(client)
    assert write.happened_at == canary_aws.clock.now()
    assert (after["FunctionVersion"], after["Description"]) == ("3", "by hand")
    assert after["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.2}}
    assert after["RevisionId"] != before


def test_it_moves_an_alias_at_a_time(canary_aws: AwsStandIn, client: Any) -> None:
    write = canary_aws.foreign.move_alias("f", "live", "3", at=canary_aws.clock.now() + timedelta(seconds=90))
    canary_aws.clock.advance(89)
    assert (read(client)["FunctionVersion"], write.happened_at) == ("1", None)
    canary_aws.clock.advance(1)
    assert read(client)["FunctionVersion"] == "3"


def test_it_strikes_between_a_read_and_the_write_that_follows(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.foreign.move_alias("f", "live", "3", after_call="lambda.GetAlias", nth=2)
    read(client)
    seen = read(client)
    assert seen["FunctionVersion"] == "1"
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.update_alias(FunctionName="f", Name="live", RevisionId=seen["RevisionId"], FunctionVersion="2")
    assert read(client)["FunctionVersion"] == "3"


def test_it_strikes_once(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.foreign.move_alias("f", "live", "3", after_call="lambda.*")
    read(client)
    client.update_alias(FunctionName="f", Name="live", FunctionVersion="1")
    assert read(client)["FunctionVersion"] == "1"
    assert canary_aws.wire.watchers == []


def test_it_leaves_no_trace_in_the_log_and_meets_no_fault(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.faults.add(Fault.DENIED, "lambda.UpdateAlias")
    canary_aws.foreign.move_alias("f", "live", "3")
    assert read(client)["FunctionVersion"] == "3"
    assert [record.call for record in canary_aws.wire.calls] == ["lambda.GetAlias"]


def test_it_may_do_anything_else(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.foreign.act(lambda: canary_aws.lambda_.deploy("f", "x = 1"), after_call="lambda.GetAlias")
    read(client)
    assert len(client.list_versions_by_function(FunctionName="f")["Versions"]) == 5
