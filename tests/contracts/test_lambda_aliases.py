"""Aliases of the stand-in against AWS's rules.

Source of every expectation, unless a test names another: lambda-canary.md §1, whose error texts are AWS responses
recorded by LocalStack's parity tests on 25-11-2025.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from canary.testing import AwsStandIn
from flagkit.testing import Fault

CODE = "def handler(event, context):\n    return {number}\n"


@pytest.fixture
def client(canary_aws: AwsStandIn) -> Any:
    """Lambda with a function `f` that has versions 1, 2 and 3, and an alias `live` on 1."""
    for number in (1, 2, 3):
        canary_aws.lambda_.deploy("f", CODE.format(number=number), alias="live")
    return boto3.client("lambda")


def refused(call: Callable[..., object], **params: object) -> tuple[str, int, str]:
    """Code, status and message of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer: Any = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def update(client: Any, **params: object) -> Any:
    return client.update_alias(FunctionName="f", Name="live", **params)


def weights(**values: float) -> dict[str, dict[str, float]]:
    return {"AdditionalVersionWeights": {name.removeprefix("v"): value for name, value in values.items()}}


def test_more_than_one_additional_version_is_refused(client: Any) -> None:
    assert refused(update, client=client, RoutingConfig=weights(v2=0.1, v3=0.1)) == (
        "InvalidParameterValueException",
        400,
        "Number of items in AdditionalVersionWeights cannot be greater than 1",
    )


def test_the_same_version_twice_is_refused(client: Any) -> None:
    expected = "Invalid function version 1. Function version 1 is already included in routing configuration."
    assert refused(update, client=client, RoutingConfig=weights(v1=0.1)) == (
        "InvalidParameterValueException",
        400,
        expected,
    )


def test_promoting_without_clearing_the_weights_is_refused(client: Any) -> None:
    """Omitted RoutingConfig keeps the weights, so the new primary would be in there twice."""
    update(client, RoutingConfig=weights(v2=0.1))
    assert refused(update, client=client, FunctionVersion="2") == (
        "InvalidParameterValueException",
        400,
        "Invalid function version 2. Function version 2 is already included in routing configuration.",
    )
    promoted = update(client, FunctionVersion="2", RoutingConfig=weights())
    assert promoted["FunctionVersion"] == "2"
    assert "RoutingConfig" not in promoted


@pytest.mark.parametrize("number", ["1", "2"])
def test_latest_with_weights_is_refused(client: Any, number: str) -> None:
    assert refused(update, client=client, FunctionVersion="$LATEST", RoutingConfig=weights(**{number: 0.1})) == (
        "InvalidParameterValueException",
        400,
        "$LATEST is not supported for an alias pointing to more than 1 version",
    )


def test_latest_alone_is_a_valid_target(client: Any) -> None:
    assert update(client, FunctionVersion="$LATEST")["FunctionVersion"] == "$LATEST"


def test_latest_is_no_additional_version(client: Any) -> None:
    code, status, message = refused(update, client=client, RoutingConfig={"AdditionalVersionWeights": {"$LATEST": 0.1}})
    assert (code, status) == ("ValidationException", 400)
    assert "Member must satisfy regular expression pattern: [0-9]+" in message


@pytest.mark.parametrize("weight", [-0.01, 1.01])
def test_weights_outside_0_to_1_are_a_validation_exception(canary_aws: AwsStandIn, weight: float) -> None:
    for number in (1, 2):
        canary_aws.lambda_.deploy("f", CODE.format(number=number), alias="live")
    # boto3 itself refuses negative weights otherwise.
    client = boto3.client("lambda", config=Config(parameter_validation=False))
    assert refused(update, client=client, RoutingConfig=weights(v2=weight)) == (
        "ValidationException",
        400,
        f"1 validation error detected: Value '{{2={weight}}}' at 'routingConfig.additionalVersionWeights' failed to "
        "satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
        "Member must have value greater than or equal to 0.0, Member must not be null]",
    )


