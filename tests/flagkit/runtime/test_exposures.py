"""Who saw which variant, once per window, off the request path, and never a user id by accident."""

from __future__ import annotations

import io
import json
import logging
import os
import threading

import boto3
import pytest

from flagkit import Flags
from flagkit.runtime.exposures import EmfSink, Exposures, FirehoseSink, LogSink
from flagkit.sources.static import StaticSource
from flagkit.testing import VirtualClock

VARIANTS = {
    "enabled": True,
    "_variants": [
        {"name": "gold", "enabled": True, "rule": '(eq $tier "vip")'},
        {"name": "grey", "enabled": True},
    ],
}


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def flags(clock):
    return Flags(StaticSource({"a": True, "b": False, "colour": VARIANTS}), clock=clock)


def record(flags, clock, **options):
    batches = []
    exposures = Exposures(batches.append, **{"clock": clock, "salt": "s", "flush_interval_s": None, **options})
    flags.watch(exposures.watch)
    return exposures, batches


def test_an_exposure_is_noted_once_per_flag_variant_and_user_in_a_window(flags, clock):
    exposures, batches = record(flags, clock, window_s=60)
    for _ in range(5):
        flags.is_enabled("a", "1")
    flags.is_enabled("a", "2")
    flags.is_enabled("b", "1")
    flags.evaluate("colour", "1", {"tier": "vip"})
    flags.evaluate("colour", "1")
    assert exposures.flush() == 5
    assert [(item.flag, item.variant) for item in batches[0]] == [
        ("a", "on"),
        ("a", "on"),
        ("b", "off"),
        ("colour", "gold"),
        ("colour", "grey"),
    ]
    flags.is_enabled("a", "1")
    assert exposures.flush() == 0
    clock.advance(60)
    flags.is_enabled("a", "1")
    assert exposures.flush() == 1


def test_user_ids_are_hashed_with_the_salt_unless_set_otherwise(flags, clock, monkeypatch):
    seen = {}
    monkeypatch.setenv("FLAGKIT_SALT", "s")
    for name, options in {
        "given": {"salt": "s"},
        "environment": {"salt": None},
        "other": {"salt": "t"},
        "plain": {"hash_users": False},
    }.items():
        exposures, batches = record(flags, clock, **options)
        flags.is_enabled("a", "user-4711")
        exposures.flush()
        seen[name] = batches[0][0].user
    monkeypatch.delenv("FLAGKIT_SALT")
    exposures, batches = record(flags, clock, salt=None)
    flags.is_enabled("a", "user-4711")
    flags.is_enabled("b")
    exposures.flush()
    seen["made up"] = batches[0][0].user
    assert batches[0][1].user is None
    assert seen["plain"] == "user-4711"
    assert seen["given"] == seen["environment"]
    assert len({*seen.values()}) == 4
    assert "4711" not in seen["given"]


def test_errors_are_no_exposures(flags, clock):
    exposures, _ = record(flags, clock)
    flags.is_enabled("missing", "1")
    assert exposures.flush() == 0


def test_what_does_not_fit_is_dropped_and_counted(flags, clock):
    exposures, _ = record(flags, clock, capacity=3)
    for user in range(10):
        flags.is_enabled("a", user)
    assert exposures.dropped == 7
    assert exposures.flush() == 3


def test_a_sink_that_fails_loses_its_batch_and_nothing_else(flags, clock, caplog):
    def sink(batch):
        raise OSError("full")

    exposures = Exposures(sink, clock=clock, flush_interval_s=None)
    flags.watch(exposures.watch)
    assert flags.is_enabled("a", "1")
    assert exposures.flush() == 0
    assert exposures.dropped == 1
    assert "sink failed" in caplog.text


def test_the_background_thread_hands_over(flags):
    taken = threading.Event()
    exposures = Exposures(lambda _: taken.set(), flush_interval_s=0.02)
    flags.watch(exposures.watch)
    flags.is_enabled("a", "1")
    assert taken.wait(60)
    exposures.close()
    flags.is_enabled("a", "2")
    assert exposures.dropped == 1


