"""PutMetricData. Messages: [stackd] metrics, captured from AWS in September 2026."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

VALUE = "InvalidParameterValue"
COMBINATION = "InvalidParameterCombination"
SET = {"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2}


def refusal(client, namespace="App", **request):
    with pytest.raises(ClientError) as caught:
        client.put_metric_data(Namespace=namespace, **request)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Error"]["Code"], error["Error"]["Message"]


def datum(**members):
    return [{"MetricName": "m", **members}]


def test_a_value_an_array_with_counts_and_a_set_give_the_basic_statistics(put, ask):
    """API_MetricDatum: Counts repeat Values, 1 where absent; capture: 2,2,10,10,10 has the average 6.8."""
    put(0, Values=[2, 10], Counts=[2, 3])
    put(1, Values=[2, 4, 6])
    put(2, StatisticValues={"SampleCount": 3, "Sum": 15, "Minimum": 1, "Maximum": 9})
    put(3, Value=4)

    assert ask("Average") == {"09:00": 6.8, "09:01": 4.0, "09:02": 5.0, "09:03": 4.0}
    assert ask("SampleCount") == {"09:00": 5, "09:01": 3, "09:02": 3, "09:03": 1}
    assert ask("Maximum") == {"09:00": 10, "09:01": 6, "09:02": 9, "09:03": 4}
    assert ask("Minimum") == {"09:00": 2, "09:01": 2, "09:02": 1, "09:03": 4}


def test_the_aws_namespace_is_for_services_only(client):
    """Captured: admission-reserved-namespace."""
    assert refusal(client, "AWS/Lambda", MetricData=datum(Value=1)) == (
        VALUE,
        "The value AWS/ for parameter Namespace is invalid.",
    )


def test_the_error_has_the_modelled_exception_class(client):
    """The service model names InvalidParameterValueException for the code InvalidParameterValue."""
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.put_metric_data(Namespace="AWS/Lambda", MetricData=datum(Value=1))


def test_a_request_without_data_is_refused(client):
    """Captured: admission-empty-metric-data, admission-missing-metric-data."""
    message = "At least one MetricDatum object must be present in the request."
    assert refusal(client, MetricData=[]) == ("MissingParameter", message)
    assert refusal(client) == ("MissingParameter", message)


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({}, COMBINATION, "At least one of the parameters must be specified."),
        (
            {"Value": 1, "Values": [2]},
            COMBINATION,
            "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you "
            "have specified both.",
        ),
        (
            {"Value": 1, "StatisticValues": SET},
            COMBINATION,
            "The parameters MetricData.member.1.Value and MetricData.member.1.StatisticValues are mutually exclusive "
            "and you have specified both.",
        ),
        ({"Counts": [1]}, COMBINATION, "The parameter values must appears when the counts parameter is specified."),
        (
            {"Values": [1, 2], "Counts": [1]},
            VALUE,
            "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.",
        ),
        (
            {"Values": [1], "Counts": [-1]},
            VALUE,
            "The parameter MetricData.member.1.Counts must contain only values greater than 0.",
        ),
        (
            {"StatisticValues": {**SET, "SampleCount": 0}},
            VALUE,
            "The parameter MetricData.member.1.StatisticValues.SampleCount must be greater than 0.",
        ),
        (
            {"StatisticValues": {**SET, "Minimum": 9}},
            VALUE,
            "The parameter MetricData.member.1.StatisticValues.Maximum must be greater than "
            "MetricData.member.1.StatisticValues.Minimum.",
        ),
        (
            {"Value": 1, "StorageResolution": 2},
            VALUE,
            "The parameter MetricData.member.1.StorageResolution must be a value in the set [ 1, 60 ].",
        ),
        (
            {"Value": 1, "Dimensions": [{"Name": "A", "Value": "one"}, {"Name": "A", "Value": "two"}]},
            VALUE,
            "No metric may specify the same dimension name twice.",
        ),
    ],
)
def test_members_that_contradict_each_other_are_refused(client, members, code, message):
    """Captured: admission-*."""
    assert refusal(client, MetricData=datum(**members)) == (code, message)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 2.0**361, -(2.0**361)])
def test_values_that_are_no_numbers_or_beyond_two_to_the_360_are_refused(client, value):
    """API_MetricDatum: -2^360 to 2^360, special values are not supported."""
    code, message = refusal(client, MetricData=datum(Value=value))
    assert code == VALUE
    assert message.endswith("for parameter MetricData.member.1.Value is invalid.")
    assert refusal(client, MetricData=datum(Values=[1, value]))[0] == VALUE
    assert refusal(client, MetricData=datum(StatisticValues={**SET, "Sum": value}))[0] == VALUE


def test_the_largest_value_is_taken(put, ask):
    """API_MetricDatum: up to 2^360."""
    put(0, Value=2.0**360)
    assert ask("Sum") == {"09:00": 2.0**360}


def test_thirty_dimensions_are_the_limit(client):
    """API_MetricDatum: Dimensions, at most 30 items."""
    dimensions = [{"Name": f"d{number}", "Value": "v"} for number in range(31)]
    client.put_metric_data(Namespace="App", MetricData=datum(Value=1, Dimensions=dimensions[:30]))
    assert refusal(client, MetricData=datum(Value=1, Dimensions=dimensions))[0] == VALUE


def test_a_thousand_data_and_150_values_are_the_limits(client):
    """API_PutMetricData: 1000 different metrics; API_MetricDatum: 150 values."""
    client.put_metric_data(Namespace="App", MetricData=datum(Values=[1.0] * 150) * 1000)
    assert refusal(client, MetricData=datum(Value=1) * 1001)[0] == VALUE
    assert refusal(client, MetricData=datum(Values=[1.0] * 151))[0] == VALUE


def test_data_may_be_two_weeks_old_and_two_hours_early(aws, client):
    """Captured: timestamp-past-too-old, timestamp-future-too-new."""
    now = aws.clock.now()
    for valid in (now - timedelta(days=13, hours=23), now + timedelta(minutes=119)):
        client.put_metric_data(Namespace="App", MetricData=datum(Value=1, Timestamp=valid))
    assert refusal(client, MetricData=datum(Value=1, Timestamp=now - timedelta(days=15))) == (
        VALUE,
        "The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks.",
    )
    assert refusal(client, MetricData=datum(Value=1, Timestamp=now + timedelta(hours=3))) == (
        VALUE,
        "The parameter MetricData.member.1.Timestamp must specify a time no more than two hours in the future.",
    )


def test_nothing_of_a_refused_request_is_stored(client, ask):
    """API_PutMetricData is all or nothing."""
    assert refusal(client, MetricData=[*datum(Value=1), *datum()])[0] == COMBINATION
    assert ask("Sum") == {}


def test_statistic_sets_win_over_values(put, ask):
    """Captured: admission-values-and-statistic is accepted."""
    put(0, Values=[100], StatisticValues={"SampleCount": 1, "Sum": 2, "Minimum": 2, "Maximum": 2})
    assert ask("Sum") == {"09:00": 2}


def test_entities_are_not_modelled_and_said_to_be(client):
    """A request that the stand-in can't keep is refused, never dropped."""
    entity = {"Entity": {"KeyAttributes": {"Type": "Service", "Name": "n"}}, "MetricData": datum(Value=1)}
    assert refusal(client, EntityMetricData=[entity], StrictEntityValidation=True) == (
        COMBINATION,
        "The stand-in has no EntityMetricData.",
    )
