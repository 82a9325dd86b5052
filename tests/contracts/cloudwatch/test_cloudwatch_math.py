"""Metric math: arithmetic and FILL, and a refusal for the rest. Facts: lambda-canary.md §2.4."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def math(client, put, start):
    """`e` is 1, -, 4 and `i` is 2, 0, 8 in the first three minutes; evaluates an expression over four."""
    for minute, error, invocation in ((0, 1, 2), (1, None, 0), (2, 4, 8)):
        if error is not None:
            put(minute, MetricName="errors", Value=error)
        put(minute, MetricName="invocations", Value=invocation)

    def evaluate(expression, **more):
        queries = [
            {
                "Id": name,
                "ReturnData": False,
                "MetricStat": {"Metric": {"Namespace": "App", "MetricName": metric}, "Period": 60, "Stat": "Sum"},
            }
            for name, metric in (("e", "errors"), ("i", "invocations"))
        ]
        (result,) = client.get_metric_data(
            MetricDataQueries=[*queries, {"Id": "x", "Expression": expression, **more}],
            StartTime=start,
            EndTime=start + timedelta(minutes=4),
        )["MetricDataResults"]
        minutes = [int((time - start).total_seconds() // 60) for time in result["Timestamps"]]
        return dict(zip(minutes, result["Values"], strict=True))

    return evaluate


@pytest.mark.parametrize(
    ("expression", "points"),
    [
        ("e", {0: 1, 2: 4}),
        ("e + i", {0: 3, 2: 12}),
        ("i - e", {0: 1, 2: 4}),
        ("100*e/i", {0: 50, 2: 50}),
        ("-e", {0: -1, 2: -4}),
        ("(e + 1) * (2 - 0.5)", {0: 3, 2: 7.5}),
        ("1 + 2 * e", {0: 3, 2: 9}),
        ("e * 1e2", {0: 100, 2: 400}),
        ("10 / i", {0: 5, 2: 1.25}),
        ("i / 2", {0: 1, 1: 0, 2: 4}),
    ],
)
def test_arithmetic_works_point_by_point_where_every_series_has_one(math, expression, points):
    """lambda-canary.md §2.4: operations need a point in each series; a division by zero gives none."""
    assert math(expression) == points


@pytest.mark.parametrize(
    ("expression", "points"),
    [
        ("FILL(e, 0)", {0: 1, 1: 0, 2: 4, 3: 0}),
        ("FILL(e, -1)", {0: 1, 1: -1, 2: 4, 3: -1}),
        ("FILL(e, i)", {0: 1, 1: 0, 2: 4}),
        ("FILL(e, REPEAT)", {0: 1, 1: 1, 2: 4, 3: 4}),
        ("FILL(e, LINEAR)", {0: 1, 1: 2.5, 2: 4}),
        ("FILL(e, 0) / FILL(i, 1)", {0: 0.5, 2: 0.5, 3: 0}),
    ],
)
def test_fill_gives_every_period_of_the_window_a_value(math, expression, points):
    """lambda-canary.md §2.4: with late data the newest minute is always the fill value."""
    assert math(expression) == points


def test_an_expression_may_use_another_one(client, put, start):
    """lambda-canary.md §2.4: expressions refer to ids."""
    put(0, Value=2)
    stat = {"Metric": {"Namespace": "App", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
    queries = [
        {"Id": "double", "Expression": "single*2"},
        {"Id": "single", "MetricStat": stat},
        {"Id": "quadruple", "Expression": "double*2", "Label": "four times"},
    ]
    results = client.get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=start + timedelta(minutes=1))
    assert [(row["Label"], row["Values"]) for row in results["MetricDataResults"]] == [
        ("m", [2]),
        ("double", [4]),
        ("four times", [8]),
    ]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("NOT_A_FUNCTION(e)", "Function 'NOT_A_FUNCTION' not found (the stand-in has arithmetic and FILL)"),
        ("SEARCH('{App} m', 'Sum')", "Function 'SEARCH' not found (the stand-in has arithmetic and FILL)"),
        ("IF(e > 1, 1, 0)", "Function 'IF' not found (the stand-in has arithmetic and FILL)"),
        ("missing + 1", "ID 'missing' not found"),
        ("x + 1", "Circular dependency on 'x'"),
        ("1 + 2", "The expression must return a time series or array of time series."),
        ("1 / 0 + e", "Division by zero"),
        ("e +", "Unexpected end of the expression"),
        ("e e", "Unsupported token 'e'"),
        ("e > 1", "Unsupported token '>'"),
        ("(e", "Expected ')' but found 'the end'"),
        ("*e", "Unsupported token '*'"),
        ("FILL(1, 0)", "FILL needs a time series"),
        ("FILL(e 0)", "Expected ',' but found '0'"),
    ],
)
def test_what_can_not_be_computed_is_a_validation_error(math, expression, message):
    """Captured: data-invalid-expression, "Error in expression 'bad': Function 'NOT_A_FUNCTION' not found"."""
    with pytest.raises(ClientError) as caught:
        math(expression)
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("ValidationError", f"Error in expression 'x': {message}")
