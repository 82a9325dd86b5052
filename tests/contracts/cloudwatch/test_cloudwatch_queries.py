"""GetMetricData: windows, periods, paging, refusals."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

METRIC = {"Namespace": "App", "MetricName": "m"}


def query(name="q", stat="Sum", period=60, **more):
    return {"Id": name, "MetricStat": {"Metric": METRIC, "Period": period, "Stat": stat}, **more}


@pytest.fixture
def get(client, start):
    """Asks from so many minutes after `start` for so long."""

    def get_data(*queries, first=0.0, last=10.0, **request):
        return client.get_metric_data(
            MetricDataQueries=queries,
            StartTime=start + timedelta(minutes=first),
            EndTime=start + timedelta(minutes=last),
            **request,
        )

    return get_data


def refusal(call, *args, **request):
    with pytest.raises(ClientError) as caught:
        call(*args, **request)
    error = caught.value.response["Error"]
    return error["Code"], error.get("Message", "")


def minutes(start, result):
    return [int((time - start).total_seconds() // 60) for time in result["Timestamps"]]


def test_dimensions_match_exactly_and_in_any_order(client, put, ask):
    """lambda-canary.md §2.1: one dimension more or less gives no data."""
    function = {"Name": "FunctionName", "Value": "api"}
    resource = {"Name": "Resource", "Value": "api:live"}
    put(0, Value=3, Dimensions=[function, resource])
    put(0, Value=5, Dimensions=[resource, function])
    put(0, Value=7, Dimensions=[function])
    assert ask("Sum", Dimensions=[function, resource]) == {"09:00": 8}
    assert ask("Sum", Dimensions=[resource, function]) == {"09:00": 8}
    assert ask("Sum", Dimensions=[function]) == {"09:00": 7}
    assert ask("Sum") == {}
    assert ask("Sum", Dimensions=[resource]) == {}
    assert ask("Sum", Namespace="Other", Dimensions=[function]) == {}


def test_the_start_is_inclusive_and_rounded_down_the_end_exclusive(put, get, start):
    """lambda-canary.md §2.2; captured: window-or-validation-unaligned-start, -unaligned-end, -inclusive-exclusive."""
    for minute in range(5):
        put(minute, Value=1)
    assert minutes(start, get(query(), first=1, last=2)["MetricDataResults"][0]) == [1]
    assert minutes(start, get(query(), first=1.5, last=3)["MetricDataResults"][0]) == [2, 1]
    assert minutes(start, get(query(), first=0, last=1.5)["MetricDataResults"][0]) == [0]


def test_longer_periods_begin_at_the_start_of_the_request(put, get, start):
    """lambda-canary.md §2.2: align both ends to the period, or buckets shift."""
    for minute in range(10):
        put(minute, Value=1)
    aligned = get(query(period=300), first=0)["MetricDataResults"][0]
    assert (minutes(start, aligned), aligned["Values"]) == ([5, 0], [5, 5])
    shifted = get(query(period=300), first=2)["MetricDataResults"][0]
    assert (minutes(start, shifted), shifted["Values"]) == ([7, 2], [3, 5])


@pytest.mark.parametrize("period", [1, 5, 10, 20, 30])
def test_short_periods_give_minutes_of_a_standard_metric(put, get, start, period):
    """Captured: resolution-Standard-*; a metric of standard resolution has no shorter periods."""
    put(0.1, Value=2)
    put(0.9, Value=3)
    result = get(query(period=period))["MetricDataResults"][0]
    assert (minutes(start, result), result["Values"]) == ([0], [5])


def test_points_come_newest_first_unless_asked_otherwise(put, get):
    """Captured: data-default-descending, data-ascending."""
    for minute, value in enumerate([4, 8, 16]):
        put(minute, Value=value)
    assert get(query())["MetricDataResults"][0]["Values"] == [16, 8, 4]
    assert get(query(), ScanBy="TimestampDescending")["MetricDataResults"][0]["Values"] == [16, 8, 4]
    assert get(query(), ScanBy="TimestampAscending")["MetricDataResults"][0]["Values"] == [4, 8, 16]


def test_a_page_holds_max_datapoints_and_says_that_more_is_to_come(put, get):
    """Captured: data-page-*: cut results are PartialData, the last page is Complete and has no token."""
    for minute, value in enumerate([4, 4, 8, 16, 32]):
        put(minute, Value=value)
    pages, token = [], {}
    while True:
        answer = get(query(), MaxDatapoints=2, ScanBy="TimestampAscending", **token)
        pages.append((answer["MetricDataResults"][0]["Values"], answer["MetricDataResults"][0]["StatusCode"]))
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert pages == [([4, 4], "PartialData"), ([8, 16], "PartialData"), ([32], "Complete")]


def test_the_paginator_of_boto3_collects_every_series(client, put, start):
    """boto3's paginator sends MaxDatapoints and NextToken."""
    for minute in range(7):
        put(minute, Value=minute)
    pages = client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query("a"), query("b", "SampleCount")],
        StartTime=start,
        EndTime=start + timedelta(minutes=10),
        PaginationConfig={"PageSize": 3},
    )
    found = {"a": [], "b": []}
    for page in pages:
        for result in page["MetricDataResults"]:
            found[result["Id"]] += result["Values"]
    assert found == {"a": [6, 5, 4, 3, 2, 1, 0], "b": [1] * 7}


