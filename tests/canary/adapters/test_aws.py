"""boto3's faults in canary's words, by code and status, never by text."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from canary.adapters import aws
from canary.adapters.aws import Api, credentials_end, open_session, patiently, translated
from canary.adapters.buses import EventBuses, SnsTopics
from canary.errors import AccessDeniedError, AwsError, NotFoundError, StaleRevisionError, UnavailableError
from canary.ports import CredentialsEnd
from canary.testing import AwsStandIn
from flagkit.testing import Fault, VirtualClock


def client_error(code: str, status: int, message: str = "said so") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "UpdateAlias",
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (client_error("PreconditionFailedException", 412), StaleRevisionError),
        (client_error("Whatever", 412), StaleRevisionError),
        (client_error("ResourceNotFoundException", 404), NotFoundError),
        (client_error("AWS.SimpleQueueService.NonExistentQueue", 400), NotFoundError),
        (client_error("TooManyRequestsException", 429), UnavailableError),
        (client_error("Throttling", 400), UnavailableError),
        (client_error("ServiceException", 500), UnavailableError),
        (client_error("Anything", 503), UnavailableError),
        (client_error("Anything", 429), UnavailableError),
        (client_error("ResourceConflictException", 409), UnavailableError),
        (client_error("AccessDeniedException", 403), AccessDeniedError),
        (client_error("AccessDenied", 400), AccessDeniedError),
        (client_error("Forbidden", 403), AccessDeniedError),
        (client_error("ExpiredTokenException", 403), AccessDeniedError),
        (client_error("UnrecognizedClientException", 403), AccessDeniedError),
        (client_error("InvalidParameterValueException", 400), AwsError),
        (boto.NoCredentialsError(), AccessDeniedError),
        (boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), AccessDeniedError),
        (boto.TokenRetrievalError(provider="sso", error_msg="expired"), AccessDeniedError),
        (boto.EndpointConnectionError(endpoint_url="https://lambda"), UnavailableError),
        (boto.ConnectTimeoutError(endpoint_url="https://lambda"), UnavailableError),
        (boto.ReadTimeoutError(endpoint_url="https://lambda"), UnavailableError),
        (boto.ConnectionClosedError(endpoint_url="https://lambda"), UnavailableError),
        (boto.ParamValidationError(report="no"), AwsError),
    ],
    ids=str,
)
def test_each_fault_is_the_kind_that_says_what_to_do(error: ClientError | BotoCoreError, kind: type[AwsError]) -> None:
    found = translated(error, "lambda", "UpdateAlias")
    assert type(found) is kind
    assert found.message.startswith("lambda:UpdateAlias")


def test_an_error_without_a_message_is_still_named() -> None:
    assert translated(client_error("Odd", 400, ""), "lambda", "UpdateAlias").message == "lambda:UpdateAlias: Odd"


def test_a_missing_region_says_how_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AwsError) as missing:
        Api(open_session(), "lambda")
    assert "AWS_REGION" in missing.value.hint


def test_a_profile_that_does_not_exist_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(AccessDeniedError, match="nobody"):
        open_session("eu-west-1")


def test_a_credential_process_that_fails_is_missing_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AccessDeniedError, match="no usable AWS credentials"):
        Api(open_session("eu-west-1"), "lambda").call("GetAlias", FunctionName="api", Name="live")


def test_reads_are_tried_again_only_for_what_passes() -> None:
    clock = VirtualClock()
    made: list[int] = []

    def flaky() -> str:
        made.append(1)
        if len(made) < 3:
            raise UnavailableError("throttled")
        return "fine"

    assert patiently(clock, flaky) == "fine"
    with pytest.raises(UnavailableError):
        patiently(clock, lambda: (_ for _ in ()).throw(UnavailableError("down")))
    with pytest.raises(AccessDeniedError):
        patiently(clock, lambda: (_ for _ in ()).throw(AccessDeniedError("no")))


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_a_message_reaches_the_topic_with_a_subject_that_sns_takes(canary_aws: AwsStandIn, suffix: str) -> None:
    """A FIFO topic refuses a message without a group, and delivers one that is sent again once."""
    session, fifo = canary_aws.session(), bool(suffix)
    topic = {"Attributes": {"FifoTopic": "true"}} if fifo else {}
    arn = session.client("sns").create_topic(Name=f"releases{suffix}", **topic)["TopicArn"]
    inbox = {"Attributes": {"FifoQueue": "true"}} if fifo else {}
    url = session.client("sqs").create_queue(QueueName=f"inbox{suffix}", **inbox)["QueueUrl"]
    queue = session.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    session.client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue["QueueArn"])
    for _ in range(1 + fifo):
        SnsTopics(open_session("us-east-1")).publish_message(
            arn, "1 → 2\n" + "x" * 200, "hello", group="k3f9", message_id="k3f9-1"
        )
    (message,) = session.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert "hello" in message["Body"]


def test_an_event_that_the_bus_refuses_is_an_error(canary_aws: AwsStandIn) -> None:
    buses = EventBuses(open_session("us-east-1"))
    buses.put_event("default", "canary rolled back", "{}", canary_aws.clock.now())
    canary_aws.faults.add(Fault.DENIED, "events.PutEvents")
    with pytest.raises(AccessDeniedError):
        buses.put_event("default", "canary rolled back", "{}", canary_aws.clock.now())


def test_an_entry_that_failed_inside_a_good_answer_is_an_error(canary_aws: AwsStandIn) -> None:
    buses = EventBuses(open_session("us-east-1"))
    entry = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
    buses._events.call = lambda *_, **__: {"FailedEntryCount": 1, "Entries": [entry]}  # type: ignore[method-assign]
    with pytest.raises(UnavailableError, match="slow down"):
        buses.put_event("default", "canary rolled back", "{}", canary_aws.clock.now())


def test_the_region_comes_from_aws_region_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert open_session().region_name == "eu-west-1"
    assert open_session("eu-north-1").region_name == "eu-north-1"


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.call("GetAlias", FunctionName="api", Name="live"),
        lambda api: list(api.pages("ListAliases", "Aliases", FunctionName="api")),
    ],
)
def test_an_answer_that_drips_ends_with_the_time_of_the_call(
    canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch, call: Callable[[Api], object]
) -> None:
    monkeypatch.setattr(aws, "GRACE_S", 0.2)
    api, release = Api(open_session("us-east-1"), "lambda", read_timeout_s=0.1), threading.Event()
    api.client.meta.events.register_first("before-send.lambda", lambda **_: release.wait(60) and None)
    try:
        with pytest.raises(UnavailableError, match=r"lambda:\w+: no answer within 0.3 s"):
            call(api)
    finally:
        release.set()


def only(monkeypatch: pytest.MonkeyPatch, folder: Path, profile: str = "", **variables: str) -> None:
    """Leaves these credentials and no others."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (folder / "credentials").write_text(profile)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}
