"""The alarm operations. Facts: lambda-canary.md §5; [stackd] alarm_controls; LocalStack's recorded answers."""

from __future__ import annotations

import json
from datetime import timedelta

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


@pytest.fixture
def described(client):
    def describe(**request):
        return client.describe_alarms(**request)["MetricAlarms"]

    return describe


def refusal(call, *args, **request):
    with pytest.raises(ClientError) as caught:
        call(*args, **request)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"].get("Message", "")


def test_an_alarm_is_described_with_everything_that_was_put(client, aws, put_alarm, described):
    """Captured: LocalStack test_put_metric_alarm and test_store_tags: lists are there when empty, defaults are not."""
    put_alarm(Unit="Seconds", Dimensions=[{"Name": "InstanceId", "Value": "abc"}], AlarmDescription="testing")
    (found,) = described()
    now = aws.clock.now()
    assert found == {
        "ActionsEnabled": True,
        "AlarmActions": [],
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors",
        "AlarmConfigurationUpdatedTimestamp": now,
        "AlarmDescription": "testing",
        "AlarmName": "errors",
        "ComparisonOperator": "GreaterThanThreshold",
        "Dimensions": [{"Name": "InstanceId", "Value": "abc"}],
        "EvaluationPeriods": 3,
        "InsufficientDataActions": [],
        "MetricName": "m",
        "Namespace": "App",
        "OKActions": [],
        "Period": 60,
        "StateReason": "Unchecked: Initial alarm creation",
        "StateTransitionedTimestamp": now,
        "StateUpdatedTimestamp": now,
        "StateValue": "INSUFFICIENT_DATA",
        "Statistic": "Average",
        "Threshold": 10.0,
        "Unit": "Seconds",
    }


def test_a_new_configuration_overwrites_all_of_the_old_one_and_keeps_the_state(client, aws, put_alarm, described):
    """API_PutMetricAlarm: the update completely overwrites the previous configuration; the state stays."""
    put_alarm(AlarmDescription="old", TreatMissingData="ignore")
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="drill")
    before = described()[0]
    aws.clock.advance(5)
    put_alarm(Threshold=20)
    (after,) = described()
    assert (after["StateValue"], after["StateReason"], after["Threshold"]) == ("ALARM", "drill", 20)
    assert after["StateUpdatedTimestamp"] == before["StateUpdatedTimestamp"]
    assert after["AlarmConfigurationUpdatedTimestamp"] == before["AlarmConfigurationUpdatedTimestamp"] + timedelta(
        seconds=5
    )
    assert not {"AlarmDescription", "TreatMissingData"} & set(after)


def test_the_same_configuration_again_changes_nothing(client, aws, put_alarm, described):
    """lambda-canary.md §5: identical complete writes preserve timestamps and history."""
    put_alarm()
    before = described()
    aws.clock.advance(5)
    put_alarm()
    assert described() == before
    assert len(client.describe_alarm_history()["AlarmHistoryItems"]) == 1


def test_the_period_of_a_returned_expression_is_the_alarms(client, aws):
    """API_MetricDataQuery: Period of an expression."""
    queries = [{"Id": "a", "MetricStat": QUERY, "ReturnData": False}, {"Id": "b", "Expression": "a*1", "Period": 60}]
    client.put_metric_alarm(**BY_QUERIES, Metrics=queries)
    assert len(client.describe_alarms()["MetricAlarms"]) == 1


def test_unknown_names_are_silently_absent(client, put_alarm):
    """lambda-canary.md §5: a misspelt alarm name gives no error."""
    put_alarm()
    names = [alarm["AlarmName"] for alarm in client.describe_alarms(AlarmNames=["errors", "misspelt"])["MetricAlarms"]]
    assert names == ["errors"]


def test_alarms_are_found_by_prefix_state_and_action(client, put_alarm, described):
    """API_DescribeAlarms."""
    topic = "arn:aws:sns:us-east-1:123456789012:alerts"
    put_alarm(AlarmName="app-a", OKActions=[topic])
    put_alarm(AlarmName="app-b")
    put_alarm(AlarmName="other")
    client.set_alarm_state(AlarmName="app-b", StateValue="ALARM", StateReason="")

    def names(**request):
        return [alarm["AlarmName"] for alarm in described(**request)]

    assert names(AlarmNamePrefix="app-") == ["app-a", "app-b"]
    assert names(StateValue="ALARM") == ["app-b"]
    assert names(AlarmNamePrefix="app-", StateValue="INSUFFICIENT_DATA") == ["app-a"]
    assert names(ActionPrefix="arn:aws:sns") == ["app-a"]
    assert names(ActionPrefix="arn:aws:lambda") == []


def test_alarms_come_in_pages(client, put_alarm):
    """API_DescribeAlarms: MaxRecords, NextToken."""
    for number in range(5):
        put_alarm(AlarmName=f"a{number}")
    pages = client.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [[alarm["AlarmName"] for alarm in page["MetricAlarms"]] for page in pages] == [
        ["a0", "a1"],
        ["a2", "a3"],
        ["a4"],
    ]
    assert refusal(client.describe_alarms, NextToken="invalid-token")[1] == "InvalidNextToken"


