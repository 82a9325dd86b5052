"""What flagkit's provider adds to the specification's suite: keys, metadata, events, tracking, shutdown."""

from __future__ import annotations

import asyncio
import queue

import boto3
import pytest

from flagkit import Flags
from flagkit.errors import SourceUnavailableError
from flagkit.openfeature import FlagkitProvider
from flagkit.sources.agent import AgentSource
from flagkit.sources.static import StaticSource
from flagkit.testing import AgentStandIn, AppConfigFlags, ScriptedSource, VirtualClock

api = pytest.importorskip("openfeature.api")

from openfeature.evaluation_context import EvaluationContext  # noqa: E402
from openfeature.event import ProviderEvent  # noqa: E402
from openfeature.exception import ErrorCode  # noqa: E402
from openfeature.provider import ProviderStatus  # noqa: E402
from openfeature.track import TrackingEventDetails  # noqa: E402


@pytest.fixture(autouse=True)
def _clean():
    yield
    api.clear_providers()


def provide(source, **options):
    flags = Flags(source, clock=VirtualClock())
    provider = FlagkitProvider(flags, **options)
    api.set_provider_and_wait(provider)
    return flags, api.get_client()


def ruled(rule):
    variants = [{"name": "hit", "enabled": True, "rule": rule}, {"name": "miss", "enabled": False}]
    return {"version": "1", "flags": {"a": {}}, "values": {"a": {"_variants": variants}}}


@pytest.mark.parametrize("rule", ['(eq $userId "42")', '(eq $targetingKey "42")', '(eq $tier "gold")'])
def test_the_targeting_key_is_the_user_id_and_the_targeting_key_of_rules(rule):
    _, client = provide(StaticSource(ruled(rule)))
    details = client.get_boolean_details("a", False, EvaluationContext("42", {"tier": "gold"}))
    assert (details.value, details.variant) == (True, "hit")
    assert client.get_boolean_value("a", False) is False


def test_metadata_names_the_flag_set_and_the_version_of_a_deployed_profile(aws, virtual_clock):
    profile = AppConfigFlags(boto3.Session())
    profile.deploy({"a": {"enabled": True, "value": True, "owner": "web", "tags": ["x"]}}, label="v7")
    api.set_provider_and_wait(FlagkitProvider(Flags.connect(profile.url, clock=virtual_clock)))
    details = api.get_client().get_boolean_details("a", False)
    assert dict(details.flag_metadata) == {"owner": "web", "flagSetId": "shop/test/flags", "version": "v7"}


def test_an_integer_answers_a_float_question_and_a_list_an_object_question():
    _, client = provide(StaticSource({"n": 3, "list": [1, 2]}))
    assert client.get_float_value("n", 0.5) == 3.0
    assert client.get_object_value("list", {}) == [1, 2]
    assert client.get_integer_value("list", 9) == 9


def test_events_follow_the_source_and_ready_comes_again_after_recovery():
    source = ScriptedSource({"a": True, "b": True}, {"a": False, "b": True})
    flags, client = provide(source)
    seen = queue.Queue()  # the SDK calls handlers from threads of its own
    for event in (ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ProviderEvent.PROVIDER_STALE):
        client.add_handler(event, lambda details, event=event: seen.put((event, details.flags_changed)))
    flags.refresh()
    assert seen.get(timeout=60) == (ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ["a"])
    source.failure = SourceUnavailableError("down")
    flags._engine.clock.advance(1_000)
    flags.refresh()
    assert seen.get(timeout=60)[0] is ProviderEvent.PROVIDER_STALE
    assert client.get_provider_status() is ProviderStatus.STALE
    assert client.get_boolean_details("b", False).reason == "STALE"
    source.failure = None
    flags.refresh()
    assert client.get_provider_status() is ProviderStatus.READY


def test_a_provider_that_starts_without_a_document_becomes_ready_by_itself():
    source = ScriptedSource(SourceUnavailableError("down"), {"a": True})
    flags = Flags(source, clock=VirtualClock())
    with pytest.raises(Exception, match="down"):
        api.set_provider_and_wait(FlagkitProvider(flags, ready_timeout_s=0))
    client = api.get_client()
    assert client.get_provider_status() is ProviderStatus.ERROR
    assert client.get_boolean_details("a", False).error_code is ErrorCode.PROVIDER_NOT_READY
    flags.refresh()
    assert client.get_provider_status() is ProviderStatus.READY
    assert client.get_boolean_value("a", False) is True


def test_a_lost_first_document_is_an_error_event():
    source = ScriptedSource(None)
    flags, client = provide(source)  # the source answers "unchanged" without ever having delivered
    source.failure = SourceUnavailableError("down")
    flags.refresh()
    assert client.get_provider_status() is ProviderStatus.ERROR


def test_a_stand_by_document_makes_the_provider_usable():
    flags = Flags(ScriptedSource(SourceUnavailableError("down")), clock=VirtualClock(), fallback={"a": True})
    api.set_provider_and_wait(FlagkitProvider(flags, ready_timeout_s=0))
    assert api.get_client().get_boolean_value("a", False) is True


def test_tracking_events_go_to_the_tracker():
    seen = []
    _, client = provide(StaticSource({}), tracker=lambda *event: seen.append(event))
    client.track("bought", EvaluationContext("42"), TrackingEventDetails(9.5, {"item": "book"}))
    client.track("left")
    assert seen == [("bought", "42", {"item": "book"}, 9.5), ("left", None, {}, None)]
    _, quiet = provide(StaticSource({}))
    quiet.track("bought")


def test_shutdown_closes_the_client_and_may_be_repeated():
    source = ScriptedSource({"a": True})
    flags = Flags(source, clock=VirtualClock())
    provider = FlagkitProvider(flags)
    api.set_provider_and_wait(provider)
    provider.shutdown()
    provider.shutdown()
    assert source.closed
    assert provider.get_metadata().name == "flagkit"
    assert provider.get_provider_hooks() == []


def test_the_agent_is_asked_off_the_event_loop():
    flags, client = provide(
        AgentSource("s", "t", "f", ask=AgentStandIn(ruled('(eq $userId "42")'), feature_flags=True))
    )
    assert flags.may_wait
    assert asyncio.run(client.get_boolean_value_async("a", False, EvaluationContext("42"))) is True


def test_flags_whose_rules_were_not_delivered_have_an_unknown_reason():
    agent = AgentStandIn(ruled('(eq $userId "42")'), feature_flags=True)
    _, client = provide(AgentSource("s", "t", "f", ask=agent))
    agent.failure = OSError("gone")
    assert client.get_boolean_details("a", True, EvaluationContext("42")).reason == "UNKNOWN"
