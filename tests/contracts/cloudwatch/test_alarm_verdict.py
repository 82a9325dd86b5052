"""How a metric alarm gets its state. Facts: lambda-canary.md §5; recording: [stackd] alarm_evaluation."""

from __future__ import annotations

import json
from datetime import UTC, datetime

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
    """lambda-canary.md §5, the two tables: 5 points are retrieved for 3 evaluation periods."""
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
    """Captured: LocalStack test_put_metric_alarm and test_breaching_alarm_actions; [stackd] alarm_evaluation."""
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
    """Captured: [stackd] alarm_evaluation, dense-oldest-breach-expires."""
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
    """lambda-canary.md §2.3, low data samples: 10/(1-p), or 10/p below the median; p95 needs 200."""
    rule = criteria(periods=1, needed=1, percentile=float(percentile))
    assert judge(rule, [Point(END_S - 60, 100.0, float(samples))], END_S, NOW).state == state
