"""CloudWatchAlarms over the wire: every kind, missing names, changes after the start, broken evaluations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from canary.adapters.alarms import CloudWatchAlarms
from canary.adapters.aws import open_session
from canary.core.measurements import AlarmReading, AlarmState
from canary.errors import AccessDeniedError
from canary.testing import AwsStandIn
from flagkit.testing import Fault
from tests.canary.stages import stage_of


@pytest.fixture
def alarms(canary_aws: AwsStandIn) -> CloudWatchAlarms:
    client = canary_aws.session().client("cloudwatch")
    for name in ("errors", "latency"):
        client.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/Lambda",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=5,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )
    client.put_composite_alarm(AlarmName="either", AlarmRule="ALARM(errors) OR ALARM(latency)")
    return CloudWatchAlarms(open_session("us-east-1"), canary_aws.clock)


def stage(*names: str) -> Any:
    return stage_of("api:live", gates={"alarms": {"kind": "alarms", "names": names}})


def by_name(readings: tuple[AlarmReading, ...]) -> dict[str, AlarmReading]:
    return {reading.name: reading for reading in readings}


def redden(aws: AwsStandIn, name: str) -> None:
    aws.session().client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")


def test_metric_and_composite_alarms_are_read_alike(canary_aws: AwsStandIn, alarms: CloudWatchAlarms) -> None:
    """lambda-canary.md §9, trap 30: without AlarmTypes the composite ones would be missing."""
    canary_aws.clock.advance(120)
    redden(canary_aws, "errors")
    found = by_name(alarms.alarms(stage("errors", "either"), None))
    assert found["errors"].state is AlarmState.ALARM
    assert found["either"].state is not AlarmState.UNKNOWN


def test_a_name_that_does_not_exist_is_unknown_and_says_so(alarms: CloudWatchAlarms) -> None:
    """lambda-canary.md §9, trap 6: DescribeAlarms leaves it out without a word."""
    (reading,) = alarms.alarms(stage("erors"), None)
    assert (reading.state, reading.detail) == (AlarmState.UNKNOWN, "there is no such alarm")


def test_an_alarm_that_was_red_before_the_start_differs_from_one_that_turned_red_after(
    canary_aws: AwsStandIn, alarms: CloudWatchAlarms
) -> None:
    """lambda-canary.md §9, trap 5: the transition counts, not the level."""
    redden(canary_aws, "errors")
    canary_aws.clock.advance(30)
    started = canary_aws.clock.now()
    canary_aws.clock.advance(1)
    redden(canary_aws, "latency")
    found = by_name(alarms.alarms(stage("errors", "latency"), started))
    assert (found["errors"].red_at_start, found["latency"].red_at_start) == (True, False)
    assert found["latency"].since == started + timedelta(seconds=1)
    assert all(reading.red_at_start for reading in alarms.alarms(stage("errors", "latency"), None))


@pytest.mark.parametrize("evaluation", ["PARTIAL_DATA", "EVALUATION_ERROR", "EVALUATION_FAILURE"])
def test_a_broken_evaluation_is_not_ok(alarms: CloudWatchAlarms, evaluation: str) -> None:
    """lambda-canary.md §5."""
    original = alarms._cloudwatch.call

    def spoiled(operation: str, **arguments: object) -> dict[str, Any]:
        answer = original(operation, **arguments)
        answer["MetricAlarms"][0].update(StateValue="OK", EvaluationState=evaluation)
        return answer

    alarms._cloudwatch.call = spoiled  # type: ignore[method-assign]
    (reading,) = alarms.alarms(stage("errors"), None)
    assert (reading.state, reading.detail) == (AlarmState.UNKNOWN, f"its evaluation is {evaluation}")


def test_all_pages_are_read_and_faults_that_pass_are_waited_out(
    canary_aws: AwsStandIn, alarms: CloudWatchAlarms
) -> None:
    canary_aws.faults.add(Fault.THROTTLED, "cloudwatch.DescribeAlarms", times=2)
    original = alarms._cloudwatch.call

    def paged(operation: str, **arguments: Any) -> dict[str, Any]:
        second = arguments.pop("NextToken", None) is not None
        answer = original(operation, **arguments)
        answer["MetricAlarms"] = answer["MetricAlarms"][1:] if second else answer["MetricAlarms"][:1]
        return answer if second else {**answer, "NextToken": "more"}

    alarms._cloudwatch.call = paged  # type: ignore[method-assign]
    found = alarms.alarms(stage("errors", "latency"), None)
    assert {reading.name for reading in found if reading.state is not AlarmState.UNKNOWN} == {"errors", "latency"}


def test_a_denied_question_is_an_error_that_names_the_action(canary_aws: AwsStandIn, alarms: CloudWatchAlarms) -> None:
    canary_aws.faults.add(Fault.DENIED, "cloudwatch.DescribeAlarms")
    with pytest.raises(AccessDeniedError, match="cloudwatch:DescribeAlarms"):
        alarms.alarms(stage("errors"), None)
