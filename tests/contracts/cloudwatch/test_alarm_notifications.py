"""What an alarm sends. Form captured: [stackd] sns_publications, LocalStack test_put_metric_alarm."""

from __future__ import annotations

import json

import pytest

QUERY = {"Metric": {"Namespace": "App", "MetricName": "m"}, "Period": 60, "Stat": "Average", "Unit": "Percent"}


@pytest.fixture
def put_alarm(client, inbox):
    def put(**changes):
        request = {
            "AlarmName": "errors",
            "AlarmActions": [inbox.topic],
            "Namespace": "App",
            "MetricName": "m",
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 2,
            "ComparisonOperator": "GreaterThanThreshold",
            **changes,
        }
        client.put_metric_alarm(**{name: value for name, value in request.items() if value is not None})

    return put


@pytest.fixture
def set_state(client):
    def set_to(value, name="errors"):
        client.set_alarm_state(AlarmName=name, StateValue=value, StateReason="testing alarm")

    return set_to


def test_a_transition_is_published_with_aws_own_document(aws, inbox, put_alarm, set_state):
    """Captured: alarm-state-sqs-msg; case long-ascii."""
    put_alarm(
        AlarmDescription="testing cloudwatch alarms",
        Dimensions=[{"Name": "InstanceId", "Value": "abc"}],
        Unit="Seconds",
        TreatMissingData="ignore",
        DatapointsToAlarm=1,
        OKActions=[inbox.topic],
    )
    aws.clock.advance(1.5)
    set_state("ALARM")
    (envelope,) = inbox.read()
    assert envelope["Subject"] == 'ALARM: "errors" in US East (N. Virginia)'
    assert json.loads(envelope["Message"]) == {
        "AlarmName": "errors",
        "AlarmDescription": "testing cloudwatch alarms",
        "AWSAccountId": "123456789012",
        "AlarmConfigurationUpdatedTimestamp": "2026-01-05T09:30:00.000+0000",
        "NewStateValue": "ALARM",
        "NewStateReason": "testing alarm",
        "StateChangeTime": "2026-01-05T09:30:01.500+0000",
        "Region": "US East (N. Virginia)",
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors",
        "OldStateValue": "INSUFFICIENT_DATA",
        "ActionExecutedAfterMuteWindow": False,
        "OKActions": [inbox.topic],
        "AlarmActions": [inbox.topic],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "m",
            "Namespace": "App",
            "StatisticType": "Statistic",
            "Statistic": "AVERAGE",
            "Unit": "Seconds",
            "Dimensions": [{"value": "abc", "name": "InstanceId"}],
            "Period": 60,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 2.0,
            "TreatMissingData": "ignore",
            "EvaluateLowSampleCountPercentile": "",
        },
    }


def test_absent_parts_are_null_or_left_out(inbox, put_alarm, set_state):
    """Captured: [stackd] sns_publications, dependency evidence: "Unit":null."""
    put_alarm(Statistic=None, ExtendedStatistic="p95")
    set_state("ALARM")
    document = json.loads(inbox.read()[0]["Message"])
    assert document["AlarmDescription"] is None
    assert document["Trigger"]["Unit"] is None
    assert (document["Trigger"]["StatisticType"], document["Trigger"]["ExtendedStatistic"]) == (
        "ExtendedStatistic",
        "p95",
    )
    assert "DatapointsToAlarm" not in document["Trigger"]


