"""Evaluations as OpenTelemetry sees them, through the SDK's in-memory exporters."""

from __future__ import annotations

import boto3
import pytest

from flagkit import Flags
from flagkit.sources import Document
from flagkit.sources.static import StaticSource
from flagkit.testing import AppConfigFlags, ScriptedSource, VirtualClock

pytest.importorskip("opentelemetry.sdk", reason="the OpenTelemetry SDK isn't installed")

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs import export as logs_export
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from flagkit.telemetry import instrument

Exporter = getattr(logs_export, "InMemoryLogRecordExporter", None) or logs_export.InMemoryLogExporter


class Seen:
    """What was exported."""

    def __init__(self):
        self._exporter = Exporter()
        self.provider = LoggerProvider()
        self.provider.add_log_record_processor(logs_export.SimpleLogRecordProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])

    def watch(self, flags, **options):
        return instrument(
            flags, logger=self.provider.get_logger("test"), meter=self.meters.get_meter("test"), **options
        )

    def events(self):
        return [item.log_record for item in self._exporter.get_finished_logs()]

    def attributes(self):
        return [dict(event.attributes) for event in self.events()]

    def counts(self):
        data = self._reader.get_metrics_data()
        (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
        return metric.name, [(dict(point.attributes), point.value) for point in metric.data.data_points]


@pytest.fixture
def seen():
    seen = Seen()
    yield seen
    seen.provider.shutdown()
    seen.meters.shutdown()


def test_an_evaluation_is_an_event_with_the_current_names(seen, aws, virtual_clock):
    profile = AppConfigFlags(boto3.Session())
    variants = [{"name": "gold", "enabled": True, "rule": '(eq $tier "vip")'}, {"name": "grey", "enabled": False}]
    profile.deploy({"version": "1", "flags": {}, "values": {"colour": {"_variants": variants}}}, label="v7")
    flags = Flags.connect(profile.url, clock=virtual_clock)
    seen.watch(flags, salt="s")
    flags.is_enabled("colour", "user-4711", {"tier": "vip", "email": "somebody@example.org"})
    (event,) = seen.events()
    assert event.event_name == "feature_flag.evaluation"
    attributes = dict(event.attributes)
    assert len(attributes.pop("feature_flag.context.id")) == 32
    assert attributes == {
        "feature_flag.key": "colour",
        "feature_flag.provider.name": "flagkit",
        "feature_flag.result.variant": "gold",
        "feature_flag.result.reason": "targeting_match",
        "feature_flag.set.id": "shop/test/flags",
        "feature_flag.version": "v7",
    }
    assert "4711" not in str(attributes)
    assert "example.org" not in str(attributes)


def test_errors_have_their_type_and_message(seen):
    flags = Flags(StaticSource({"text": "x"}), clock=VirtualClock())
    seen.watch(flags)
    flags.is_enabled("missing")
    (attributes,) = seen.attributes()
    assert attributes["error.type"] == "flag_not_found"
    assert attributes["feature_flag.result.reason"] == "error"
    assert "missing" in attributes["feature_flag.error.message"]


def test_the_value_is_left_out_unless_asked_for(seen):
    flags = Flags(StaticSource({"text": "secret", "list": [1]}), clock=VirtualClock())
    stop = seen.watch(flags)
    flags.string("text", default="")
    stop()
    seen.watch(flags, record_value=True, hash_users=False)
    flags.string("text", "42", default="")
    flags.object("list", default=None)
    first, second, third = seen.attributes()
    assert "feature_flag.result.value" not in first
    assert second["feature_flag.result.value"] == "secret"
    assert second["feature_flag.context.id"] == "42"
    assert "feature_flag.result.value" not in third


def test_users_can_be_left_out(seen):
    flags = Flags(StaticSource({"a": True}), clock=VirtualClock())
    seen.watch(flags, record_user=False)
    flags.is_enabled("a", "42")
    assert "feature_flag.context.id" not in seen.attributes()[0]


def test_evaluations_are_counted_without_users_and_versions(seen):
    flags = Flags(StaticSource({"a": True, "b": False}), clock=VirtualClock())
    seen.watch(flags)
    for user in range(3):
        flags.is_enabled("a", user)
    flags.is_enabled("b")
    name, points = seen.counts()
    assert name == "feature_flag.evaluations"
    assert sorted(count for _, count in points) == [1, 3]
    assert not any("user" in str(attributes) or "version" in str(attributes) for attributes, _ in points)


def test_rules_that_were_not_delivered_have_an_unknown_reason(seen):
    document = Document(b'{"a": {"enabled": true, "_variant": "x"}}', "1", None, "feature_flags")
    flags = Flags(ScriptedSource(document), clock=VirtualClock())
    seen.watch(flags)
    flags.is_enabled("a")
    assert seen.attributes()[0]["feature_flag.result.reason"] == "unknown"


def test_without_an_sdk_the_global_providers_take_it_quietly():
    flags = Flags(StaticSource({"a": True}), clock=VirtualClock())
    instrument(flags)
    assert flags.is_enabled("a")
