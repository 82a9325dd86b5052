"""A metric alarm on the clock. Facts: lambda-canary.md §5."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest


@pytest.fixture
def alarm(client):
    def put_alarm(name="errors", **changes):
        request = {
            "AlarmName": name,
            "Namespace": "App",
            "MetricName": "m",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 5,
            "ComparisonOperator": "GreaterThanThreshold",
            **changes,
        }
        client.put_metric_alarm(**{key: value for key, value in request.items() if value is not None})

    return put_alarm


@pytest.fixture
def state(client):
    def described(name="errors"):
        (found,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return found

    return described


def put_now(client, value, **datum):
    client.put_metric_data(Namespace="App", MetricData=[{"MetricName": "m", "Value": value, **datum}])


def test_an_alarm_starts_in_insufficient_data(alarm, state, aws):
    """lambda-canary.md §5: real metric alarms start in INSUFFICIENT_DATA, moto's in OK."""
    alarm()
    found = state()
    assert (found["StateValue"], found["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    assert found["StateUpdatedTimestamp"] == found["StateTransitionedTimestamp"] == aws.clock.now()
    assert "StateReasonData" not in found


def test_an_alarm_follows_its_metric_on_the_clock(client, aws, alarm, state):
    """API_PutMetricAlarm: the alarm is evaluated and its state is set; evaluations come each minute."""
    alarm()
    put_now(client, 3)
    aws.clock.advance(60)
    assert state()["StateValue"] == "OK"
    put_now(client, 9)
    began = aws.clock.now()
    aws.clock.advance(60)
    found = state()
    assert (found["StateValue"], found["StateTransitionedTimestamp"]) == ("ALARM", began + timedelta(minutes=1))
    assert json.loads(found["StateReasonData"])["recentDatapoints"] == [9.0]


def test_an_unchanged_state_keeps_its_reason_and_its_times(client, aws, alarm, state):
    """lambda-canary.md §5: an unchanged evaluated state retains timestamp and reason."""
    alarm()
    put_now(client, 9)
    aws.clock.advance(60)
    first = state()
    put_now(client, 99)
    aws.clock.advance(60)
    assert state() == first


def test_an_alarm_goes_on_with_older_points_and_then_has_no_data(client, aws, alarm, state):
    """lambda-canary.md §5: alarms re-use older real points, so ALARM stays for a while after the metric stopped."""
    alarm()
    put_now(client, 9)
    states = []
    for _ in range(5):
        aws.clock.advance(60)
        states.append(state()["StateValue"])
    assert states == ["ALARM", "ALARM", "ALARM", "INSUFFICIENT_DATA", "INSUFFICIENT_DATA"]


def test_m_out_of_n_needs_m(client, aws, alarm, state):
    """API_PutMetricAlarm: DatapointsToAlarm."""
    alarm(EvaluationPeriods=3, DatapointsToAlarm=2)
    states = []
    for value in (9, 1, 1, 9, 1, 9):
        put_now(client, value)
        aws.clock.advance(60)
        states.append(state()["StateValue"])
    assert states == ["INSUFFICIENT_DATA", "OK", "OK", "OK", "OK", "ALARM"]


def test_longer_periods_are_added_up(client, aws, alarm, state):
    """A period of five minutes is one point, looked at every minute."""
    alarm(Period=300, Threshold=4)
    for _ in range(6):
        put_now(client, 1)
        aws.clock.advance(60)
    assert state()["StateValue"] == "ALARM"


def test_extended_statistics_can_alarm(client, aws, alarm, state):
    """lambda-canary.md §2.3: alarms take PR with absolute values and percentiles."""
    alarm("p", Statistic=None, ExtendedStatistic="p90", Threshold=2000)
    alarm("pr", Statistic=None, ExtendedStatistic="PR(2048.4002145:)", Threshold=5)
    put_now(client, 3000)
    aws.clock.advance(60)
    assert state("p")["StateValue"] == state("pr")["StateValue"] == "ALARM"


def test_low_samples_of_a_percentile_leave_the_state(client, aws, alarm, state):
    """API_PutMetricAlarm: EvaluateLowSampleCountPercentile=ignore; p90 needs 100 samples."""
    alarm(Statistic=None, ExtendedStatistic="p90", EvaluateLowSampleCountPercentile="ignore")
    client.put_metric_data(Namespace="App", MetricData=[{"MetricName": "m", "Values": [9], "Counts": [99]}])
    aws.clock.advance(60)
    assert state()["StateValue"] == "INSUFFICIENT_DATA"
    client.put_metric_data(Namespace="App", MetricData=[{"MetricName": "m", "Values": [9], "Counts": [100]}])
    aws.clock.advance(60)
    assert state()["StateValue"] == "ALARM"


def ratio(expression="100*e/FILL(i,1)"):
    def stat(name):
        return {"Metric": {"Namespace": "App", "MetricName": name}, "Period": 60, "Stat": "Sum"}

    return [
        {"Id": "e", "MetricStat": stat("m"), "ReturnData": False},
        {"Id": "i", "MetricStat": stat("i"), "ReturnData": False},
        {"Id": "share", "Expression": expression, "Label": "error share"},
    ]


SCALARS = dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period"))


def test_an_expression_can_alarm(client, aws, alarm, state):
    """API_PutMetricAlarm: Metrics with one returned expression."""
    alarm(**SCALARS, Metrics=ratio(), Threshold=5)
    put_now(client, 6)
    put_now(client, 100, MetricName="i")
    aws.clock.advance(60)
    found = state()
    assert found["StateValue"] == "ALARM"
    assert json.loads(found["StateReasonData"])["evaluatedDatapoints"][0]["value"] == 6.0
    assert found["Metrics"][2]["Expression"] == "100*e/FILL(i,1)"
    assert found["Dimensions"] == []


def test_partial_data_decides_nothing_and_is_shown(client, aws, alarm, state):
    """lambda-canary.md §5: EvaluationState PARTIAL_DATA, EVALUATION_ERROR and EVALUATION_FAILURE are not OK."""
    alarm()
    put_now(client, 9)
    for status, shown in (
        ("PartialData", "PARTIAL_DATA"),
        ("InternalError", "EVALUATION_FAILURE"),
        ("Forbidden", "EVALUATION_ERROR"),
    ):
        rule = aws.cloudwatch.partial("App", status=status)
        aws.clock.advance(60)
        assert (state()["StateValue"], state()["EvaluationState"]) == ("INSUFFICIENT_DATA", shown)
        aws.cloudwatch.restore(rule)
    put_now(client, 9)
    aws.clock.advance(60)
    assert state()["StateValue"] == "ALARM"
    assert "EvaluationState" not in state()


def test_a_deleted_alarm_is_evaluated_no_more(client, aws, alarm):
    """Nothing happens to an alarm that is gone."""
    alarm()
    aws.clock.advance(60)
    client.delete_alarms(AlarmNames=["errors"])
    put_now(client, 9)
    aws.clock.advance(120)
    kinds = [item["HistorySummary"] for item in client.describe_alarm_history(AlarmName="errors")["AlarmHistoryItems"]]
    assert kinds == ['Alarm "errors" deleted', 'Alarm "errors" created']


def test_a_state_set_by_hand_lasts_until_the_next_evaluation(client, aws, alarm, state):
    """API_SetAlarmState: the state returns to what the metric says."""
    alarm()
    put_now(client, 1)
    aws.clock.advance(60)
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="drill")
    assert (state()["StateValue"], state()["StateReason"]) == ("ALARM", "drill")
    aws.clock.advance(60)
    assert state()["StateValue"] == "OK"
