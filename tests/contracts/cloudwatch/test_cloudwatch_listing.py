"""GetMetricStatistics and ListMetrics."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

METRIC = {"Namespace": "App", "MetricName": "m"}


def refusal(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error.get("Message", "")


@pytest.fixture
def statistics(client, start):
    def get_statistics(first=0.0, last=10.0, **request):
        window = {"StartTime": start + timedelta(minutes=first), "EndTime": start + timedelta(minutes=last)}
        members = {**METRIC, **window, "Period": 60, "Statistics": ["Sum"], **request}
        return client.get_metric_statistics(**{name: value for name, value in members.items() if value != []})

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
    """lambda-canary.md §2.5: several unit rows per period; a datapoint without values is left out."""
    put(0, Value=1, Unit="Seconds")
    put(0, Value=1000, Unit="Milliseconds")
    put(1, Value=-1, Unit="Seconds")
    assert sorted(row["Unit"] for row in statistics()["Datapoints"]) == ["Milliseconds", "Seconds", "Seconds"]
    assert len(statistics(Unit="Seconds")["Datapoints"]) == 2
    rows = statistics(Statistics=["Sum"], ExtendedStatistics=["p50"], Unit="Seconds")["Datapoints"]
    assert ["ExtendedStatistics" in row for row in sorted(rows, key=lambda row: row["Sum"])] == [False, True]
    assert len(statistics(Statistics=[], ExtendedStatistics=["p50"], Unit="Seconds")["Datapoints"]) == 1


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
