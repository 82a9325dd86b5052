"""Functions and versions of the stand-in against AWS's rules.

Source: lambda-canary.md §1, "PublishVersion / identity" (recorded AWS responses).
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from canary.testing import AwsStandIn

ROLE = "arn:aws:iam::123456789012:role/app"


def zipped(text: str, name: str = "app.py") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


@pytest.fixture
def client(canary_aws: AwsStandIn) -> Any:
    """Lambda with a function `f`, made by boto3."""
    made = boto3.client("lambda")
    code = {"ZipFile": zipped("def handler(event, context):\n    return 1\n")}
    made.create_function(FunctionName="f", Runtime="python3.13", Role=ROLE, Handler="app.handler", Code=code)
    made.get_waiter("function_active_v2").wait(FunctionName="f")
    return made


def change(client: Any, number: int) -> Any:
    code = zipped(f"def handler(event, context):\n    return {number}\n")
    answer = client.update_function_code(FunctionName="f", ZipFile=code)
    settle(client)
    return answer


def settle(client: Any, name: str = "f") -> None:
    client.get_waiter("function_updated_v2").wait(FunctionName=name)


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_publishing_twice_without_a_change_returns_the_same_version(client: Any) -> None:
    assert client.publish_version(FunctionName="f")["Version"] == "1"
    assert client.publish_version(FunctionName="f")["Version"] == "1"
    change(client, 2)
    assert client.publish_version(FunctionName="f")["Version"] == "2"


def test_a_change_of_settings_alone_makes_a_new_version(client: Any) -> None:
    first = client.publish_version(FunctionName="f")
    client.update_function_configuration(FunctionName="f", Environment={"Variables": {"A": "1"}})
    settle(client)
    second = client.publish_version(FunctionName="f")
    assert second["Version"] == "2"
    assert second["CodeSha256"] == first["CodeSha256"]
    assert second["ConfigSha256"] != first["ConfigSha256"]


def test_a_version_is_frozen(client: Any) -> None:
    first = client.publish_version(FunctionName="f")
    change(client, 2)
    client.update_function_configuration(FunctionName="f", Timeout=60)
    read = client.get_function_configuration(FunctionName="f", Qualifier="1")
    assert (read["CodeSha256"], read["Timeout"]) == (first["CodeSha256"], 3)


def test_a_wrong_code_hash_is_refused(client: Any) -> None:
    current = client.get_function_configuration(FunctionName="f")["CodeSha256"]
    with pytest.raises(ClientError) as caught:
        client.publish_version(FunctionName="f", CodeSha256="abc")
    assert error_of(caught) == (
        "InvalidParameterValueException",
        f"CodeSHA256 (abc) is different from current CodeSHA256 in $LATEST ({current}). "
        "Please try again with the CodeSHA256 in $LATEST.",
    )
    assert client.publish_version(FunctionName="f", CodeSha256=current)["Version"] == "1"


def test_a_stale_revision_of_latest_answers_412(client: Any) -> None:
    old = client.get_function_configuration(FunctionName="f")["RevisionId"]
    change(client, 2)
    with pytest.raises(ClientError) as caught:
        client.publish_version(FunctionName="f", RevisionId=old)
    assert error_of(caught)[0] == "PreconditionFailedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_numbers_are_never_used_again(client: Any) -> None:
    """Marked unverified in lambda-canary.md §1; moto reuses them (§7)."""
    client.publish_version(FunctionName="f")
    change(client, 2)
    client.publish_version(FunctionName="f")
    client.delete_function(FunctionName="f", Qualifier="2")
    change(client, 3)
    assert client.publish_version(FunctionName="f")["Version"] == "3"
    listed = client.list_versions_by_function(FunctionName="f")["Versions"]
    assert [version["Version"] for version in listed] == ["$LATEST", "1", "3"]


@pytest.mark.parametrize("use", ["primary", "weight"])
def test_a_version_that_an_alias_refers_to_cannot_be_deleted(client: Any, use: str) -> None:
    client.publish_version(FunctionName="f")
    change(client, 2)
    client.publish_version(FunctionName="f")
    routing = {"AdditionalVersionWeights": {"2": 0.1}}
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=routing)
    with pytest.raises(ClientError) as caught:
        client.delete_function(FunctionName="f", Qualifier="1" if use == "primary" else "2")
    assert error_of(caught) == (
        "ResourceConflictException",
        "Unable to delete version because the following aliases reference it: [live]",
    )


def test_an_alias_reads_its_primary_version_under_the_aliases_arn(client: Any) -> None:
    client.publish_version(FunctionName="f")
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    read = client.get_function(FunctionName="f", Qualifier="live")["Configuration"]
    assert read["FunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:f:live"
    assert read["Version"] == "1"


def test_names_may_be_arns_and_carry_the_qualifier(client: Any) -> None:
    client.publish_version(FunctionName="f")
    for name in ("f:1", "arn:aws:lambda:us-east-1:123456789012:function:f:1", "123456789012:function:f:1"):
        assert client.get_function_configuration(FunctionName=name)["Version"] == "1"


def test_unknown_functions_and_qualifiers_are_not_found(client: Any) -> None:
    prefix = "Function not found: arn:aws:lambda:us-east-1:123456789012:function:"
    for params, arn in (({"FunctionName": "g"}, "g"), ({"FunctionName": "f", "Qualifier": "live"}, "f:live")):
        with pytest.raises(ClientError) as caught:
            client.get_function_configuration(**params)
        assert error_of(caught) == ("ResourceNotFoundException", prefix + arn)


def test_a_function_is_made_once(client: Any) -> None:
    with pytest.raises(ClientError) as caught:
        client.create_function(FunctionName="f", Role=ROLE, Code={"ZipFile": zipped("")})
    assert error_of(caught) == ("ResourceConflictException", "Function already exist: f")


def test_a_new_version_is_pending_for_a_while_and_waiters_wait_in_virtual_time(
    client: Any, canary_aws: AwsStandIn
) -> None:
    """Wait for Active before routing (lambda-canary.md §1, "Version not yet Active")."""
    change(client, 2)
    canary_aws.lambda_.settings.pending_s = 12.0
    version = client.publish_version(FunctionName="f")
    assert (version["State"], version["StateReasonCode"]) == ("Pending", "Creating")
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.invoke(FunctionName="f", Qualifier=version["Version"])
    before = canary_aws.clock.monotonic()
    client.get_waiter("published_version_active").wait(FunctionName="f", Qualifier=version["Version"])
    assert canary_aws.clock.monotonic() - before == 15  # three pauses of 5 s
    assert client.get_function_configuration(FunctionName="f", Qualifier=version["Version"])["State"] == "Active"
    client.get_waiter("function_updated").wait(FunctionName="f")
    client.get_waiter("function_updated_v2").wait(FunctionName="f")
    client.get_waiter("function_active_v2").wait(FunctionName="f")


def test_code_size_and_hash_are_those_of_the_package(client: Any) -> None:
    import base64
    import hashlib

    code = zipped("def handler(event, context):\n    return 1\n")
    read = client.get_function_configuration(FunctionName="f")
    assert read["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert read["CodeSize"] == len(code)


def test_tags_and_reserved_concurrency_are_in_get_function(client: Any) -> None:
    arn = client.get_function_configuration(FunctionName="f")["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"canary": "managed", "x": "y"})
    client.untag_resource(Resource=arn, TagKeys=["x"])
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=5)
    read = client.get_function(FunctionName="f")
    assert read["Tags"] == client.list_tags(Resource=arn)["Tags"] == {"canary": "managed"}
    assert read["Concurrency"] == {"ReservedConcurrentExecutions": 5}


def test_an_update_in_progress_refuses_the_next_one(client: Any, canary_aws: AwsStandIn) -> None:
    """Developer guide, "Lambda function states": wait for LastUpdateStatus Successful."""
    canary_aws.lambda_.settings.pending_s = 4.0
    code = zipped("def handler(event, context):\n    return 2\n")
    assert client.update_function_code(FunctionName="f", ZipFile=code)["LastUpdateStatus"] == "InProgress"
    for refused in (client.publish_version, client.update_function_configuration):
        with pytest.raises(client.exceptions.ResourceConflictException) as caught:
            refused(FunctionName="f")
        assert "An update is in progress" in caught.value.response["Error"]["Message"]
    client.get_waiter("function_updated_v2").wait(FunctionName="f")
    assert client.publish_version(FunctionName="f")["Version"] == "1"


def test_code_and_settings_are_changed_under_the_revision(client: Any) -> None:
    old = client.get_function_configuration(FunctionName="f")["RevisionId"]
    client.update_function_configuration(FunctionName="f", RevisionId=old, MemorySize=256)
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.update_function_configuration(FunctionName="f", RevisionId=old, MemorySize=512)
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.update_function_code(FunctionName="f", RevisionId=old, ZipFile=zipped(""))
    assert client.get_function_configuration(FunctionName="f")["MemorySize"] == 256


def test_publishing_can_be_part_of_creating_and_updating(client: Any) -> None:
    code = zipped("def handler(e, c):\n    return 9\n")
    made = client.create_function(FunctionName="g", Role=ROLE, Code={"ZipFile": code}, Publish=True)
    assert (made["Version"], made["FunctionArn"][-11:]) == ("1", ":function:g")
    client.get_waiter("function_active_v2").wait(FunctionName="g")
    changed = zipped("def handler(e, c):\n    return 10\n")
    dry = client.update_function_code(FunctionName="g", ZipFile=changed, DryRun=True)
    assert dry["CodeSha256"] != client.get_function_configuration(FunctionName="g")["CodeSha256"]
    assert client.update_function_code(FunctionName="g", ZipFile=changed, Publish=True)["Version"] == "2"
    settle(client, "g")
    assert client.publish_version(FunctionName="g", Description="again")["Version"] == "2"


def test_functions_are_listed_and_deleted(client: Any) -> None:
    client.publish_version(FunctionName="f")
    assert [item["Version"] for item in client.list_functions()["Functions"]] == ["$LATEST"]
    every = client.list_functions(FunctionVersion="ALL")["Functions"]
    assert [item["Version"] for item in every] == ["$LATEST", "1"]
    for qualifier in ("$LATEST", "live"):
        with pytest.raises(client.exceptions.InvalidParameterValueException):
            client.delete_function(FunctionName="f", Qualifier=qualifier)
    client.delete_function(FunctionName="f")
    assert client.list_functions()["Functions"] == []


def test_code_from_elsewhere_is_refused(client: Any) -> None:
    bucket: Any = {"S3Bucket": "bucket", "S3Key": "key"}
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.create_function(FunctionName="g", Role=ROLE, Code=bucket)
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.update_function_code(FunctionName="f", **bucket)