def test_an_alarm_on_queries_sends_its_queries(inbox, put_alarm, set_state):
    """Captured: case metric-query."""
    queries = [
        {"Id": "m1", "MetricStat": QUERY, "ReturnData": False},
        {"Id": "e1", "Expression": "m1 + 0", "Label": "Explicit expression label", "ReturnData": True},
    ]
    put_alarm(**dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period")), Metrics=queries)
    set_state("ALARM")
    trigger = json.loads(inbox.read()[0]["Message"])["Trigger"]
    assert (trigger["Period"], trigger["Metrics"]) == (60, queries)
    assert "MetricName" not in trigger


def test_an_evaluation_notifies_each_transition_once(client, aws, inbox, put_alarm):
    """API_PutMetricAlarm: actions are executed when the alarm transitions, not while it stays."""
    put_alarm(OKActions=[inbox.topic], InsufficientDataActions=[inbox.topic])
    for value in (9, 9, 1):
        client.put_metric_data(Namespace="App", MetricData=[{"MetricName": "m", "Value": value}])
        aws.clock.advance(60)
    aws.clock.advance(300)
    documents = [json.loads(envelope["Message"]) for envelope in inbox.read()]
    assert [(document["OldStateValue"], document["NewStateValue"]) for document in documents] == [
        ("INSUFFICIENT_DATA", "ALARM"),
        ("ALARM", "OK"),
        ("OK", "INSUFFICIENT_DATA"),
    ]
    assert documents[0]["NewStateReason"].startswith("Threshold Crossed: 1 datapoint [9.0 (05/01/26 09:30:00)]")


def test_an_alarm_without_enabled_actions_changes_state_in_silence(client, inbox, put_alarm, set_state):
    """lambda-canary.md §5: ActionsEnabled=False still changes state."""
    put_alarm(ActionsEnabled=False)
    set_state("ALARM")
    assert inbox.read() == []
    assert client.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    client.enable_alarm_actions(AlarmNames=["errors"])
    set_state("OK")
    set_state("ALARM")
    assert len(inbox.read()) == 1


def actions_of(client):
    items = client.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    return [(item["HistorySummary"], json.loads(item["HistoryData"])) for item in items]


def test_an_action_is_written_into_the_history(client, inbox, put_alarm, set_state):
    """Captured: action-history-long-ascii."""
    put_alarm()
    set_state("ALARM")
    ((summary, data),) = actions_of(client)
    assert summary == f"Successfully executed action {inbox.topic}"
    assert (data["actionState"], data["notificationResource"], data["error"]) == ("Succeeded", inbox.topic, None)
    published = json.loads(json.loads(data["publishedMessage"])["default"])
    assert published == json.loads(inbox.read()[0]["Message"])


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("arn:aws:sns:us-east-1:123456789012:missing", "does not exist"),
        ("arn:aws:lambda:us-east-1:123456789012:function:rollback", "the stand-in carries out SNS actions only"),
    ],
)
def test_an_action_that_fails_does_not_stop_the_alarm(client, put_alarm, set_state, action, error):
    """A missing topic fails the action, not the transition; other kinds of actions are not modelled."""
    put_alarm(AlarmActions=[action])
    set_state("ALARM")
    ((summary, data),) = actions_of(client)
    assert summary == f"Failed to execute action {action}"
    assert data["actionState"] == "Failed"
    assert error in data["error"]
    assert client.describe_alarms(StateValue="ALARM")["MetricAlarms"]


def test_long_and_foreign_names_are_shortened_in_the_subject(inbox, put_alarm, set_state):
    """Captured: cases long-ascii and long-unicode."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    long = "stackd-native-cw-sns-4b229becf207-ascii-" + alphabet * 5
    foreign = "stackd-native-cw-sns-4b229becf207-unicode-" + "界é" * 60
    for name in (long, foreign):
        put_alarm(AlarmName=name)
        set_state("ALARM", name)
    assert [envelope["Subject"] for envelope in inbox.read()] == [
        'ALARM: "stackd-native-cw-sns-4b229becf207-ascii-ABCDEFGHIJKLMNOPQRSTUVW..." in US East (N. Virginia)',
        'ALARM: "stackd-native-cw-sns-4b229becf207-unicode-_" in US East (N. Virginia)',
    ]


def test_a_very_long_reason_is_shortened(client, inbox, put_alarm, set_state):
    """Service model: StateReason has at most 1023 characters."""
    put_alarm()
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="x" * 1023)
    assert len(json.loads(inbox.read()[0]["Message"])["NewStateReason"]) == 1023