def test_close_hands_over_what_waits(flags, clock):
    exposures, batches = record(flags, clock)
    flags.is_enabled("a", "1")
    exposures.close()
    assert len(batches[0]) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_hands_over_its_own_exposures_only(flags):
    reader, writer = os.pipe()
    exposures = Exposures(lambda batch: os.write(writer, str(len(batch)).encode()), flush_interval_s=30)
    flags.watch(exposures.watch)
    flags.is_enabled("a", "1")
    child = os.fork()
    if child == 0:  # pragma: no cover  (another process)
        try:
            flags.is_enabled("a", "2")
            flags.is_enabled("a", "3")
            exposures.flush()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1) == b"2"
    exposures.close()
    assert os.read(reader, 1) == b"1"
    os.close(reader)
    os.close(writer)


def test_the_log_gets_fields_that_programs_can_read(flags, clock, caplog):
    exposures = Exposures(LogSink(), clock=clock, salt="s", flush_interval_s=None)
    flags.watch(exposures.watch)
    flags.is_enabled("a", "1")
    with caplog.at_level(logging.INFO, "flagkit.exposures"):
        exposures.flush()
    (line,) = caplog.records
    assert (line.getMessage(), line.exposure_reason) == ("exposure a=on", "STATIC")


def test_embedded_metrics_are_one_json_line_per_flag_and_variant(flags, clock):
    stream = io.StringIO()
    exposures = Exposures(EmfSink("shop", stream), clock=clock, flush_interval_s=None)
    flags.watch(exposures.watch)
    for user in range(3):
        flags.is_enabled("a", user)
    flags.is_enabled("b", 1)
    exposures.flush()
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["Flag"], first["Variant"], first["Exposures"]) == ("a", "on", 3)
    assert second["Exposures"] == 1
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "shop"
    assert directive["Dimensions"] == [["Flag", "Variant"], ["Flag"]]
    assert first["_aws"]["Timestamp"] == int(clock.now().timestamp() * 1000)


def test_firehose_takes_all_through_boto3(flags, aws):
    client = boto3.client("firehose")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="exposures")
    client.create_delivery_stream(
        DeliveryStreamName="exposures",
        S3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/firehose",
            "BucketARN": "arn:aws:s3:::exposures",
        },
    )
    exposures = Exposures(FirehoseSink(client, "exposures"), flush_interval_s=None, hash_users=False)
    flags.watch(exposures.watch)
    flags.is_enabled("a", "1")
    assert exposures.flush() == 1
    listed = s3.list_objects_v2(Bucket="exposures")["Contents"]
    written = b"".join(s3.get_object(Bucket="exposures", Key=item["Key"])["Body"].read() for item in listed)
    assert json.loads(written)["flag"] == "a"


class FussyFirehose:
    """Refuses records as told."""

    def __init__(self, *refusals):
        self.refusals = list(refusals)
        self.calls = []

    def put_record_batch(self, *, DeliveryStreamName, Records):
        self.calls.append(len(Records))
        refused = self.refusals.pop(0) if self.refusals else 0
        answers = [{"ErrorCode": "ServiceUnavailableException"}] * refused
        answers += [{"RecordId": "1"}] * (len(Records) - refused)
        return {"FailedPutCount": refused, "RequestResponses": answers}


def test_only_what_firehose_refused_is_sent_again(flags, clock):
    client = FussyFirehose(3, 1)
    exposures = Exposures(FirehoseSink(client, "s", clock=clock), clock=clock, flush_interval_s=None)
    flags.watch(exposures.watch)
    for user in range(5):
        flags.is_enabled("a", user)
    assert exposures.flush() == 5
    assert client.calls == [5, 3, 1]


def test_what_firehose_refuses_to_the_end_is_counted(flags, clock):
    client = FussyFirehose(2, 2, 2)
    exposures = Exposures(FirehoseSink(client, "s", clock=clock), clock=clock, flush_interval_s=None)
    flags.watch(exposures.watch)
    for user in range(5):
        flags.is_enabled("a", user)
    assert exposures.flush() == 3
    assert exposures.dropped == 2


def test_a_batch_for_firehose_has_at_most_500_records(flags, clock):
    client = FussyFirehose()
    exposures = Exposures(FirehoseSink(client, "s", clock=clock), clock=clock, flush_interval_s=None)
    flags.watch(exposures.watch)
    for user in range(1_201):
        flags.is_enabled("a", user)
    exposures.flush()
    assert client.calls == [500, 500, 201]
