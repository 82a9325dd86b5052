"""Provisioned concurrency, function URLs and mappings of the stand-in; source: lambda-canary.md §1, "Interplay"."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from canary.testing import AwsStandIn

CODE = "def handler(event, context):\n    return {number}\n"


@pytest.fixture
def client(canary_aws: AwsStandIn) -> Any:
    """Lambda with a function `f` that has versions 1 and 2, and an alias `live` on 1."""
    for number in (1, 2):
        canary_aws.lambda_.deploy("f", CODE.format(number=number), alias="live")
    return boto3.client("lambda")


def provision(client: Any, qualifier: str) -> Any:
    return client.put_provisioned_concurrency_config(
        FunctionName="f", Qualifier=qualifier, ProvisionedConcurrentExecutions=2
    )


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_version_carries_one_configuration_its_own_or_an_aliases(client: Any) -> None:
    provision(client, "live")
    with pytest.raises(ClientError) as caught:
        provision(client, "1")
    assert error_of(caught) == (
        "ResourceConflictException",
        "Version is pointed by a Provisioned Concurrency alias",
    )
    client.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="live")
    provision(client, "1")
    with pytest.raises(ClientError) as caught:
        provision(client, "live")
    assert error_of(caught) == (
        "ResourceConflictException",
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    )


def test_an_alias_with_weights_takes_no_provisioned_concurrency(client: Any) -> None:
    """hashicorp/terraform#24957."""
    weights = {"AdditionalVersionWeights": {"2": 0.1}}
    client.update_alias(FunctionName="f", Name="live", RoutingConfig=weights)
    with pytest.raises(ClientError) as caught:
        provision(client, "live")
    assert error_of(caught) == (
        "InvalidParameterValueException",
        "Alias with weights can not be used with Provisioned Concurrency",
    )


def test_weights_may_be_added_to_an_alias_that_has_it(client: Any) -> None:
    provision(client, "live")
    weights = {"AdditionalVersionWeights": {"2": 0.1}}
    assert client.update_alias(FunctionName="f", Name="live", RoutingConfig=weights)["RoutingConfig"] == weights


def test_latest_takes_none(client: Any) -> None:
    with pytest.raises(ClientError) as caught:
        provision(client, "$LATEST")
    assert error_of(caught)[1] == (
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    )


def test_it_is_listed_and_ready_after_a_while_and_saves_cold_starts(canary_aws: AwsStandIn, client: Any) -> None:
    assert provision(client, "live")["Status"] == "IN_PROGRESS"
    assert canary_aws.lambda_.call("f", "live").init_ms > 0
    canary_aws.clock.advance(3600)
    (listed,) = client.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"]
    assert listed["FunctionArn"].endswith(":f:live")
    assert (listed["Status"], listed["AllocatedProvisionedConcurrentExecutions"]) == ("READY", 2)
    starts = [canary_aws.lambda_.call("f", "live").init_ms > 0 for _ in range(3)]
    assert starts == [False, False, True]


def test_a_configuration_that_is_not_there_is_not_found(client: Any) -> None:
    with pytest.raises(client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        client.get_provisioned_concurrency_config(FunctionName="f", Qualifier="1")


def test_aws_injects_weights_after_a_promotion_and_drains_them(canary_aws: AwsStandIn, client: Any) -> None:
    """hashicorp/terraform-provider-aws#48116: GetAlias shows weights you did not set; RevisionId moves without you."""
    provision(client, "live")
    canary_aws.clock.advance(120)
    promoted = client.update_alias(
        FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    shown = client.get_alias(FunctionName="f", Name="live")
    assert shown["FunctionVersion"] == "2"
    assert shown["RoutingConfig"] == {"AdditionalVersionWeights": {"1": 1.0}}
    assert canary_aws.lambda_.call("f", "live").version == "1"
    canary_aws.clock.advance(300)
    drained = client.get_alias(FunctionName="f", Name="live")
    assert "RoutingConfig" not in drained
    assert drained["RevisionId"] not in {shown["RevisionId"], promoted["RevisionId"]}
    assert canary_aws.lambda_.call("f", "live").version == "2"


def test_a_write_ends_the_drain_of_aws(canary_aws: AwsStandIn, client: Any) -> None:
    provision(client, "live")
    clear: Any = {"AdditionalVersionWeights": {}}
    client.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig=clear)
    mine = {"AdditionalVersionWeights": {"1": 0.25}}
    client.update_alias(FunctionName="f", Name="live", RoutingConfig=mine)
    canary_aws.clock.advance(600)
    assert client.get_alias(FunctionName="f", Name="live")["RoutingConfig"] == mine


def test_a_url_is_on_an_alias_or_the_unqualified_function_and_never_on_a_version(client: Any) -> None:
    """Developer guide, lambda-urls."""
    assert client.create_function_url_config(FunctionName="f", AuthType="NONE")["FunctionArn"].endswith(":f")
    made = client.create_function_url_config(FunctionName="f", Qualifier="live", AuthType="AWS_IAM")
    assert made["FunctionArn"].endswith(":f:live")
    with pytest.raises(ClientError) as caught:
        client.create_function_url_config(FunctionName="f", Qualifier="1", AuthType="NONE")
    assert error_of(caught)[0] == "ValidationException"
    listed = client.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"]
    assert [item["FunctionArn"][-4:] for item in listed] == ["on:f", "live"]
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.create_function_url_config(FunctionName="f", AuthType="NONE")
    client.update_function_url_config(FunctionName="f", Qualifier="live", AuthType="NONE")
    assert client.get_function_url_config(FunctionName="f", Qualifier="live")["AuthType"] == "NONE"
    client.delete_function_url_config(FunctionName="f", Qualifier="live")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function_url_config(FunctionName="f", Qualifier="live")


def test_a_mapping_points_at_the_qualifier_that_was_given(client: Any) -> None:
    """moto resolves it to the version (lambda-canary.md §7)."""
    source = "arn:aws:sqs:us-east-1:123456789012:jobs"
    made = client.create_event_source_mapping(FunctionName="f:live", EventSourceArn=source)
    assert made["FunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:f:live"
    listed = client.list_event_source_mappings(FunctionName="f:live")["EventSourceMappings"]
    assert [item["UUID"] for item in listed] == [made["UUID"]]
    assert client.list_event_source_mappings(FunctionName="f")["EventSourceMappings"] == []
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.create_event_source_mapping(FunctionName="f:live", EventSourceArn=source)
    assert client.delete_event_source_mapping(UUID=made["UUID"])["State"] == "Deleting"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_event_source_mapping(UUID=made["UUID"])


def test_reserved_concurrency_is_part_of_the_accounts(client: Any) -> None:
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=100)
    limits = client.get_account_settings()["AccountLimit"]
    assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (1000, 900)
    client.delete_function_concurrency(FunctionName="f")
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="f")


def test_policies_are_kept_per_qualifier(client: Any) -> None:
    call = {"StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"}
    client.add_permission(FunctionName="f", Qualifier="live", SourceArn="arn:aws:execute-api:::x", **call)
    assert (
        '"AWS:SourceArn": "arn:aws:execute-api:::x"' in client.get_policy(FunctionName="f", Qualifier="live")["Policy"]
    )
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.add_permission(FunctionName="f", Qualifier="live", **call)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_policy(FunctionName="f")
    client.remove_permission(FunctionName="f", Qualifier="live", StatementId="api")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_policy(FunctionName="f", Qualifier="live")
