"""GetMetricData, GetMetricStatistics, ListMetrics: windows, periods, paging, refusals."""

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


def test_a_window_must_have_a_length(get):
    """[stackd] query_data.go: StartTime must come before EndTime."""
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


@pytest.fixture
def statistics(client, start):
    def get_statistics(first=0.0, last=10.0, **request):
        window = {"StartTime": start + timedelta(minutes=first), "EndTime": start + timedelta(minutes=last)}
        return client.get_metric_statistics(**{**METRIC, **window, "Period": 60, "Statistics": ["Sum"], **request})

    return get_statistics


def test_get_metric_statistics_gives_basic_and_extended_statistics(put, statistics):
    """Captured: statistics-Weighted, window-or-validation-both-stat-types."""
    put(0, Values=[2, 10], Counts=[2, 3])
    names = ["SampleCount", "Sum", "Minimum", "Maximum", "Average"]
    answer = statistics(Statistics=names, ExtendedStatistics=["p90", "PR(2:10)"])
    (row,) = answer["Datapoints"]
    del row["Timestamp"]
    assert answer["Label"] == "m"
    assert row == {
        "SampleCount": 5,
        "Sum": 34,
        "Minimum": 2,
        "Maximum": 10,
        "Average": 6.8,
        "Unit": "None",
        "ExtendedStatistics": {"p90": pytest.approx(9.974797183077614), "PR(2:10)": 100},
    }


def test_get_metric_statistics_has_one_row_per_unit_and_none_without_values(put, statistics):
    """[stackd] docs/cloudwatch.md: several unit rows per period; a datapoint without values is left out."""
    put(0, Value=1, Unit="Seconds")
    put(0, Value=1000, Unit="Milliseconds")
    put(1, Value=-1, Unit="Seconds")
    assert sorted(row["Unit"] for row in statistics()["Datapoints"]) == ["Milliseconds", "Seconds", "Seconds"]
    assert len(statistics(Unit="Seconds")["Datapoints"]) == 2
    rows = statistics(Statistics=["Sum"], ExtendedStatistics=["p50"], Unit="Seconds")["Datapoints"]
    assert ["ExtendedStatistics" in row for row in sorted(rows, key=lambda row: row["Sum"])] == [False, True]


def test_get_metric_statistics_refuses_what_aws_refuses(statistics):
    """Captured: window-or-validation-*."""
    assert refusal(statistics, first=1, last=1) == (
        "InvalidParameterValue",
        "The parameter StartTime must be less than the parameter EndTime.",
    )
    assert refusal(statistics, Period=7) == (
        "InvalidParameterValue",
        "The parameter Period must be a value in the set [1, 5, 10, 20, 30].",
    )
    assert refusal(statistics, last=1445) == (
        "InvalidParameterCombination",
        "You have requested up to 1445 datapoints, which exceeds the limit of 1440. You may reduce the datapoints "
        "requested by increasing Period, or decreasing the time range.",
    )
    assert refusal(statistics, Statistics=["Median"]) == (
        "InvalidParameterValue",
        "The parameter Statistics.member.1.<list element> must be a value in the set "
        "[SampleCount, Average, Sum, Minimum, Maximum].",
    )
    assert refusal(statistics, ExtendedStatistics=["p101"]) == (
        "InvalidParameterValue",
        "The value p101 for parameter ExtendedStatistics.member.1.<list element> is not supported.",
    )


def test_get_metric_statistics_needs_a_statistic(client, start):
    """API_GetMetricStatistics: Statistics or ExtendedStatistics, at least one."""
    request = {**METRIC, "StartTime": start, "EndTime": start + timedelta(minutes=1), "Period": 60}
    assert refusal(client.get_metric_statistics, **request)[0] == "InvalidParameterCombination"


@pytest.fixture
def listed(client, aws):
    """Puts some metrics and waits until they are listed."""
    for name, dimensions in (("m", {}), ("m", {"A": "one"}), ("m", {"A": "one", "B": "two"}), ("n", {"A": "two"})):
        pairs = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        for _ in range(3):
            client.put_metric_data(Namespace="App", MetricData=[{"MetricName": name, "Value": 1, "Dimensions": pairs}])
    aws.clock.advance(15 * 60)

    def names(**request):
        rows = client.list_metrics(**request)["Metrics"]
        return [(row["MetricName"], {item["Name"]: item["Value"] for item in row["Dimensions"]}) for row in rows]

    return names


def test_list_metrics_has_each_metric_once(listed):
    """lambda-canary.md §7: moto has one row per datum, AWS one per metric."""
    both = {"A": "one", "B": "two"}
    assert listed() == [("m", {}), ("m", {"A": "one"}), ("m", both), ("n", {"A": "two"})]
    assert listed(Namespace="Other") == []
    assert listed(MetricName="n") == [("n", {"A": "two"})]


def test_list_metrics_filters_by_some_of_the_dimensions(listed):
    """Captured: list-subset-name, list-subset-value, list-wrong-dimension."""
    both = {"A": "one", "B": "two"}
    assert listed(Dimensions=[{"Name": "A"}]) == [("m", {"A": "one"}), ("m", both), ("n", {"A": "two"})]
    assert listed(Dimensions=[{"Name": "A", "Value": "one"}]) == [("m", {"A": "one"}), ("m", both)]
    assert listed(Dimensions=[{"Name": "Z"}]) == []


def test_a_new_metric_is_listed_a_quarter_of_an_hour_later(client, aws, put, ask):
    """lambda-canary.md §2.2: ListMetrics may lag 15 minutes; the data is there by exact dimensions."""
    put(0, Value=1)
    assert client.list_metrics()["Metrics"] == []
    assert ask("Sum") == {"09:00": 1}
    aws.clock.advance(15 * 60)
    assert len(client.list_metrics()["Metrics"]) == 1
    aws.clock.advance(3 * 3600)
    assert client.list_metrics(RecentlyActive="PT3H")["Metrics"] == []


def test_list_metrics_pages_by_five_hundred(client, aws):
    """API_ListMetrics: up to 500 results a call."""
    data = [{"MetricName": f"m{number:03}", "Value": 1} for number in range(501)]
    client.put_metric_data(Namespace="App", MetricData=data)
    aws.clock.advance(15 * 60)
    pages = [len(page["Metrics"]) for page in client.get_paginator("list_metrics").paginate()]
    assert pages == [500, 1]
    assert refusal(client.list_metrics, NextToken="invalid-owned-token") == (
        "InvalidParameterValue",
        "Request parameter NextToken is invalid",
    )
    assert refusal(client.list_metrics, RecentlyActive="PT1H") == (
        "InvalidParameterValue",
        "Request parameter recentlyActive value is invalid",
    )
