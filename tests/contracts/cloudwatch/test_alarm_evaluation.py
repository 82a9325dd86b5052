"""How a metric alarm gets its state. Facts: AlarmThatSendsEmail.md (AWS user guide), [stackd] alarm_evaluation.json."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from canary.testing.cloudwatch.evaluation import Criteria, Point, judge

NOW = datetime(2026, 9, 14, 5, 45, tzinfo=UTC)
END_S = int(NOW.timestamp())
KEPT, ALARM, OK, NO_DATA = None, "ALARM", "OK", "INSUFFICIENT_DATA"
MODES = ("missing", "ignore", "breaching", "notBreaching")


def criteria(**changes):
    return Criteria(
        **{
            "comparison": "GreaterThanThreshold",
            "threshold": 50.0,
            "periods": 3,
            "needed": 3,
            "period_s": 60,
            **changes,
        }
    )


def points(drawn, period_s=60):
    """`0 - X` as points: good, missing, bad, oldest first."""
    signs = drawn.split()
    return [
        Point(END_S - (len(signs) - place) * period_s, 100.0 if sign == "X" else 0.0, 1.0)
        for place, sign in enumerate(signs)
        if sign != "-"
    ]


THREE_OF_THREE = [
    ("0 - X - X", OK, OK, OK, OK),
    ("0 - - - -", OK, OK, OK, OK),
    ("- - - - -", NO_DATA, KEPT, ALARM, OK),
    ("0 X X - X", ALARM, ALARM, ALARM, ALARM),
    ("- - - - X", NO_DATA, KEPT, ALARM, OK),
    ("X - - - -", ALARM, KEPT, ALARM, OK),
]
TWO_OF_THREE = [
    ("0 - X - X", ALARM, ALARM, ALARM, ALARM),
    ("0 0 X 0 X", ALARM, ALARM, ALARM, ALARM),
    ("0 - X - -", OK, OK, ALARM, OK),
    ("- - - - 0", OK, OK, ALARM, OK),
    ("- - - - X", NO_DATA, KEPT, ALARM, OK),
]
TABLE = [
    (needed, drawn, mode, state)
    for needed, rows in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    for drawn, *states in rows
    for mode, state in zip(MODES, states, strict=True)
]


@pytest.mark.parametrize(("needed", "drawn", "mode", "state"), TABLE)
def test_missing_data_is_treated_as_the_user_guide_says(needed, drawn, mode, state):
    """AlarmThatSendsEmail.md, the two tables: 5 points are retrieved for 3 evaluation periods."""
    verdict = judge(criteria(needed=needed, missing=mode), points(drawn), END_S, NOW)
    assert verdict.state == state


@pytest.mark.parametrize(
    ("drawn", "state"), [("- - - X -", ALARM), ("- - - - X", NO_DATA), ("- - - X X", ALARM), ("- - 0 - X", OK)]
)
def test_a_lone_breach_is_premature_until_it_is_m_periods_old(drawn, state):
    """Captured: isolated-premature-m2: one breaching and one missing point put a 2 of 3 alarm into ALARM."""
    assert judge(criteria(needed=2), points(drawn), END_S, NOW).state == state


@pytest.mark.parametrize(
    ("comparison", "breaching", "fine"),
    [
        ("GreaterThanThreshold", 50.1, 50.0),
        ("GreaterThanOrEqualToThreshold", 50.0, 49.9),
        ("LessThanThreshold", 49.9, 50.0),
        ("LessThanOrEqualToThreshold", 50.0, 50.1),
    ],
)
def test_values_are_compared_as_the_operator_says(comparison, breaching, fine):
    """API_PutMetricAlarm: ComparisonOperator."""
    rule = criteria(comparison=comparison, periods=1, needed=1)
    assert judge(rule, [Point(END_S - 60, breaching)], END_S, NOW).state == ALARM
    assert judge(rule, [Point(END_S - 60, fine)], END_S, NOW).state == OK


def reason(drawn, **changes):
    return judge(criteria(**changes), points(drawn), END_S, NOW).reason


def test_reasons_are_worded_as_in_aws():
    """Captured: LocalStack test_put_metric_alarm and test_breaching_alarm_actions; [stackd] alarm_evaluation.json."""
    assert reason("X", periods=1, needed=1) == (
        "Threshold Crossed: 1 datapoint [100.0 (14/09/26 05:44:00)] was greater than the threshold (50.0)."
    )
    assert reason("0", periods=1, needed=1) == (
        "Threshold Crossed: 1 datapoint [0.0 (14/09/26 05:44:00)] was not greater than the threshold (50.0)."
    )
    assert reason("X 0 X", needed=2) == (
        "Threshold Crossed: 2 out of the last 3 datapoints [100.0 (14/09/26 05:44:00), 100.0 (14/09/26 05:42:00)] "
        "were greater than the threshold (50.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    assert reason("X 0 X") == (
        "Threshold Crossed: 1 out of the last 3 datapoints [0.0 (14/09/26 05:43:00)] was not greater than the "
        "threshold (50.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )
    assert reason("- -", periods=2, needed=2, missing="breaching") == (
        "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as "
        "[Breaching]."
    )
    assert reason("-", periods=1, needed=1, missing="notBreaching") == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as "
        "[NonBreaching]."
    )
    assert reason("- - -") == "Insufficient Data: 3 datapoints were unknown."


def test_reason_data_lists_the_points_that_decided():
    """Captured: [stackd] alarm_evaluation.json, dense-oldest-breach-expires."""
    rule = criteria(needed=2, statistic="Average", unit="Count")
    verdict = judge(rule, points("- - 0 X -"), END_S, NOW)
    assert (verdict.state, json.loads(verdict.reason_data)) == (
        OK,
        {
            "version": "1.0",
            "queryDate": "2026-09-14T05:45:00.000+0000",
            "startDate": "2026-09-14T05:42:00.000+0000",
            "unit": "Count",
            "statistic": "Average",
            "period": 60,
            "recentDatapoints": [0.0, 100.0],
            "threshold": 50.0,
            "evaluatedDatapoints": [
                {"timestamp": "2026-09-14T05:44:00.000+0000"},
                {"timestamp": "2026-09-14T05:42:00.000+0000", "sampleCount": 1.0, "value": 0.0},
            ],
        },
    )


def test_reason_data_of_no_data_and_of_gaps():
    """Captured: dense-all-points-expire (no startDate); gaps between points are null (recentDatapoints)."""
    data = json.loads(judge(criteria(), [], END_S, NOW).reason_data)
    assert "startDate" not in data
    assert data["recentDatapoints"] == []
    assert [row["timestamp"][11:16] for row in data["evaluatedDatapoints"]] == ["05:44", "05:43", "05:42"]
    gaps = json.loads(judge(criteria(needed=2), points("X - - X -"), END_S, NOW).reason_data)
    assert gaps["recentDatapoints"] == [100.0, None, None, 100.0]


@pytest.mark.parametrize(
    ("percentile", "samples", "state"), [(95, 199, KEPT), (95, 200, ALARM), (10, 99, KEPT), (10, 100, ALARM)]
)
def test_a_percentile_of_few_samples_decides_nothing_where_asked(percentile, samples, state):
    """AlarmThatSendsEmail.md, low data samples: 10/(1-p), or 10/p below the median; p95 needs 200."""
    rule = criteria(periods=1, needed=1, percentile=float(percentile))
    assert judge(rule, [Point(END_S - 60, 100.0, float(samples))], END_S, NOW).state == state


# From here on through the API, on the clock.


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
    """[stackd] docs/cloudwatch.md: an unchanged evaluated state retains timestamp and reason."""
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