def test_a_token_of_another_request_is_refused(put, get):
    """Captured: data-invalid-token."""
    put(0, Values=[1])
    put(1, Values=[1])
    token = get(query(), MaxDatapoints=1)["NextToken"]
    assert refusal(get, query(), NextToken="invalid-owned-token") == ("InvalidNextToken", "")
    assert refusal(get, query("other"), MaxDatapoints=1, NextToken=token) == ("InvalidNextToken", "")


def test_five_hundred_queries_are_the_limit(get):
    """lambda-canary.md §2.2: 500 queries per call."""
    many = [query(f"q{number}") for number in range(501)]
    assert len(get(*many[:500])["MetricDataResults"]) == 500
    assert refusal(get, *many)[0] == "ValidationError"


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([query("m"), query("m")], "The values for parameter id in MetricDataQueries are not unique."),
        (
            [query("Bad")],
            "The value for parameter MetricDataQueries.member.1.Id is not matching the expected pattern "
            "^[a-z][a-zA-Z0-9_]*$.",
        ),
        (
            [query(Expression="1+1")],
            "The parameters MetricDataQueries.member.1.Expression and MetricDataQueries.member.1.MetricStat are "
            "mutually exclusive and you have specified both.",
        ),
        ([{"Id": "q"}], "The parameter MetricDataQueries.member.1 must have either Expression or MetricStat."),
    ],
)
def test_queries_that_can_not_be_run_are_refused(get, queries, message):
    """Captured: data-duplicate-id, data-invalid-id, data-expression-and-metric (the last text is ours)."""
    assert refusal(get, *queries) == ("ValidationError", message)


def test_periods_are_minutes_or_short(get):
    """API_MetricStat: 1, 5, 10, 20, 30 or a multiple of 60."""
    for period in (7, 45, 90, 61):
        assert refusal(get, query(period=period))[0] == "ValidationError"
    assert refusal(get, query(), {"Id": "e", "Expression": "q+1", "Period": 90})[0] == "ValidationError"


def test_a_metric_needs_a_name_and_a_namespace(get):
    """API_MetricStat: a metric without either can't be found."""
    for metric in ({"Namespace": "App"}, {"MetricName": "m"}):
        stat = {"Metric": metric, "Period": 60, "Stat": "Sum"}
        assert refusal(get, {"Id": "q", "MetricStat": stat})[0] == "ValidationError"


def test_a_window_must_have_a_length(get):
    """lambda-canary.md §2.5: StartTime must come before EndTime."""
    assert refusal(get, query(), first=1, last=1) == (
        "ValidationError",
        "The parameter StartTime must not equal parameter EndTime.",
    )
    assert refusal(get, query(), first=2, last=1)[0] == "ValidationError"
    assert refusal(get, query(), MaxDatapoints=0)[0] == "ValidationError"
    assert refusal(get, query(), MaxDatapoints=100_801)[0] == "ValidationError"


def test_hidden_queries_give_no_result_and_metrics_come_before_expressions(put, get):
    """API_MetricDataQuery: ReturnData; captured: metrics precede expressions."""
    put(0, Value=2)
    answer = get({"Id": "e", "Expression": "a*b"}, query("a", ReturnData=False), query("b"))
    assert [(result["Id"], result["Values"]) for result in answer["MetricDataResults"]] == [("b", [2]), ("e", [4])]


def test_labels_name_the_metric_the_expression_or_what_the_caller_says(put, get):
    """Captured: Label is the metric's name, with the statistic where a metric is asked twice ("Weighted p90")."""
    put(0, Value=2)
    results = get(query("a", "p90"), query("b", "tm90"), query("c", Label="mine"), {"Id": "e", "Expression": "a+b"})[
        "MetricDataResults"
    ]
    assert [result["Label"] for result in results] == ["m p90", "m tm90", "mine", "e"]
    assert get(query())["MetricDataResults"][0]["Label"] == "m"


def test_units_are_never_added_up(put, get, ask):
    """Captured: data-units: one unit answers, and a message names all."""
    put(0, Value=1, Unit="Seconds")
    put(0, Value=1000, Unit="Milliseconds")
    both = get(query())["MetricDataResults"][0]
    assert both["Values"] == [1000]
    assert both["StatusCode"] == "Complete"
    assert both["Messages"] == [
        {"Code": "MultipleUnits", "Value": "Multiple units returned: '[Milliseconds, Seconds]'"}
    ]
    for unit, value in (("Seconds", [1]), ("Milliseconds", [1000]), ("Bytes", [])):
        stat = {"Metric": METRIC, "Period": 60, "Stat": "Sum", "Unit": unit}
        assert get({"Id": "q", "MetricStat": stat})["MetricDataResults"][0]["Values"] == value


def test_another_account_is_forbidden_in_its_result_only(put, get):
    """Captured: data-wrong-account."""
    put(0, Value=1)
    mine, other, sum_ = get(
        query("mine", AccountId="123456789012"),
        query("other", AccountId="111111111111"),
        {"Id": "both", "Expression": "mine+other"},
    )["MetricDataResults"]
    message = {
        "Code": "Forbidden",
        "Value": "Access denied when getting data - please check that this account and the requested metric account "
        "are linked",
    }
    assert (mine["Values"], mine["StatusCode"]) == ([1], "Complete")
    for result in (other, sum_):
        assert (result["Values"], result["StatusCode"], result["Messages"]) == ([], "Forbidden", [message])