PROFILE = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n"
END = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("profile", "variables", "end"),
    [
        ("", KEYS, CredentialsEnd()),
        ("", {**KEYS, "AWS_SESSION_TOKEN": "t"}, CredentialsEnd(is_known=False)),
        ("", {**KEYS, "AWS_SESSION_TOKEN": "t", "AWS_CREDENTIAL_EXPIRATION": END.isoformat()}, CredentialsEnd(END)),
        (PROFILE, {}, CredentialsEnd()),
        (PROFILE + "aws_session_token = t\n", {}, CredentialsEnd(is_known=False)),
        (
            f"{PROFILE}aws_session_token = t\nx_security_token_expires = {END.replace(tzinfo=None).isoformat()}\n",
            {},
            CredentialsEnd(END),
        ),
        ("", {}, CredentialsEnd()),
    ],
)
def test_credentials_say_when_they_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, variables: dict[str, str], end: CredentialsEnd
) -> None:
    only(monkeypatch, tmp_path, profile, **variables)
    assert credentials_end(open_session("us-east-1")) == end


def test_credentials_that_have_ended_are_no_unavailable_service(
    canary_aws: AwsStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore ends with a RuntimeError: that must not be tried again for ever."""
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    variables = {**KEYS, "AWS_SESSION_TOKEN": "t"}
    only(monkeypatch, tmp_path, **variables, AWS_CREDENTIAL_EXPIRATION=soon)
    api = Api(open_session("us-east-1"), "lambda")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", past)
    for call in (
        lambda: api.call("GetAlias", FunctionName="api", Name="live"),
        lambda: list(api.pages("ListAliases", "Aliases", FunctionName="api")),
    ):
        with pytest.raises(AccessDeniedError, match="no usable AWS credentials"):
            call()


@pytest.mark.parametrize("operation", ["ListAliases", "GetAlias"])
def test_an_answer_that_is_cut_is_no_empty_answer(canary_aws: AwsStandIn, operation: str) -> None:
    canary_aws.lambda_.deploy("api", "def handler(event, context): return {}", alias="live")
    api = Api(open_session(), "lambda")
    canary_aws.faults.add(Fault.CUT, f"lambda.{operation}")
    with pytest.raises(UnavailableError, match="ended early"):
        list(api.pages(operation, "Aliases", FunctionName="api")) if operation == "ListAliases" else api.call(
            operation, FunctionName="api", Name="live"
        )
