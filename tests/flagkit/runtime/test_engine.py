"""Stand-bys, overrides, listeners and modes of a client."""

from __future__ import annotations

import json
import logging

import pytest

from flagkit import Flags, SourceUrlError, State
from flagkit.errors import SourceUnavailableError
from flagkit.runtime.clock import SystemClock
from flagkit.runtime.refresher import RefreshMode
from flagkit.sources import Document
from flagkit.sources.static import StaticSource, short_form
from flagkit.testing import ScriptedSource, VirtualClock

DOWN = SourceUnavailableError("down")


def make(*script, **options):
    return Flags(ScriptedSource(*script), **{"clock": VirtualClock(), **options})


def test_without_source_and_cache_the_fallback_is_served(tmp_path):
    path = tmp_path / "bundled.json"
    path.write_text(json.dumps(short_form({"a": True})))
    for fallback in ({"a": True}, path, str(path)):
        flags = make(DOWN, fallback=fallback)
        assert flags.is_enabled("a")
        assert (flags.status().state, flags.status().origin) == (State.STALE, "fallback")


def test_a_fallback_that_can_not_be_used_is_logged_and_defaults_are_served(tmp_path, caplog):
    (tmp_path / "broken.json").write_text("{oops")
    for fallback in (tmp_path / "missing.json", tmp_path / "broken.json"):
        flags = make(DOWN, fallback=fallback)
        assert flags.is_enabled("a", default=True)
        assert flags.status().state is State.ERROR
    assert "fallback" in caplog.text


def test_a_stand_by_never_replaces_what_came_from_the_source():
    flags = make({"a": True})
    flags._store.accept(Document(json.dumps(short_form({"a": False})).encode()), "cache")
    assert flags.is_enabled("a")


def test_overrides_win_over_the_document_and_the_environment_over_the_argument(monkeypatch):
    monkeypatch.setenv("FLAGKIT_OVERRIDES", '{"b": true, "colour": "blue"}')
    flags = make({"a": False, "b": False, "colour": "red"}, overrides={"a": True, "b": False})
    assert flags.is_enabled("a")
    assert flags.is_enabled("b")
    assert flags.string("colour", default="") == "blue"
    assert flags.evaluate("a").version == "override"


def test_overrides_hold_without_any_document():
    flags = make(DOWN, overrides={"a": True})
    assert flags.is_enabled("a")
    assert set(flags) == {"a"}


@pytest.mark.parametrize("text", ["{oops", "[1]", '"on"', '{"a": 1e400}'])
def test_overrides_that_can_not_be_read_are_refused_at_the_start(monkeypatch, text):
    monkeypatch.setenv("FLAGKIT_OVERRIDES", text)
    with pytest.raises(SourceUrlError, match="FLAGKIT_OVERRIDES"):
        make({})


def test_listeners_are_notified_which_flags_changed():
    flags = make({"a": True, "b": True, "c": 1}, None, {"a": False, "b": True, "d": True})
    received = []
    stop = flags.on_change(received.append)
    flags.refresh()
    assert received == []
    flags.refresh()
    assert received == [{"a", "c", "d"}]
    stop()
    flags._store.accept(Document(json.dumps(short_form({})).encode()))
    assert len(received) == 1


def test_listeners_are_notified_of_another_type_of_an_equal_value():
    def variants(value):
        attributes = {"value": {"x": [value, "y"]}}
        return {"_variants": [{"name": "only", "enabled": True, "attributeValues": attributes}]}

    source = StaticSource({"a": 1, "b": 1, "c": variants(0), "d": variants(0)})
    flags = Flags(source, clock=VirtualClock())
    received = []
    flags.on_change(received.append)
    source.replace({"a": {"enabled": True, "value": True}, "b": 1, "c": variants(False), "d": variants(0)})
    flags.refresh()
    assert received == [{"a", "c"}]


def test_a_listener_may_leave_twice():
    flags = Flags(StaticSource({}), clock=VirtualClock())
    for leave in (flags.on_change(print), flags.on_state(print)):
        leave()
        leave()


def test_an_option_that_does_not_exist_is_refused():
    with pytest.raises(TypeError, match="unknown option 'stale_after' of Flags; valid: cache_dir, clock"):
        Flags(StaticSource({}), stale_after=5)


