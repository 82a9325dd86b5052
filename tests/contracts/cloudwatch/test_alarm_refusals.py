"""Metric alarms that are refused. Facts: [stackd] alarm_controls, captured; lambda-canary.md §5."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

REQUEST = {
    "AlarmName": "errors",
    "Namespace": "App",
    "MetricName": "m",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 3,
    "Threshold": 10,
    "ComparisonOperator": "GreaterThanThreshold",
}
QUERY = {"Metric": {"Namespace": "App", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
BY_QUERIES = {name: REQUEST[name] for name in ("AlarmName", "EvaluationPeriods", "Threshold", "ComparisonOperator")}


@pytest.fixture
def put_alarm(client):
    def put(**changes):
        client.put_metric_alarm(**{name: value for name, value in {**REQUEST, **changes}.items() if value is not None})

    return put


def refusal(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"].get("Message", "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ComparisonOperator": "Bigger"}, "PutMetricAlarm request should have a valid ComparisonOperator parameter"),
        ({"Threshold": None}, "PutMetricAlarm request should have valid Threshold parameter"),
        ({"Threshold": float("nan")}, "PutMetricAlarm request should have valid Threshold parameter"),
        ({"DatapointsToAlarm": 4}, "DatapointsToAlarm must be less than or equal to EvaluationPeriods"),
        (
            {"TreatMissingData": "bad"},
            "Supported values for TreatMissingData are breaching, notBreaching, ignore, and missing.",
        ),
        (
            {"EvaluateLowSampleCountPercentile": "maybe"},
            "Supported options for EvaluateLowSampleCountPercentile are evaluate and ignore.",
        ),
        (
            {"EvaluateLowSampleCountPercentile": "ignore"},
            "Option evaluateLowSampleCountPercentile can not be applied with statistic Average. This option is enabled "
            "only for percentile statistics.",
        ),
        (
            {"ExtendedStatistic": "p90"},
            "PutMetricAlarm request can not be made with both Statistic and ExtendedStatistic parameters. Only one of "
            "them should be present",
        ),
        ({"Statistic": None}, "PutMetricAlarm request should have a Statistic parameter"),
        ({"MetricName": None}, "PutMetricAlarm request should have a MetricName parameter"),
        ({"Namespace": None}, "PutMetricAlarm request should have a Namespace parameter"),
        ({"Period": None}, "PutMetricAlarm request should have a Period parameter"),
        (
            {"Metrics": [{"Id": "q", "MetricStat": QUERY}]},
            "MetricName should not be set if list of Metrics is set.",
        ),
        ({"AlarmActions": ["no-arn"]}, "Invalid arn syntax: no-arn"),
        (
            {"Period": 600, "EvaluationPeriods": 145},
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400) for alarms "
            "using period < 3600",
        ),
        (
            {"Period": 3600, "EvaluationPeriods": 169},
            "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= 604800) for "
            "alarms using period >= 3600",
        ),
        ({"Period": 10}, "Period must be a multiple of 60: the stand-in keeps no metric of high resolution"),
        ({"ThresholdMetricId": "q"}, "The stand-in has no ThresholdMetricId."),
    ],
)
def test_alarms_that_can_not_work_are_refused(client, put_alarm, changes, message):
    """Captured: [stackd] alarm_controls; texts that name the stand-in are ours."""
    assert refusal(put_alarm, **changes) == (400, "ValidationError", message)
    assert client.describe_alarms()["MetricAlarms"] == []


def test_an_alarm_needs_evaluation_periods_and_a_known_statistic(client, put_alarm):
    """lambda-canary.md §5."""
    assert refusal(put_alarm, EvaluationPeriods=None)[2].endswith("should have an EvaluationPeriods parameter")
    assert refusal(put_alarm, Statistic=None, ExtendedStatistic="p101") == (
        400,
        "InvalidParameterValue",
        "The value p101 for parameter ExtendedStatistic is not supported.",
    )
    assert refusal(put_alarm, Statistic="p90")[1] == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (
            [{"Id": "a", "MetricStat": QUERY}, {"Id": "b", "Expression": "a*2"}],
            "Exactly one metric query must have ReturnData set to true.",
        ),
        ([{"Id": "b", "Expression": "missing*2"}], "Error in expression 'b': ID 'missing' not found"),
        ([{"Id": "B", "Expression": "1"}], "The value for parameter Metrics.member.1.Id is not matching the expected"),
        ([{"Id": "a", "MetricStat": QUERY, "Period": 60}], "Period must not be set for a query with MetricStat."),
    ],
)
def test_expressions_that_can_not_work_are_refused(client, queries, message):
    """API_PutMetricAlarm: one returned series; expressions are checked when the alarm is put."""
    status, code, text = refusal(client.put_metric_alarm, **BY_QUERIES, Metrics=queries)
    assert (status, code) == (400, "ValidationError")
    assert text.startswith(message)


def test_low_samples_of_queries_are_not_modelled(client):
    """A request that the stand-in can't keep is refused."""
    queries = [{"Id": "a", "MetricStat": QUERY}]
    assert (
        refusal(client.put_metric_alarm, **BY_QUERIES, Metrics=queries, EvaluateLowSampleCountPercentile="ignore")[2]
        == "The stand-in has no EvaluateLowSampleCountPercentile for a list of Metrics."
    )
