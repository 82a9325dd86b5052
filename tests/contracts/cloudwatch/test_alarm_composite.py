"""Composite alarms. Facts: lambda-canary.md §5; [stackd] alarm_composites and sns_publications, captured."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"


@pytest.fixture
def child(client):
    """Metric alarms that stay where they are set."""

    def put(*names):
        for name in names:
            client.put_metric_alarm(
                AlarmName=name,
                Namespace="App",
                MetricName="unpublished",
                Statistic="Sum",
                Period=60,
                EvaluationPeriods=1,
                Threshold=1,
                ComparisonOperator="GreaterThanThreshold",
                TreatMissingData="ignore",
            )

    put("a", "b")
    return put


@pytest.fixture
def put(client, child):
    def put_composite(rule, name="both", **more):
        client.put_composite_alarm(AlarmName=name, AlarmRule=rule, **more)

    return put_composite


@pytest.fixture
def set_state(client):
    def set_to(name, value):
        client.set_alarm_state(AlarmName=name, StateValue=value, StateReason="drill")

    return set_to


@pytest.fixture
def described(client):
    def describe(name="both"):
        (found,) = client.describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        return found

    return describe


def refusal(call, *args, **request):
    with pytest.raises(ClientError) as caught:
        call(*args, **request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_composite_alarm_is_evaluated_when_it_is_created(aws, put, described, set_state):
    """Captured: composite-before-child-transition."""
    set_state("a", "OK")
    put('ALARM("a")', AlarmDescription="real child transition")
    found = described()
    now = aws.clock.now()
    assert found == {
        "ActionsEnabled": True,
        "AlarmActions": [],
        "AlarmArn": ARN + "both",
        "AlarmConfigurationUpdatedTimestamp": now,
        "AlarmDescription": "real child transition",
        "AlarmName": "both",
        "AlarmRule": 'ALARM("a")',
        "InsufficientDataActions": [],
        "OKActions": [],
        "StateReason": f"{ARN}both was created and its alarm rule evaluates to OK",
        "StateReasonData": '{"triggeringAlarms":[{"arn":"'
        + ARN
        + 'a","state":{"value":"OK","timestamp":"2026-01-05T09:30:00.000+0000"}}]}',
        "StateUpdatedTimestamp": now,
        "StateValue": "OK",
        "StateTransitionedTimestamp": now,
    }


def test_a_composite_alarm_follows_its_children_at_once(aws, put, described, set_state):
    """Captured: describe-after-triggers: parent and child transition at the same time."""
    put("ALARM(a) AND ALARM(b)")
    set_state("a", "ALARM")
    assert described()["StateValue"] == "OK"
    aws.clock.advance(7)
    set_state("b", "ALARM")
    found = described()
    assert (found["StateValue"], found["StateTransitionedTimestamp"]) == ("ALARM", aws.clock.now())
    assert found["StateReason"] == f"{ARN}b transitioned to ALARM at Monday 05 January, 2026 09:30:07 UTC"
    assert [item["arn"] for item in json.loads(found["StateReasonData"])["triggeringAlarms"]] == [ARN + "a", ARN + "b"]
    set_state("a", "OK")
    assert described()["StateValue"] == "OK"


def test_composite_alarms_are_described_only_where_asked_for(client, put):
    """lambda-canary.md §5: DescribeAlarms returns only metric alarms unless AlarmTypes lists CompositeAlarm."""
    put("ALARM(a)")
    assert [alarm["AlarmName"] for alarm in client.describe_alarms()["MetricAlarms"]] == ["a", "b"]
    assert client.describe_alarms(AlarmNames=["both"])["CompositeAlarms"] == []
    only = client.describe_alarms(AlarmTypes=["CompositeAlarm"])
    assert (len(only["CompositeAlarms"]), only["MetricAlarms"], only["LogAlarms"]) == (1, [], [])
    every = client.describe_alarms(AlarmTypes=["CompositeAlarm", "MetricAlarm"])
    assert (len(every["CompositeAlarms"]), len(every["MetricAlarms"])) == (1, 2)


def test_its_history_is_listed_only_where_asked_for(client, put):
    """Captured: composite-state-update-history is empty without AlarmTypes, not empty with it."""
    put("ALARM(a)")
    request = {"AlarmName": "both", "HistoryItemType": "StateUpdate"}
    assert client.describe_alarm_history(**request)["AlarmHistoryItems"] == []
    (item,) = client.describe_alarm_history(**request, AlarmTypes=["CompositeAlarm"])["AlarmHistoryItems"]
    assert (item["AlarmType"], item["HistorySummary"]) == (
        "CompositeAlarm",
        "Alarm updated from INSUFFICIENT_DATA to OK",
    )


def test_a_composite_alarm_notifies(inbox, put, set_state):
    """Captured: deliveries, case composite."""
    put('ALARM("a")', AlarmActions=[inbox.topic], AlarmDescription="why")
    set_state("a", "ALARM")
    (envelope,) = inbox.read()
    document = json.loads(envelope["Message"])
    assert envelope["Subject"] == 'ALARM: "both" in US East (N. Virginia)'
    assert document == {
        "AlarmName": "both",
        "AlarmDescription": "why",
        "AWSAccountId": "123456789012",
        "NewStateValue": "ALARM",
        "NewStateReason": f"{ARN}a transitioned to ALARM at Monday 05 January, 2026 09:30:00 UTC",
        "StateChangeTime": "2026-01-05T09:30:00.000+0000",
        "Region": "US East (N. Virginia)",
        "AlarmArn": ARN + "both",
        "OKActions": [],
        "AlarmActions": [inbox.topic],
        "InsufficientDataActions": [],
        "ActionExecutedAfterMuteWindow": False,
        "OldStateValue": "OK",
        "AlarmRule": 'ALARM("a")',
        "TriggeringChildren": [
            {"Arn": ARN + "a", "State": {"Value": "ALARM", "Timestamp": "2026-01-05T09:30:00.000+0000"}}
        ],
    }


BEGINNING = "must be: '(', 'NOT', AT_LEAST, TRUE or FALSE, ALARM, OK, or INSUFFICIENT_DATA"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("true", f"Unsupported token 'true' at char 0, {BEGINNING}"),
        ("not TRUE", f"Unsupported token 'not' at char 0, {BEGINNING}"),
        ("!TRUE", f"Unsupported token '!TRUE' at char 0, {BEGINNING}"),
        ("UNKNOWN(a)", f"Unsupported token 'UNKNOWN' at char 0, {BEGINNING}"),
        ("alarm(a)", f"Unsupported token 'alarm' at char 0, {BEGINNING}"),
        ("TRUE and FALSE", "Unsupported token 'and' at char 5, must be: <EOF>, 'AND', 'OR'"),
        ("TRUE && FALSE", "Unsupported token '&&' at char 5, must be: <EOF>, 'AND', 'OR'"),
        ("TRUE FALSE", "Unsupported token 'FALSE' at char 5, must be: <EOF>"),
        ("TRUE junk", "Unsupported token 'junk' at char 5, must be: <EOF>"),
        ("ALARM(an alarm with spaces)", "Unsupported token 'alarm' at char 9, must be: ')'"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_words_of_aws(put, rule, message):
    """Captured: language/*."""
    assert refusal(put, rule) == ("ValidationError", f"Error in AlarmRule [{message}]")


def test_a_hundred_children_are_allowed(client, put, child, described, set_state):
    """lambda-canary.md §5: max 100 children per composite."""
    names = [f"c{number}" for number in range(100)]
    child(*names)
    put(" OR ".join(f"ALARM({name})" for name in names))
    set_state("c99", "ALARM")
    assert described()["StateValue"] == "ALARM"


def test_children_may_be_named_quoted_or_by_arn(put, described, set_state):
    """Captured: language/16-17 and 27."""
    put(f'ALARM ( a ) AND ALARM("b") AND ALARM({ARN}a)')
    set_state("a", "ALARM")
    set_state("b", "ALARM")
    assert described()["StateValue"] == "ALARM"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "ALARM(gone) OR ALARM(a)",
            f"Could not save the composite alarm as alarms [{ARN}gone] in the alarm rule do not exist",
        ),
        (
            'ALARM("a\\"b")',
            f'Could not save the composite alarm as alarms [{ARN}a"b] in the alarm rule do not exist',
        ),
        (
            "ALARM(both)",
            "A composite alarm cannot have a child relation with itself via its AlarmRule, as it would introduce a "
            "circular dependency",
        ),
        (
            "ALARM(arn:aws:cloudwatch:us-east-1:111111111111:alarm:missing)",
            "A composite alarm cannot have a child relation with alarms from another AWS account",
        ),
        (
            "ALARM(arn:aws:cloudwatch:us-west-2:123456789012:alarm:missing)",
            "Error in AlarmRule [Wrong ARN region, it was us-west-2 but us-east-1 was expected instead]",
        ),
    ],
)
def test_children_must_exist_here(put, rule, message):
    """Captured: language/13, 21, 28-30."""
    assert refusal(put, rule) == ("ValidationError", message)


def test_a_name_belongs_to_one_kind_of_alarm(client, put, child):
    """Captured: metric-over-composite, composite-over-metric."""
    put("TRUE")
    message = "AlarmName [{}] is already used by another alarm of a different type"
    assert refusal(put, "TRUE", "a") == ("ValidationError", message.format("a"))
    assert refusal(child, "both") == ("ValidationError", message.format("both"))


def test_children_in_use_can_not_be_deleted(client, put):
    """API_DeleteAlarms: at most one composite alarm at a time; a child in use stays."""
    put("ALARM(a)")
    put("ALARM(b)", "second")
    assert refusal(client.delete_alarms, AlarmNames=["b", "a"])[0] == "ValidationError"
    assert refusal(client.delete_alarms, AlarmNames=["both", "second"]) == (
        "ValidationError",
        "You cannot delete more than one composite alarm in one operation.",
    )
    assert len(client.describe_alarms()["MetricAlarms"]) == 2
    client.delete_alarms(AlarmNames=["both"])
    client.delete_alarms(AlarmNames=["a"])
    assert [alarm["AlarmName"] for alarm in client.describe_alarms()["MetricAlarms"]] == ["b"]


def test_parents_and_children_can_be_asked_for(client, put):
    """API_DescribeAlarms: ChildrenOfAlarmName, ParentsOfAlarmName."""
    put("ALARM(a)")
    kinds = ["CompositeAlarm", "MetricAlarm"]
    children = client.describe_alarms(ChildrenOfAlarmName="both", AlarmTypes=kinds)
    assert [alarm["AlarmName"] for alarm in children["MetricAlarms"]] == ["a"]
    parents = client.describe_alarms(ParentsOfAlarmName="a", AlarmTypes=kinds)
    assert [alarm["AlarmName"] for alarm in parents["CompositeAlarms"]] == ["both"]
    assert client.describe_alarms(ParentsOfAlarmName="missing", AlarmTypes=kinds)["CompositeAlarms"] == []


def test_a_new_rule_is_evaluated_at_once(aws, put, described, set_state):
    """API_PutCompositeAlarm: an update keeps the state, then the rule is evaluated."""
    put("ALARM(a)")
    set_state("b", "ALARM")
    aws.clock.advance(3)
    put("ALARM(b)")
    found = described()
    assert (found["StateValue"], found["StateReason"]) == (
        "ALARM",
        f"{ARN}both was updated and its alarm rule evaluates to ALARM",
    )
    assert found["StateUpdatedTimestamp"] == aws.clock.now()


def test_composites_of_composites_follow_through(put, described, set_state):
    """API_PutCompositeAlarm: children may be composite alarms."""
    put("ALARM(a)", "inner")
    put("ALARM(inner) AND NOT ALARM(b)", "outer")
    set_state("a", "ALARM")
    assert described("outer")["StateValue"] == "ALARM"
    set_state("b", "ALARM")
    assert described("outer")["StateValue"] == "OK"


def test_a_cycle_of_composites_comes_to_rest(put, described, set_state):
    """lambda-canary.md §5: AWS takes cycles over two alarms and stops at a stable result."""
    put("ALARM(a)", "first")
    put("ALARM(first)", "second")
    put("ALARM(a) OR NOT ALARM(second)", "first")
    set_state("a", "ALARM")
    set_state("a", "OK")
    assert described("first")["StateValue"] in {"OK", "ALARM"}


def test_suppressors_are_not_modelled_and_said_to_be(put):
    """A request that the stand-in can't keep is refused."""
    assert refusal(
        put,
        "ALARM(a)",
        ActionsSuppressor="b",
        ActionsSuppressorWaitPeriod=1,
        ActionsSuppressorExtensionPeriod=1,
    ) == ("ValidationError", "The stand-in has no ActionsSuppressor.")