def test_a_listener_that_fails_harms_nobody(caplog):
    flags = make({"a": True}, {"a": False})
    received = []
    flags.on_change(lambda _: 1 / 0)
    flags.on_change(received.append)
    flags.refresh()
    assert received == [{"a"}]
    assert not flags.is_enabled("a")
    assert "listener" in caplog.text


def test_broken_flags_count_as_changed_only_when_their_fault_changes():
    bad = {"a": {"enabled": "perhaps"}, "b": True}
    flags = make(bad, {**bad, "b": False}, {"a": {"enabled": 3}, "b": False})
    received = []
    flags.on_change(received.append)
    flags.refresh()
    assert received == [{"b"}]


def test_the_first_document_after_an_outage_names_all_flags():
    flags = make(DOWN, {"a": True})
    received = []
    flags.on_change(received.append)
    flags.refresh()
    assert received == [{"a"}]


def test_the_mode_is_chosen_by_where_the_process_runs(monkeypatch):
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    assert make({})._engine.mode is RefreshMode.MANUAL
    with make({}, clock=SystemClock()) as flags:
        assert flags._engine.mode is RefreshMode.BACKGROUND
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "api")
    assert make({}, clock=SystemClock())._engine.mode is RefreshMode.ON_DEMAND
    assert make({}, clock=SystemClock(), refresh="manual")._engine.mode is RefreshMode.MANUAL


def test_the_address_comes_from_the_extension_in_lambda(monkeypatch):
    from flagkit.sources.urls import default_url

    monkeypatch.delenv("FLAGKIT_SOURCE", raising=False)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "api")
    monkeypatch.setenv("AWS_APPCONFIG_EXTENSION_PREFETCH_LIST", "shop:prod:flags,shop:prod:other")
    assert default_url() == "agent://shop/prod/flags"
    monkeypatch.setenv(
        "AWS_APPCONFIG_EXTENSION_PREFETCH_LIST", "/applications/shop/environments/prod/configurations/flags"
    )
    assert default_url() == "agent://shop/prod/flags"


def test_failures_are_logged_once_and_then_ever_more_rarely(caplog):
    source = ScriptedSource({"a": True})
    flags = Flags(source, clock=VirtualClock())
    source.failure = DOWN
    with caplog.at_level(logging.WARNING, "flagkit"):
        for _ in range(20):
            flags.refresh()
    assert len(caplog.records) == 5  # 1, 2, 4, 8, 16
    source.failure = None
    with caplog.at_level(logging.INFO, "flagkit"):
        flags.refresh()
    assert "answers again after 20 failures" in caplog.text


def test_what_the_source_wants_known_is_logged_and_in_the_status(caplog):
    content = json.dumps({"a": {"enabled": True, "_variant": "default"}}).encode()
    flags = make(Document(content, "1", None, "feature_flags", "rules are missing"))
    assert flags.status().warning == "rules are missing"
    assert flags.evaluate("a").reason == "RULES_UNSEEN"
    assert "rules are missing" in caplog.text


def test_the_status_names_flags_that_could_not_be_compiled():
    tests = " ".join(f'(eq $k{index} "x")' for index in range(500))
    variants = [{"name": "on", "enabled": True, "rule": f"(or {tests})"}, {"name": "off", "enabled": False}]
    flags = make(Document(json.dumps({"version": "1", "values": {"large": {"_variants": variants}}}).encode()))
    flags.prepare()
    assert flags.is_enabled("large", None, {"k499": "x"})
    assert "More than 400 tests" in flags.status().uncompiled["large"]
    assert flags.status().to_dict()["uncompiled"] == dict(flags.status().uncompiled)


def test_a_source_that_never_changes_by_itself_is_not_asked_by_itself():
    source = StaticSource({"a": True})
    flags = Flags(source)
    assert flags._engine.mode is RefreshMode.MANUAL
    assert flags.is_enabled("a")
    assert flags.status().next_poll_at is None
    assert flags.status().state is State.READY
    source.replace({"a": False})
    flags.refresh()
    assert not flags.is_enabled("a")


def test_a_swap_leaves_nothing_to_compile_to_whoever_asks_next():
    flags = Flags(ScriptedSource({"a": True, "b": True}, {"a": False, "b": False}), clock=VirtualClock())
    flags.is_enabled("a")
    assert flags.refresh()
    used, idle = flags._flags["a"], flags._flags["b"]
    assert not flags.is_enabled("a")
    assert not flags.is_enabled("b")
    assert flags._flags["a"] is used
    assert flags._flags["b"] is not idle
