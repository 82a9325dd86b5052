"""LambdaAliases over the wire: aliases, versions and what preflight asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.adapters.aws import open_session
from canary.adapters.lambda_aliases import LambdaAliases
from canary.core.alias import AliasSpec, FunctionFacts
from canary.core.plan import FunctionRef
from canary.errors import (
    AccessDeniedError,
    AwsError,
    NotFoundError,
    StaleRevisionError,
    UnavailableError,
)
from canary.testing import AwsStandIn
from flagkit.testing import Fault

API = FunctionRef("api", "live")


def first(event: object, context: object) -> dict[str, object]:
    return {"v": 1}


def second(event: object, context: object) -> dict[str, object]:
    return {"v": 2}


@pytest.fixture
def aws(canary_aws: AwsStandIn) -> AwsStandIn:
    canary_aws.lambda_.deploy("api", first, alias="live")
    canary_aws.lambda_.deploy("api", second)
    return canary_aws


@pytest.fixture
def traffic(aws: AwsStandIn) -> LambdaAliases:
    return LambdaAliases(open_session("us-east-1"), aws.clock)


def made(aws: AwsStandIn, call: str) -> int:
    return [record.call for record in aws.wire.calls].count(call)


def test_weights_record_and_version_go_in_one_call_and_read_back_as_written(
    aws: AwsStandIn, traffic: LambdaAliases
) -> None:
    before = traffic.read(API)
    spec = AliasSpec("1", "2", 1050, "canary1 record|text")
    written = traffic.write(API, spec, before.revision_id)
    assert written.says(spec)
    assert traffic.read(API) == written
    assert made(aws, "lambda.UpdateAlias") == 1


def test_a_promotion_clears_the_weights_in_the_same_call(traffic: LambdaAliases) -> None:
    """lambda-canary.md §1: otherwise AWS refuses, because the new primary is still among the weights."""
    weighted = traffic.write(API, AliasSpec("1", "2", 5000, ""), traffic.read(API).revision_id)
    promoted = traffic.write(API, AliasSpec("2", None, 0, ""), weighted.revision_id)
    assert (promoted.version, promoted.extra_version, promoted.extra_bp) == ("2", None, 0)


def test_a_stale_revision_differs_from_every_other_refusal(traffic: LambdaAliases) -> None:
    stale = traffic.read(API).revision_id
    traffic.write(API, AliasSpec("1", None, 0, "somebody else"), stale)
    with pytest.raises(StaleRevisionError, match="lambda:UpdateAlias"):
        traffic.write(API, AliasSpec("1", "2", 1000, ""), stale)
    with pytest.raises(AwsError) as refused:
        traffic.write(API, AliasSpec("1", "1", 1000, ""), traffic.read(API).revision_id)
    assert type(refused.value) is AwsError
    with pytest.raises(NotFoundError):
        traffic.write(API, AliasSpec("1", "77", 1000, ""), traffic.read(API).revision_id)


def test_what_does_not_exist_is_not_found(traffic: LambdaAliases) -> None:
    with pytest.raises(NotFoundError, match="lambda:GetAlias"):
        traffic.read(FunctionRef("api", "gone"))
    with pytest.raises(NotFoundError):
        traffic.version_facts(API, "77")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.THROTTLED, UnavailableError),
        (Fault.SERVER_ERROR, UnavailableError),
        (Fault.LOST_ANSWER, UnavailableError),
        (Fault.UNREACHABLE, UnavailableError),
        (Fault.DENIED, AccessDeniedError),
    ],
)
def test_every_fault_comes_as_the_kind_of_error_that_says_what_to_do(
    aws: AwsStandIn, traffic: LambdaAliases, fault: Fault, error: type[AwsError]
) -> None:
    aws.faults.add(fault, "lambda.GetAlias", times=1)
    with pytest.raises(error, match="lambda:GetAlias"):
        traffic.read(API)
    assert made(aws, "lambda.GetAlias") == 1, "boto3 must not try again by itself"
    assert traffic.read(API).version == "1"


def test_a_denied_action_is_named_in_the_hint(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    aws.faults.add(Fault.DENIED, "lambda.UpdateAlias", times=1)
    with pytest.raises(AccessDeniedError) as denied:
        traffic.write(API, AliasSpec("1", None, 0, ""), "r")
    assert denied.value.hint == "Grant lambda:UpdateAlias."


def test_publishing_answers_an_active_version_and_the_old_number_when_nothing_is_new(
    aws: AwsStandIn, traffic: LambdaAliases
) -> None:
    assert traffic.publish(API) == "2"
    assert traffic.version_facts(API, "2").state == "Active"
    assert traffic.newest_version(API) == "2"


def test_publishing_waits_for_an_update_in_progress(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    """Lambda refuses PublishVersion while LastUpdateStatus is InProgress."""
    real, calls, over_at = traffic._lambda.call, [], aws.clock.now() + timedelta(minutes=3)

    def call(operation: str, **arguments: Any) -> dict[str, Any]:
        calls.append(operation)
        if operation == "GetFunctionConfiguration" and "Qualifier" not in arguments and aws.clock.now() < over_at:
            return {"State": "Active", "LastUpdateStatus": "InProgress"}
        return real(operation, **arguments)

    traffic._lambda.call = call  # type: ignore[method-assign]
    assert traffic.publish(API) == "2"
    assert aws.clock.now() >= over_at
    assert calls.index("PublishVersion") > 5


def test_publishing_gives_up_on_an_update_that_never_ends(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    traffic._lambda.call = lambda operation, **arguments: {"LastUpdateStatus": "InProgress"}  # type: ignore[method-assign]
    with pytest.raises(UnavailableError, match="the update of api still runs after 600 s"):
        traffic.publish(API)


def test_a_function_without_versions_has_no_newest_one(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    with pytest.raises(NotFoundError):
        traffic.newest_version(FunctionRef("nothing", "live"))


def test_version_facts_hold_what_preflight_checks(traffic: LambdaAliases) -> None:
    one, two = traffic.version_facts(API, "1"), traffic.version_facts(API, "2")
    assert (one.version, one.state, one.role) == ("1", "Active", two.role)
    assert one.timeout_s >= 1
    assert one.code_sha256 != two.code_sha256
    assert not one.durable


def test_a_plain_function_has_nothing_to_report(traffic: LambdaAliases) -> None:
    assert traffic.function_facts(API) == FunctionFacts()


def test_what_may_not_be_asked_is_named_and_not_fatal(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    aws.faults.add(Fault.DENIED, "lambda.ListEventSourceMappings")
    assert traffic.function_facts(API).unknown == ("lambda:ListEventSourceMappings",)


def test_traffic_that_bypasses_the_alias_is_seen(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    client = aws.session().client("lambda")
    client.create_function_url_config(FunctionName="api", AuthType="NONE")
    assert traffic.function_facts(API).unqualified_url
    client.create_function_url_config(FunctionName="api", Qualifier="live", AuthType="NONE")
    client.delete_function_url_config(FunctionName="api")
    assert not traffic.function_facts(API).unqualified_url


def test_provisioned_concurrency_on_the_alias_is_seen(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    client = aws.session().client("lambda")
    client.put_provisioned_concurrency_config(FunctionName="api", Qualifier="live", ProvisionedConcurrentExecutions=1)
    assert traffic.function_facts(API).provisioned_on == ("live",)


def test_event_sources_on_the_function_itself_are_seen(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    session = aws.session()
    queue = session.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    arn = session.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    session.client("lambda").create_event_source_mapping(FunctionName="api", EventSourceArn=arn)
    assert traffic.function_facts(API).unqualified_sources == (arn,)


def test_the_wait_for_an_active_version_is_on_the_clock(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    before = aws.clock.now()
    traffic.publish(API)
    assert aws.clock.now() - before < timedelta(seconds=60)


def test_a_version_that_is_still_pending_is_waited_for_and_a_failed_one_is_an_error(
    aws: AwsStandIn, traffic: LambdaAliases
) -> None:
    """lambda-canary.md §1: routing to a version that isn't Active gives intermittent errors."""
    states = ["Pending", "Pending", "Active"]  # of the version
    original = traffic._lambda.call

    def slow(operation: str, **arguments: object) -> dict[str, object]:
        answer = original(operation, **arguments)
        if operation == "GetFunctionConfiguration" and "Qualifier" in arguments:
            answer["State"] = states.pop(0) if len(states) > 1 else states[0]
        return answer

    traffic._lambda.call = slow  # type: ignore[method-assign]
    before = aws.clock.now()
    assert traffic.publish(API) == "2"
    assert aws.clock.now() - before == timedelta(seconds=2.5)
    states[:] = ["Failed"]
    with pytest.raises(AwsError, match="can't become active"):
        traffic.publish(API)
    states[:] = ["Pending"]
    with pytest.raises(UnavailableError, match="still Pending"):
        traffic.publish(API)


def test_aws_time_is_reported_with_each_answer_if_it_can_be_read(aws: AwsStandIn) -> None:
    dates: list[datetime] = []
    traffic = LambdaAliases(open_session("us-east-1"), aws.clock, on_date=dates.append)
    for header in ("Mon, 05 Jan 2026 09:00:07 GMT", "yesterday", None):
        traffic._lambda._report_date({"ResponseMetadata": {"HTTPHeaders": {"date": header} if header else {}}})
    assert dates == [datetime(2026, 1, 5, 9, 0, 7, tzinfo=UTC)]
    traffic.read(API)


def test_a_listing_that_answers_not_found_has_nothing_in_it(aws: AwsStandIn, traffic: LambdaAliases) -> None:
    def missing(operation: str, key: str, **arguments: object) -> list[dict[str, object]]:
        raise NotFoundError(operation)

    traffic._lambda.pages = missing  # type: ignore[assignment,method-assign]
    assert traffic.function_facts(API) == FunctionFacts()
