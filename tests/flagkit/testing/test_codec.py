"""Parameters and answers survive the way through botocore, in each protocol the stand-ins use."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from flagkit.testing import AwsStandIn, Service, ServiceError
from flagkit.testing.codec import encode_error, service_model

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


class Recorder(Service):
    """Remembers what it was asked and answers what it was told."""

    def __init__(self, service, answer):
        self.service = service
        self.answer = answer
        self.params = None

    def handle(self, operation, params, context):
        self.params = params
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def through(service, operation, answer, **params):
    recorder = Recorder(service, answer)

    class StandIn(AwsStandIn):
        def make_services(self):
            return [recorder]

    with StandIn():
        client = boto3.client(service, config=Config(retries={"total_max_attempts": 1}))
        result = getattr(client, operation)(**params)
    return recorder.params, result


def test_uri_query_header_and_body_of_rest_json():
    params, result = through(
        "appconfig",
        "create_hosted_configuration_version",
        {"VersionNumber": 3, "Content": b"abc", "ContentType": "text/plain", "VersionLabel": "v1"},
        ApplicationId="app/1",
        ConfigurationProfileId="p",
        Content=b"abc",
        ContentType="text/plain",
        LatestVersionNumber=2,
    )
    assert params["ApplicationId"] == "app/1"
    assert (params["Content"], params["LatestVersionNumber"], params["ContentType"]) == (b"abc", 2, "text/plain")
    assert (result["VersionNumber"], result["VersionLabel"], result["Content"].read()) == (3, "v1", b"abc")


def test_booleans_in_headers_lists_and_times_in_bodies():
    params, result = through(
        "appconfig",
        "stop_deployment",
        {"EventLog": [{"OccurredAt": AT, "EventType": "X"}], "PercentageComplete": 50.0, "StartedAt": AT},
        ApplicationId="a",
        EnvironmentId="e",
        DeploymentNumber=4,
        AllowRevert=True,
    )
    assert (params["AllowRevert"], params["DeploymentNumber"]) == (True, 4)
    assert result["EventLog"][0]["OccurredAt"] == AT
    assert result["StartedAt"] == AT


def test_lists_in_the_query():
    arn = "arn:aws:appconfig:us-east-1:123456789012:application/abcdefg"
    params, _ = through("appconfig", "untag_resource", {}, ResourceArn=arn, TagKeys=["a", "b"])
    assert params == {"ResourceArn": arn, "TagKeys": ["a", "b"]}


def test_numbers_dates_and_blobs_of_the_json_protocol():
    params, result = through(
        "dynamodb",
        "put_item",
        {"Attributes": {"b": {"B": b"\x00\x01"}}},
        TableName="t",
        Item={"b": {"B": b"\x00\x01"}, "n": {"N": "1"}},
    )
    assert params["Item"] == {"b": {"B": b"\x00\x01"}, "n": {"N": "1"}}
    assert result["Attributes"]["b"]["B"] == b"\x00\x01"


def test_an_error_with_nested_details():
    details = {"InvalidParameters": {"ConfigurationToken": {"Problem": "Expired"}}}
    error = ServiceError("BadRequestException", "no", Reason="InvalidParameters", Details=details)
    with pytest.raises(ClientError) as caught:
        through("appconfigdata", "get_latest_configuration", error, ConfigurationToken="t")
    assert caught.value.response["Details"] == details
    assert caught.value.response["Error"] == {"Code": "BadRequestException", "Message": "no"}


def test_an_error_that_no_model_knows_and_one_of_the_query_protocol():
    with pytest.raises(ClientError) as caught:
        through(
            "appconfigdata", "get_latest_configuration", ServiceError("Odd", "o", status=418), ConfigurationToken="t"
        )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 418
    status, headers, body = encode_error(
        service_model("sns").operation_model("CreateTopic"), "Throttling", "<slow>", 429, {}
    )
    assert (status, headers["Content-Type"]) == (429, "text/xml")
    assert b"<Message>&lt;slow&gt;</Message>" in body
