"""Answers of the stand-in beside those that AWS was recorded to give (LocalStack's AWS-validated tests and others)."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from canary.testing import AwsStandIn
from canary.testing.cron import Cron

ROLE = "arn:aws:iam::123456789012:role/app"
SOURCE = "def handler(event, context):\n    return event\n"


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), text)
    return buffer.getvalue()


def refusal(method: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        method(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def functions(canary_aws: AwsStandIn) -> Any:
    canary_aws.lambda_.deploy("my-function", SOURCE, alias="live")
    return boto3.client("lambda")


@pytest.mark.parametrize(
    "name",
    [
        "my-function:live",
        "my-function:1",
        "arn:aws:lambda:us-east-1:123456789012:function:my-function:live",
        "123456789012:function:my-function:1",
        "function:my-function:live",
    ],
)
def test_a_function_may_have_function_in_its_name(functions: Any, name: str) -> None:
    assert functions.get_function_configuration(FunctionName=name)["Version"] == "1"
    assert functions.invoke(FunctionName=name)["ExecutedVersion"] == "1"


@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_a_handler_without_payload_gets_an_empty_object(functions: Any, canary_aws: AwsStandIn, kind: str) -> None:
    functions.invoke(FunctionName="my-function", InvocationType=kind)
    canary_aws.clock.advance(1)
    assert json.loads(canary_aws.lambda_.recent[-1].payload) == {}


def test_a_function_is_pending_then_active_and_its_revision_moves_with_it(canary_aws: AwsStandIn) -> None:
    client = boto3.client("lambda")
    params = {"FunctionName": "f", "Role": ROLE, "Handler": "app.handler", "Runtime": "python3.13"}
    made = client.create_function(**params, Code={"ZipFile": zipped(SOURCE)})
    assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
    client.get_waiter("function_active_v2").wait(FunctionName="f")
    active = client.get_function_configuration(FunctionName="f")
    assert (active["State"], active["LastUpdateStatus"]) == ("Active", "Successful")
    updated = client.update_function_configuration(FunctionName="f", Timeout=7)
    assert (updated["LastUpdateStatus"], updated["LastUpdateStatusReasonCode"]) == ("InProgress", "Creating")
    assert refusal(client.update_function_configuration, FunctionName="f", Timeout=8)[0] == "ResourceConflictException"
    client.get_waiter("function_updated_v2").wait(FunctionName="f")
    settled = client.get_function_configuration(FunctionName="f")
    client.publish_version(FunctionName="f")
    published = client.get_function_configuration(FunctionName="f")
    revisions = [answer["RevisionId"] for answer in (made, active, updated, settled, published)]
    assert len(set(revisions)) == 5


def test_an_update_that_publishes_is_one_call(canary_aws: AwsStandIn, functions: Any) -> None:
    changed = functions.update_function_code(FunctionName="my-function", ZipFile=zipped(SOURCE + "#"), Publish=True)
    assert (changed["Version"], changed["State"]) == ("2", "Pending")


def test_a_description_alone_makes_a_new_version(functions: Any) -> None:
    assert functions.publish_version(FunctionName="my-function", Description="same")["Version"] == "1"
    functions.update_function_configuration(FunctionName="my-function", Description="new")
    functions.get_waiter("function_updated_v2").wait(FunctionName="my-function")
    assert functions.publish_version(FunctionName="my-function")["Version"] == "2"


def test_each_region_has_its_own_functions_metrics_and_schedules(canary_aws: AwsStandIn, functions: Any) -> None:
    elsewhere = boto3.client("lambda", region_name="eu-west-1")
    assert elsewhere.list_functions()["Functions"] == []
    assert boto3.client("cloudwatch", region_name="eu-west-1").describe_alarms()["MetricAlarms"] == []
    arn = functions.get_function_configuration(FunctionName="my-function")["FunctionArn"]
    assert refusal(elsewhere.get_function, FunctionName=arn) == (
        "ResourceNotFoundException",
        "Functions from 'us-east-1' are not reachable in this region ('eu-west-1')",
    )


def test_lists_of_functions_show_no_state_and_unqualified_arns(functions: Any) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:my-function"
    (listed,) = functions.list_functions()["Functions"]
    assert {"State", "LastUpdateStatus"} & set(listed) == set()
    assert listed["FunctionArn"] == arn
    every = functions.list_functions(FunctionVersion="ALL")["Functions"]
    assert [item["FunctionArn"] for item in every] == [f"{arn}:$LATEST", f"{arn}:1"]
    versions = functions.list_versions_by_function(FunctionName="my-function")["Versions"]
    assert [set(item) & {"State", "LastUpdateStatus"} for item in versions] == [set(), set()]


def test_a_function_that_is_created_and_published_has_its_own_arn(canary_aws: AwsStandIn) -> None:
    client = boto3.client("lambda")
    made = client.create_function(FunctionName="f", Role=ROLE, Code={"ZipFile": zipped(SOURCE)}, Publish=True)
    assert (made["FunctionArn"][-11:], made["Version"]) == (":function:f", "1")


def test_a_handler_sees_lambdas_environment_only(canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_MACHINE", "1")
    source = "import os\ndef handler(event, context):\n    return dict(os.environ)\n"
    canary_aws.lambda_.deploy("f", source, variables={"OWN": "2"})
    seen = json.loads(canary_aws.lambda_.call("f").payload)
    assert "SECRET_OF_THE_MACHINE" not in seen
    assert seen["OWN"] == "2"
    assert seen["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/f"
    assert seen["AWS_LAMBDA_LOG_STREAM_NAME"].startswith("2026/01/05/[$LATEST]")
    assert (seen["LAMBDA_RUNTIME_DIR"], seen["TZ"]) == ("/var/runtime", ":UTC")
    assert seen["AWS_XRAY_CONTEXT_MISSING"] == "LOG_ERROR"


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"FunctionName": "a/b"}, "ValidationException", "Value 'a/b' at 'functionName' failed to satisfy constraint"),
        ({"Role": "r1"}, "ValidationException", "Value 'r1' at 'role' failed to satisfy constraint"),
        ({"Runtime": "cobol"}, "InvalidParameterValueException", "Value cobol at 'runtime' failed to satisfy"),
        ({"Code": {"ZipFile": b"x"}}, "InvalidParameterValueException", "Could not unzip uploaded file."),
        ({"Runtime": "nodejs22.x"}, "NotImplementedException", "the stand-in runs no nodejs22.x"),
    ],
)
def test_create_function_checks_what_aws_checks(
    canary_aws: AwsStandIn, changes: dict[str, Any], code: str, text: str
) -> None:
    params = {"FunctionName": "f", "Role": ROLE, "Handler": "app.handler", "Runtime": "python3.13"}
    found = refusal(boto3.client("lambda").create_function, **{**params, "Code": {"ZipFile": zipped("")}, **changes})
    assert found[0] == code
    assert text in found[1]


def test_names_and_qualifiers_are_checked_on_reads_and_invokes(functions: Any) -> None:
    for method in (functions.get_function, functions.invoke):
        assert refusal(method, FunctionName="my function")[0] == "ValidationException"
        assert refusal(method, FunctionName="my-function", Qualifier="a b")[0] == "ValidationException"


def test_an_answer_above_six_megabytes_is_an_error(canary_aws: AwsStandIn) -> None:
    canary_aws.lambda_.deploy("f", "def handler(event, context):\n    return 'x' * 7_000_000\n")
    answer = boto3.client("lambda").invoke(FunctionName="f")
    document = json.loads(answer["Payload"].read())
    assert (answer["FunctionError"], document["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    assert "(6291556 bytes)" in document["errorMessage"]


def test_provisioned_concurrency_stays_within_the_reserved_one(functions: Any) -> None:
    functions.put_function_concurrency(FunctionName="my-function", ReservedConcurrentExecutions=1)
    params = {"FunctionName": "my-function", "Qualifier": "live", "ProvisionedConcurrentExecutions": 2}
    assert refusal(functions.put_provisioned_concurrency_config, **params) == (
        "InvalidParameterValueException",
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
    )
    for method in (functions.get_provisioned_concurrency_config, functions.delete_provisioned_concurrency_config):
        assert refusal(method, FunctionName="my-function", Qualifier="$LATEST") == (
            "InvalidParameterValueException",
            "The function resource provided must be an alias or a published version.",
        )


@pytest.mark.parametrize("destination", ["nothing", "arn:aws:ec2:us-east-1:123456789012:x"])
def test_destinations_of_another_kind_are_refused(functions: Any, destination: str) -> None:
    config = {"OnFailure": {"Destination": destination}}
    params = {"FunctionName": "my-function", "DestinationConfig": config}
    code, text = refusal(functions.put_function_event_invoke_config, **params)
    assert code in {"InvalidParameterValueException", "ValidationException"}
    assert destination in text


def test_schedules_do_not_start_in_the_past_and_groups_have_proper_names(canary_aws: AwsStandIn) -> None:
    client = boto3.client("scheduler")
    target = {"Arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "RoleArn": ROLE}
    params = {
        "Name": "s",
        "ScheduleExpression": "rate(5 minutes)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
        "StartDate": canary_aws.clock.now() - timedelta(hours=1),
    }
    code, text = refusal(client.create_schedule, **params)
    assert (code, text) == (
        "ValidationException",
        "The StartDate you specify cannot be earlier than 5 minutes ago.",
    )
    assert refusal(client.create_schedule_group, Name="a b")[0] == "ValidationException"


def test_a_day_of_seconds_is_too_many_datapoints(canary_aws: AwsStandIn) -> None:
    now = canary_aws.clock.now()
    params = {"Namespace": "A", "MetricName": "m", "Period": 1, "Statistics": ["Sum"]}
    code, text = refusal(
        boto3.client("cloudwatch").get_metric_statistics, **params, StartTime=now - timedelta(days=1), EndTime=now
    )
    assert code == "InvalidParameterCombination"
    assert text.startswith("You have requested up to 86400 datapoints, which exceeds the limit of 1440.")


def test_a_configuration_has_its_storage_logging_and_runtime(functions: Any) -> None:
    found = functions.get_function_configuration(FunctionName="my-function")
    assert found["EphemeralStorage"] == {"Size": 512}
    assert found["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/my-function"}
    assert found["RuntimeVersionConfig"]["RuntimeVersionArn"].startswith("arn:aws:lambda:us-east-1::runtime:")
    headers = functions.invoke(FunctionName="my-function")["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("given", "principal", "condition"),
    [
        ({"Principal": "123456789012"}, {"AWS": "arn:aws:iam::123456789012:root"}, None),
        (
            {"Principal": "*", "PrincipalOrgID": "o-1234567890"},
            "*",
            {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}},
        ),
        (
            {"Principal": "s3.amazonaws.com", "SourceAccount": "1" * 12, "SourceArn": "arn:aws:s3:::b"},
            {"Service": "s3.amazonaws.com"},
            {"StringEquals": {"AWS:SourceAccount": "1" * 12}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}},
        ),
    ],
)
def test_a_permission_keeps_its_conditions_and_principals(
    functions: Any, given: dict[str, Any], principal: Any, condition: Any
) -> None:
    params = {"FunctionName": "my-function", "StatementId": "s", "Action": "lambda:InvokeFunction", **given}
    statement = json.loads(functions.add_permission(**params)["Statement"])
    assert (statement["Principal"], statement.get("Condition")) == (principal, condition)


def test_texts_of_aliases_and_alarms_are_the_recorded_ones(functions: Any) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:my-function"
    update = functions.update_alias
    assert refusal(update, FunctionName="my-function", Name="no")[1] == f"Alias not found: {arn}:no"
    routing = {"AdditionalVersionWeights": {"2": 2}}
    assert "{2=2.0}" in refusal(update, FunctionName="my-function", Name="live", RoutingConfig=routing)[1]
    alarms = boto3.client("cloudwatch")
    params = {"AlarmName": "a", "StateReason": "r", "StateValue": "INVALID"}
    assert refusal(alarms.set_alarm_state, **params)[1].startswith("1 validation error detected: Value 'INVALID'")


def test_the_name_of_a_modelled_error_is_beside_its_query_code(canary_aws: AwsStandIn) -> None:
    client, now = boto3.client("cloudwatch"), canary_aws.clock.now()
    with pytest.raises(ClientError) as caught:
        client.get_metric_statistics(
            Namespace="A", MetricName="m", Period=60, Statistics=["Sum"], StartTime=now, EndTime=now
        )
    error = caught.value.response["Error"]
    assert (error["Code"], error["QueryErrorCode"]) == ("InvalidParameterValue", "InvalidParameterValueException")


def test_invocations_are_in_cloudwatch_logs(canary_aws: AwsStandIn) -> None:
    canary_aws.lambda_.deploy("f", "def handler(event, context):\n    print('hello', event)\n", alias="live")
    canary_aws.lambda_.call("f", "live", b'"world"')
    logs = boto3.client("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    (stream,) = logs.describe_log_streams(logGroupName=group["logGroupName"])["logStreams"]
    assert stream["logStreamName"].startswith("2026/01/05/[1]")
    events = logs.get_log_events(
        logGroupName=group["logGroupName"], logStreamName=stream["logStreamName"], startFromHead=True
    )["events"]
    assert [event["message"].split()[0] for event in events] == ["START", "hello", "END", "REPORT"]
    found = logs.filter_log_events(logGroupName="/aws/lambda/f", filterPattern="hello world")["events"]
    assert [event["message"] for event in found] == ["hello world\n"]
    assert refusal(logs.get_log_events, logGroupName="/aws/lambda/g", logStreamName="s")[0] == (
        "ResourceNotFoundException"
    )
    logs.create_log_group(logGroupName="/own")  # moto's


def test_groups_of_schedules_have_tags(canary_aws: AwsStandIn) -> None:
    client = boto3.client("scheduler")
    arn = client.create_schedule_group(Name="g", Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    client.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("cron(0 9 * * ? *)", ["06 09:00", "07 09:00"]),
        ("cron(0/20 10 5 1 ? 2026)", ["05 10:00", "05 10:20"]),
        ("cron(15 10 ? * 6L *)", ["30 10:15", "27 10:15"]),
        ("cron(0 8 ? * MON#2 *)", ["12 08:00", "09 08:00"]),
        ("cron(0 8 LW * ? *)", ["30 08:00", "27 08:00"]),
        ("cron(0 8 L FEB ? *)", ["28 08:00", "28 08:00"]),
        ("cron(0 0 1,15 * ? *)", ["15 00:00", "01 00:00"]),
    ],
)
def test_cron_expressions_have_the_times_of_the_user_guide(
    canary_aws: AwsStandIn, expression: str, times: list[str]
) -> None:
    """Monday, 5 January 2026, 9:00 UTC."""
    cron, at = Cron.parse(expression), canary_aws.clock.now()
    found = []
    for _ in times:
        at = cron.after(at, "UTC")
        assert at is not None
        found.append(f"{at:%d %H:%M}")
    assert found == times


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 9 * * * *)",
        "cron(0 9 ? * ? *)",
        "cron(60 9 * * ? *)",
        "cron(0 9 * * ?)",
        "cron(0 9 * FOO ? *)",
        "cron(0 9 32 * ? *)",
        "cron(5-1 9 * * ? *)",
        "cron(0/0 9 * * ? *)",
        "cron(0 9 99W * ? *)",
    ],
)
def test_cron_expressions_that_aws_refuses_are_refused(canary_aws: AwsStandIn, expression: str) -> None:
    target = {"Arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "RoleArn": ROLE}
    code, text = refusal(
        boto3.client("scheduler").create_schedule,
        Name="s",
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )
    assert (code, text) == ("ValidationException", f"Invalid Schedule Expression {expression}.")
