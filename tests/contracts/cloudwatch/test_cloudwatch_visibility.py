"""When samples become visible, and what incomplete answers look like."""

from __future__ import annotations

from datetime import timedelta

import boto3
import pytest

from canary.testing.cloudwatch import CloudWatchService, MetricStore
from flagkit.testing import AwsStandIn

DIMENSIONS = {"FunctionName": "api", "Resource": "api:live", "ExecutedVersion": "2"}
METRIC = {
    "Namespace": "AWS/Lambda",
    "MetricName": "Invocations",
    "Dimensions": [{"Name": name, "Value": value} for name, value in DIMENSIONS.items()],
}


class DelayedStandIn(AwsStandIn):
    def make_services(self):
        self.store = MetricStore(self.clock)
        self.cloudwatch = CloudWatchService(clock=self.clock, store=self.store, publish=lambda *_: None)
        return [self.cloudwatch]


@pytest.fixture
def delayed():
    with DelayedStandIn() as aws:
        yield aws


@pytest.fixture
def count(delayed):
    """The visible number of invocations by minute after the start."""
    start = delayed.clock.now()
    client = boto3.client("cloudwatch")

    def visible(minutes=30):
        query = {"Id": "q", "MetricStat": {"Metric": METRIC, "Period": 60, "Stat": "SampleCount"}}
        (result,) = client.get_metric_data(
            MetricDataQueries=[query], StartTime=start, EndTime=start + timedelta(minutes=minutes)
        )["MetricDataResults"]
        times = [int((time - start).total_seconds() // 60) for time in result["Timestamps"]]
        return dict(zip(times, result["Values"], strict=True))

    return visible


def invoke(aws, seconds, *, at=None):
    """One invocation a second."""
    for _ in range(seconds):
        moment = aws.clock.now() if at is None else at
        aws.store.record("AWS/Lambda", "Invocations", DIMENSIONS, 1.0, moment, "Count")
        aws.clock.advance(1)


def test_a_sample_is_visible_60_to_90_seconds_after_it_arrives(delayed, count):
    """lambda-canary.md §2.2: no documented completeness delay, so the stand-in has one to be reckoned with."""
    invoke(delayed, 1)
    delayed.clock.advance(58)
    assert count() == {}
    delayed.clock.advance(32)
    assert count() == {0: 1}


def test_the_newest_minute_grows_until_it_is_complete(delayed, count):
    """lambda-canary.md trap 7: first minutes empty or partial; two equal polls needed."""
    invoke(delayed, 60)
    seen = []
    for _ in range(20):
        seen.append(count().get(0, 0))
        delayed.clock.advance(5)
    assert seen == sorted(seen)
    assert len({value for value in seen if 0 < value < 60}) > 2
    assert seen[-1] == 60


def test_the_delay_counts_from_the_arrival_not_from_the_date(delayed, count):
    """lambda-canary.md §2.2: the error of a 10-minute function is dated 10 minutes back."""
    began = delayed.clock.now()
    delayed.clock.advance(600)
    assert count() == {}
    invoke(delayed, 1, at=began)
    delayed.clock.advance(30)
    assert count() == {}
    delayed.clock.advance(65)
    assert count() == {0: 1}


def test_a_sample_dated_ahead_is_visible_after_its_date(delayed, count):
    """Traffic may be simulated ahead of the clock."""
    invoke(delayed, 1, at=delayed.clock.now() + timedelta(minutes=5))
    delayed.clock.advance(300)
    assert count() == {}
    delayed.clock.advance(95)
    assert count() == {5: 1}


def test_a_longer_delay_concerns_what_arrives_after_it(delayed, count):
    """Delays on demand."""
    invoke(delayed, 60)
    delayed.clock.advance(95)
    delayed.store.delay_s, delayed.store.delay_spread_s = 600.0, 0.0
    invoke(delayed, 60)
    assert count() == {0: 60}
    delayed.clock.advance(500)
    assert count() == {0: 60}
    delayed.clock.advance(105)
    assert sum(count().values()) == 120


def test_a_silent_metric_shows_nothing_new_until_it_is_lifted(delayed, count):
    """Silence on demand: what was there stays, what comes later appears late."""
    delayed.store.delay_s = delayed.store.delay_spread_s = 0.0
    invoke(delayed, 60)
    silence = delayed.store.silence("AWS/Lambda", "Invocations", DIMENSIONS)
    invoke(delayed, 60)
    assert count() == {0: 60}
    delayed.store.lift(silence)
    assert count() == {0: 60, 1: 60}


def test_silence_hits_only_the_metrics_it_names(delayed, count):
    """Silence of another metric or other dimensions changes nothing."""
    delayed.store.delay_s = delayed.store.delay_spread_s = 0.0
    delayed.store.silence("AWS/Lambda", "Errors")
    delayed.store.silence("AWS/Lambda", dimensions={"FunctionName": "other"})
    delayed.store.silence("App")
    invoke(delayed, 60)
    assert count() == {0: 60}
    delayed.store.silence()
    invoke(delayed, 60)
    assert count() == {0: 60}


def test_old_minutes_keep_their_samples(delayed, count):
    """Old minutes are joined in memory; late samples still find them."""
    start = delayed.clock.now()
    for _ in range(20):
        invoke(delayed, 60)
    invoke(delayed, 1, at=start)
    delayed.clock.advance(95)
    assert count() == {0: 61, **dict.fromkeys(range(1, 20), 60)}


@pytest.mark.parametrize(("status", "kept"), [("PartialData", 2), ("InternalError", 0), ("Forbidden", 0)])
def test_queries_are_incomplete_on_demand(aws, client, put, start, status, kept):
    """lambda-canary.md trap 33: StatusCode and Messages say that a result is no evidence."""
    for minute in range(4):
        put(minute, Value=1)
        put(minute, MetricName="other", Value=1)
    rule = aws.cloudwatch.partial("App", "m", status=status, message="throttled inside")

    def ask():
        queries = [
            {
                "Id": name,
                "MetricStat": {"Metric": {"Namespace": "App", "MetricName": metric}, "Period": 60, "Stat": "Sum"},
            }
            for name, metric in (("m", "m"), ("o", "other"))
        ]
        queries.append({"Id": "e", "Expression": "FILL(m, 0)"})
        answer = client.get_metric_data(
            MetricDataQueries=queries, StartTime=start, EndTime=start + timedelta(minutes=4)
        )
        return {
            row["Id"]: (len(row["Values"]), row["StatusCode"], row.get("Messages", []))
            for row in answer["MetricDataResults"]
        }

    message = [{"Code": status, "Value": "throttled inside"}]
    filled = 4 if kept else 0
    assert ask() == {"m": (kept, status, message), "o": (4, "Complete", []), "e": (filled, status, message)}
    aws.cloudwatch.restore(rule)
    assert {row[1] for row in ask().values()} == {"Complete"}


def test_partial_answers_can_be_limited_to_exact_dimensions(aws, put, ask):
    """One version's series may be incomplete while the other's is complete."""
    put(0, Value=1, Dimensions=[{"Name": "A", "Value": "one"}])
    aws.cloudwatch.partial(dimensions={"A": "two"})
    assert ask("Sum", Dimensions=[{"Name": "A", "Value": "one"}]) == {"09:00": 1}


def test_a_value_that_is_no_number_is_not_recorded(delayed):
    """CloudWatch takes finite values up to 2^360 only."""
    for value in (float("nan"), float("inf"), 2.0**361):
        with pytest.raises(ValueError, match="no metric value"):
            delayed.store.record("N", "m", {}, value, delayed.clock.now())


def test_an_alarm_sees_late_data_too(delayed):
    """lambda-canary.md §2.4: late data reaches an alarm late, and it goes off all the same."""
    client = boto3.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="errors",
        **METRIC,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    invoke(delayed, 1)
    states = []
    for _ in range(5):
        delayed.clock.advance(60)
        states.append(client.describe_alarms()["MetricAlarms"][0]["StateValue"])
    assert states[0] == "OK"
    assert "ALARM" in states[1:3]
    assert states[-1] == "OK"
