"""Unmodified boto3 clients meet the stand-in, its faults and its log; other services meet moto."""

from __future__ import annotations

import threading

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)

from flagkit.testing import AwsStandIn, Fault, Service, ServiceError
from flagkit.testing.codec import service_model

ONCE = Config(retries={"total_max_attempts": 1})


class Echo(Service):
    """Answers with what it was asked."""

    service = "lambda"
    throttling_code = "TooManyRequestsException"

    def Invoke(self, params, context):
        if params["FunctionName"] == "missing":
            raise ServiceError("ResourceNotFoundException", "no such function", Type="User")
        self.seen = (params, context)
        return {"StatusCode": 200, "Payload": params.get("Payload", b""), "ExecutedVersion": "7"}


class EchoStandIn(AwsStandIn):
    def make_services(self):
        return [*super().make_services(), Echo()]


@pytest.fixture
def echo():
    with EchoStandIn() as aws:
        yield aws


@pytest.fixture
def client(echo):
    return boto3.client("lambda", config=ONCE)


def test_a_call_reaches_the_service_with_its_parameters_and_its_region(client, echo):
    answer = client.invoke(FunctionName="api", Qualifier="live", Payload=b'{"a": 1}')
    assert (answer["Payload"].read(), answer["ExecutedVersion"]) == (b'{"a": 1}', "7")
    assert [(record.call, record.outcome) for record in echo.wire.calls] == [("lambda.Invoke", "ok")]


def test_an_error_has_its_modelled_type_status_and_members(client, echo):
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.invoke(FunctionName="missing")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert caught.value.response["Type"] == "User"
    assert echo.wire.calls[-1].outcome == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("fault", "error", "happened"),
    [
        (Fault.THROTTLED, "TooManyRequestsException", False),
        (Fault.SERVER_ERROR, "InternalServerException", False),
        (Fault.DENIED, "AccessDeniedException", False),
        (Fault.CREDENTIALS_EXPIRED, "ExpiredTokenException", False),
        (Fault.LOST_ANSWER, ReadTimeoutError, True),
        (Fault.UNREACHABLE, EndpointConnectionError, False),
    ],
)
def test_a_fault_looks_as_it_does_in_the_wild(client, echo, fault, error, happened):
    service = echo.wire._services["lambda"]
    echo.faults.add(fault, "lambda.Invoke", times=1)
    with pytest.raises(error if isinstance(error, type) else ClientError) as caught:
        client.invoke(FunctionName="api")
    if isinstance(error, str):
        assert caught.value.response["Error"]["Code"] == error
    assert hasattr(service, "seen") is happened
    assert echo.wire.calls[-1].outcome == fault
    client.invoke(FunctionName="api")


def test_a_cut_answer_ends_in_the_middle_of_its_body(client, echo):
    echo.faults.add(Fault.CUT, "lambda.Invoke", times=1)
    body = client.invoke(FunctionName="api", Payload=b"0123456789")["Payload"]
    with pytest.raises(IncompleteReadError):
        body.read()
    appconfig = boto3.client("appconfig", config=ONCE)
    echo.faults.add(Fault.CUT, "appconfig.ListApplications", times=1)
    assert "Items" not in appconfig.list_applications()  # as botocore does with a server that hangs up


def test_a_slow_answer_takes_virtual_time(client, echo):
    echo.faults.add(Fault.SLOW, delay_s=2.5)
    before = echo.clock.monotonic()
    client.invoke(FunctionName="api")
    assert echo.clock.monotonic() - before == 2.5


def test_a_watcher_of_a_call_may_wait_for_another_caller_and_the_answer_waits(client, echo):
    seen = []

    def another_calls(record):
        if not seen:
            seen.append(record.outcome)
            caller = threading.Thread(target=lambda: client.invoke(FunctionName="other"), daemon=True)
            caller.start()
            caller.join(60)
            seen.append(echo.wire.calls[-1].call)

    echo.wire.watchers.append(another_calls)
    client.invoke(FunctionName="api")
    assert seen == ["ok", "lambda.Invoke"]
    assert [record.call for record in echo.wire.calls] == ["lambda.Invoke", "lambda.Invoke"]


def test_moto_answers_for_services_the_stand_in_lacks_and_faults_strike_there_too(echo):
    sns = boto3.client("sns", config=ONCE)
    assert sns.create_topic(Name="t")["TopicArn"].endswith(":t")
    echo.faults.add(Fault.THROTTLED, "sns.*", times=1)
    with pytest.raises(ClientError):
        sns.create_topic(Name="t")
    echo.faults.add(Fault.LOST_ANSWER, "sns.*", times=1)  # can't be put on moto's calls: it passes
    sns.create_topic(Name="u")


def test_the_innermost_stand_in_answers():
    with EchoStandIn() as outer, EchoStandIn(region="eu-west-1") as inner:
        boto3.client("lambda").invoke(FunctionName="api")
        assert (len(inner.wire.calls), len(outer.wire.calls)) == (1, 0)
        assert inner.wire._services["lambda"].seen[1].region == "eu-west-1"


def test_the_environment_is_put_back(monkeypatch):
    import os

    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.delenv("AWS_REGION", raising=False)
    with AwsStandIn(region="eu-west-1") as aws:
        assert os.environ["AWS_REGION"] == "eu-west-1"
        assert "AWS_PROFILE" not in os.environ
        assert aws.session().region_name == "eu-west-1"
    assert os.environ["AWS_PROFILE"] == "mine"
    assert "AWS_REGION" not in os.environ


def test_every_operation_of_the_stand_in_exists_in_aws():
    with AwsStandIn() as aws:
        for service in aws.wire._services.values():
            mine = {name for name in dir(service) if name[0].isupper()}
            assert mine
            assert mine <= set(service_model(service.service).operation_names)


def test_sessions_read_each_service_model_once_within_a_stand_in():
    before = botocore.session.create_loader
    with AwsStandIn() as aws:
        sessions = [aws.session(), boto3.Session()]
        assert len({id(session._session.get_component("data_loader")) for session in sessions}) == 1
    assert botocore.session.create_loader is before