def test_alarms_of_a_metric_match_exactly(client, put_alarm):
    """Captured: for-metric-*: no dimensions, exact and reversed dimensions match, a subset does not."""
    pairs = [{"Name": "A", "Value": "one"}, {"Name": "B", "Value": "two"}]
    put_alarm(AlarmName="plain")
    put_alarm(AlarmName="dimensioned", Dimensions=pairs)
    client.put_metric_alarm(**{**BY_QUERIES, "AlarmName": "by-query"}, Metrics=[{"Id": "q", "MetricStat": QUERY}])

    def names(**request):
        found = client.describe_alarms_for_metric(Namespace="App", MetricName="m", **request)["MetricAlarms"]
        return [alarm["AlarmName"] for alarm in found]

    assert names() == ["plain"]
    assert names(Dimensions=pairs[::-1]) == ["dimensioned"]
    assert names(Dimensions=pairs[:1]) == []
    assert names(Statistic="Average", Period=60) == ["plain"]
    assert names(Statistic="Sum") == []
    assert names(Unit="Seconds") == []


def test_a_state_set_again_changes_nothing(client, aws, put_alarm, described):
    """Captured: supplement-same-state-new-reason: also the reason stays."""
    put_alarm()
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="first", StateReasonData='{"a":[1]}')
    before = described()
    aws.clock.advance(5)
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="second")
    assert described() == before
    assert (before[0]["StateReason"], before[0]["StateReasonData"]) == ("first", '{"a":[1]}')


def test_setting_a_state_needs_an_alarm_a_state_and_json(client, put_alarm):
    """Captured: missing-set-alarm-state; API_SetAlarmState: InvalidFormat."""
    put_alarm()
    assert refusal(client.set_alarm_state, AlarmName="missing", StateValue="OK", StateReason="") == (
        404,
        "ResourceNotFound",
        "",
    )
    assert refusal(client.set_alarm_state, AlarmName="errors", StateValue="BAD", StateReason="")[1] == "ValidationError"
    broken = {"AlarmName": "errors", "StateValue": "OK", "StateReason": "", "StateReasonData": "{"}
    assert refusal(client.set_alarm_state, **broken)[:2] == (400, "InvalidFormat")


def test_actions_are_switched_off_and_on_without_touching_the_state(client, aws, put_alarm, described):
    """Captured: disable-existing, enable-mixed-missing: unknown names are passed over."""
    put_alarm()
    aws.clock.advance(5)
    client.disable_alarm_actions(AlarmNames=["errors", "missing"])
    (found,) = described()
    assert found["ActionsEnabled"] is False
    assert found["AlarmConfigurationUpdatedTimestamp"] == aws.clock.now()
    assert found["StateUpdatedTimestamp"] == aws.clock.now() - timedelta(seconds=5)
    client.enable_alarm_actions(AlarmNames=["errors"])
    client.enable_alarm_actions(AlarmNames=["errors"])
    assert described()[0]["ActionsEnabled"] is True
    put_alarm(ActionsEnabled=False)
    assert described()[0]["ActionsEnabled"] is False


def test_deleting_passes_over_unknown_names_and_can_be_repeated(client, put_alarm, described):
    """Captured: delete-mixed-existing-missing, delete-idempotent."""
    put_alarm()
    for _ in range(2):
        client.delete_alarms(AlarmNames=["errors", "missing"])
        assert described() == []
    too_many = [f"a{number}" for number in range(101)]
    assert refusal(client.delete_alarms, AlarmNames=too_many)[1] == "ValidationError"


def test_history_lists_configuration_and_states_and_outlives_the_alarm(client, aws, put_alarm):
    """Captured: history-immediate-after-delete."""
    put_alarm()
    aws.clock.advance(1)
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="first", StateReasonData='{"z":2}')
    aws.clock.advance(1)
    put_alarm(Threshold=20)
    client.delete_alarms(AlarmNames=["errors"])
    items = client.describe_alarm_history(AlarmName="errors", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    assert [(item["HistoryItemType"], item["HistorySummary"]) for item in items] == [
        ("ConfigurationUpdate", 'Alarm "errors" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("ConfigurationUpdate", 'Alarm "errors" updated'),
        ("ConfigurationUpdate", 'Alarm "errors" deleted'),
    ]
    assert {item["AlarmType"] for item in items} == {"MetricAlarm"}
    assert json.loads(items[1]["HistoryData"]) == {
        "version": "1.0",
        "oldState": {"stateValue": "INSUFFICIENT_DATA", "stateReason": "Unchecked: Initial alarm creation"},
        "newState": {"stateValue": "ALARM", "stateReason": "first", "stateReasonData": {"z": 2}},
    }
    assert json.loads(items[0]["HistoryData"])["createdAlarm"]["alarmName"] == "errors"


def test_history_is_filtered_and_paged_newest_first(client, aws, put_alarm):
    """API_DescribeAlarmHistory; captured: history-invalid-token."""
    start = aws.clock.now()
    for name in ("a", "b"):
        put_alarm(AlarmName=name)
        aws.clock.advance(1)
        client.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="")

    def listed(**request):
        return [item["AlarmName"] for item in client.describe_alarm_history(**request)["AlarmHistoryItems"]]

    assert listed() == ["b", "b", "a", "a"]
    assert listed(HistoryItemType="StateUpdate") == ["b", "a"]
    assert listed(AlarmName="missing") == []
    assert listed(EndDate=start) == ["a"]
    assert listed(StartDate=start + timedelta(seconds=2)) == ["b"]
    pages = client.get_paginator("describe_alarm_history").paginate(PaginationConfig={"PageSize": 3})
    assert [len(page["AlarmHistoryItems"]) for page in pages] == [3, 1]
    assert refusal(client.describe_alarm_history, NextToken="invalid-token") == (
        400,
        "InvalidNextToken",
        "Invalid NextToken : invalid-token",
    )