@pytest.mark.parametrize("params", [{"FunctionVersion": "10"}, {"RoutingConfig": weights(v10=0.1)}])
def test_unknown_versions_are_not_found(client: Any, params: dict[str, Any]) -> None:
    assert refused(update, client=client, **params) == (
        "ResourceNotFoundException",
        404,
        "Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:10",
    )


def test_versions_with_different_roles_are_refused(client: Any, canary_aws: AwsStandIn) -> None:
    """Text: serverless-heaven/serverless-aws-alias#64."""
    number = canary_aws.lambda_.deploy("f", CODE.format(number=4), Role="arn:aws:iam::123456789012:role/other")
    assert refused(update, client=client, RoutingConfig=weights(**{number: 0.1})) == (
        "InvalidParameterValueException",
        400,
        "Specified versions must be associated with the same execution role",
    )


def test_versions_with_different_dead_letter_queues_are_refused(client: Any, canary_aws: AwsStandIn) -> None:
    """The rule is documented (developer guide, configuration-aliases); AWS's text is not known."""
    queue = {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"}
    number = canary_aws.lambda_.deploy("f", CODE.format(number=4), DeadLetterConfig=queue)
    code, status, _ = refused(update, client=client, RoutingConfig=weights(**{number: 0.1}))
    assert (code, status) == ("InvalidParameterValueException", 400)


def test_omitted_routing_keeps_weights_and_an_empty_map_clears_them(client: Any) -> None:
    update(client, RoutingConfig=weights(v2=0.25))
    assert update(client, Description="x")["RoutingConfig"] == weights(v2=0.25)
    for empty in (weights(), {}):
        update(client, RoutingConfig=weights(v2=0.25))
        cleared = update(client, RoutingConfig=empty)
        assert "RoutingConfig" not in cleared
        assert "RoutingConfig" not in client.get_alias(FunctionName="f", Name="live")
        assert cleared["Description"] == "x"


def test_the_revision_changes_with_every_update_even_without_a_change(client: Any) -> None:
    seen = {client.get_alias(FunctionName="f", Name="live")["RevisionId"]}
    for _ in range(3):
        seen.add(update(client)["RevisionId"])
    assert len(seen) == 4


def test_a_stale_revision_answers_412_and_changes_nothing(client: Any) -> None:
    old = client.get_alias(FunctionName="f", Name="live")["RevisionId"]
    current = update(client, RevisionId=old, Description="mine")
    code, status, message = refused(update, client=client, RevisionId=old, FunctionVersion="2")
    assert (code, status) == ("PreconditionFailedException", 412)
    assert message.startswith("The Revision Id provided does not match the latest Revision Id.")
    after = client.get_alias(FunctionName="f", Name="live")
    assert (after["FunctionVersion"], after["RevisionId"]) == ("1", current["RevisionId"])


def test_a_refused_update_changes_nothing(client: Any) -> None:
    before = client.get_alias(FunctionName="f", Name="live")
    refused(update, client=client, FunctionVersion="2", RoutingConfig=weights(v2=0.1), Description="no")
    after = client.get_alias(FunctionName="f", Name="live")
    assert {**after, "ResponseMetadata": None} == {**before, "ResponseMetadata": None}


def test_four_concurrent_starters_have_one_winner(client: Any) -> None:
    """lambda-canary.md §6.1: the alias is the fencing token."""
    revision = client.get_alias(FunctionName="f", Name="live")["RevisionId"]
    outcomes = []
    for starter in range(4):
        try:
            update(client, RevisionId=revision, RoutingConfig=weights(v2=0.1), Description=str(starter))
            outcomes.append("won")
        except client.exceptions.PreconditionFailedException:
            outcomes.append("lost")
    assert sorted(outcomes) == ["lost", "lost", "lost", "won"]


def test_names_of_digits_only_are_refused(client: Any) -> None:
    assert refused(client.create_alias, FunctionName="f", Name="123", FunctionVersion="1") == (
        "ValidationException",
        400,
        "1 validation error detected: Value '123' at 'name' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
    )


def test_descriptions_end_at_256_characters(client: Any) -> None:
    assert update(client, Description="x" * 256)["Description"] == "x" * 256
    assert refused(update, client=client, Description="x" * 257)[:2] == ("ValidationException", 400)


def test_an_alias_is_made_once(client: Any) -> None:
    made = client.create_alias(FunctionName="f", Name="beta", FunctionVersion="1")
    assert made["AliasArn"] == "arn:aws:lambda:us-east-1:123456789012:function:f:beta"
    assert made["Description"] == ""
    assert "RoutingConfig" not in made
    assert refused(client.create_alias, FunctionName="f", Name="beta", FunctionVersion="1") == (
        "ResourceConflictException",
        409,
        "Alias already exists: arn:aws:lambda:us-east-1:123456789012:function:f:beta",
    )


def test_an_unknown_alias_is_not_found(client: Any) -> None:
    expected = (
        "ResourceNotFoundException",
        404,
        "Cannot find alias arn: arn:aws:lambda:us-east-1:123456789012:function:f:none",
    )
    assert refused(client.get_alias, FunctionName="f", Name="none") == expected
    assert refused(client.update_alias, FunctionName="f", Name="none", FunctionVersion="1")[2].startswith(
        "Alias not found: arn:aws:lambda:us-east-1:123456789012:function:f:none"
    )


def test_aliases_are_listed_by_version_and_by_page(client: Any) -> None:
    for name, number in (("a", "1"), ("b", "2"), ("c", "2")):
        client.create_alias(FunctionName="f", Name=name, FunctionVersion=number)
    listed = client.list_aliases(FunctionName="f", FunctionVersion="2")["Aliases"]
    assert [alias["Name"] for alias in listed] == ["b", "c"]
    pages = client.get_paginator("list_aliases").paginate(FunctionName="f", PaginationConfig={"PageSize": 3})
    assert [[alias["Name"] for alias in page["Aliases"]] for page in pages] == [["a", "b", "c"], ["live"]]


def test_deleting_an_alias_is_idempotent(client: Any) -> None:
    for _ in range(2):
        answer = client.delete_alias(FunctionName="f", Name="live")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.list_aliases(FunctionName="f")["Aliases"] == []


def test_a_change_of_the_resource_policy_moves_the_revision(client: Any) -> None:
    before = client.get_alias(FunctionName="f", Name="live")["RevisionId"]
    permission = {"StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"}
    client.add_permission(FunctionName="f", Qualifier="live", **permission)
    assert client.get_alias(FunctionName="f", Name="live")["RevisionId"] != before
    assert refused(update, client=client, RevisionId=before)[0] == "PreconditionFailedException"


def test_an_update_whose_answer_is_lost_has_happened(client: Any, canary_aws: AwsStandIn) -> None:
    """lambda-canary.md §9, trap 16: did it apply? Read back."""
    canary_aws.faults.add(Fault.LOST_ANSWER, "lambda.UpdateAlias", times=1)
    once = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(HTTPClientError):
        update(once, RoutingConfig=weights(v2=0.1))
    assert client.get_alias(FunctionName="f", Name="live")["RoutingConfig"] == weights(v2=0.1)


def test_boto3_itself_meets_412_after_a_lost_answer(client: Any, canary_aws: AwsStandIn) -> None:
    """Its own retry sends the old RevisionId again, though the first attempt succeeded."""
    revision = client.get_alias(FunctionName="f", Name="live")["RevisionId"]
    canary_aws.faults.add(Fault.LOST_ANSWER, "lambda.UpdateAlias", times=1)
    with pytest.raises(client.exceptions.PreconditionFailedException):
        update(client, RevisionId=revision, RoutingConfig=weights(v2=0.1))
    assert client.get_alias(FunctionName="f", Name="live")["RoutingConfig"] == weights(v2=0.1)
