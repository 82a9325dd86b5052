"""What an application may rely on when it asks about flags."""

from __future__ import annotations

import gc
import json
import logging
import threading
from collections import OrderedDict
from datetime import date
from types import MappingProxyType
from uuid import UUID

import pytest

from flagkit import ErrorCode, Flags, Reason, SourceUrlError, State
from flagkit.errors import SourceUnavailableError
from flagkit.sources import Document
from flagkit.sources.static import StaticSource
from flagkit.testing import ScriptedSource, VirtualClock


def document(values, version="1"):
    content = {"version": "1", "flags": {key: {"name": key} for key in values}, "values": values}
    return Document(json.dumps(content).encode(), version)


def make_flags(*script, clock=None, **options):
    return Flags(ScriptedSource(*script), clock=clock or VirtualClock(), **options)


def of(**values):
    return Flags(StaticSource(values), clock=VirtualClock())


def test_a_flag_is_on_or_off():
    flags = of(on=True, off=False)
    assert flags.is_enabled("on", "42") is True
    assert flags.is_enabled("off", "42", default=True) is False


def test_an_unknown_flag_answers_with_the_default_and_warns_once_with_a_suggestion(caplog):
    flags = of(checkout_button=True)
    with caplog.at_level(logging.WARNING, "flagkit"):
        assert flags.is_enabled("chekout_button", "42") is False
        assert flags.is_enabled("chekout_button", "43", default=True) is True
    assert len(caplog.records) == 1
    assert "did you mean 'checkout_button'" in caplog.text


def test_a_name_like_an_unknown_one_is_searched_once_per_key_and_document(monkeypatch):
    searched = []
    monkeypatch.setattr("difflib.get_close_matches", lambda key, keys, n: searched.append((key, *keys)) or [])
    flags = make_flags(document({"a": {"enabled": True}}), document({"b": {"enabled": True}}, "2"))
    for _ in range(3):
        assert flags.is_enabled("gone") is False
        assert flags.evaluate("gone").version == "1"
        assert flags.string("gone", default="x") == "x"
    assert searched == [("gone", "a")]
    flags.refresh()
    assert flags.evaluate("gone").version == "2"
    assert searched == [("gone", "a"), ("gone", "b")]


def test_names_made_up_at_run_time_are_neither_searched_nor_kept_for_ever(monkeypatch):
    searched = []
    monkeypatch.setattr("difflib.get_close_matches", lambda key, keys, n: searched.append(key) or [])
    flags = of(a=True)
    for number in range(1_500):
        assert flags.evaluate(f"made-up-{number}").error is ErrorCode.FLAG_NOT_FOUND
    assert len(searched) == 1_000


def test_a_warning_names_no_user_and_no_attribute(caplog):
    flags = of(a=True)
    with caplog.at_level(logging.WARNING, "flagkit"):
        flags.is_enabled("b", "user-4711", {"email": "somebody@example.org"})
    assert "4711" not in caplog.text
    assert "somebody" not in caplog.text


@pytest.mark.parametrize("key", [None, 7, ["list"], object(), ""])
def test_a_read_never_raises_whatever_the_key(key):
    flags = of(a=True)
    assert flags.is_enabled(key, default=True) is True
    assert flags.evaluate(key).error in {ErrorCode.FLAG_NOT_FOUND, ErrorCode.GENERAL}
    assert flags.string(key, default="x") == "x"


def test_before_the_first_document_defaults_are_served_and_the_reason_says_so():
    flags = make_flags(SourceUnavailableError("no network"))
    assert flags.is_enabled("a", default=True) is True
    assert flags.evaluate("a").error is ErrorCode.PROVIDER_NOT_READY
    assert flags.status().state is State.ERROR
    assert flags.status().error.code == "source_unavailable"
    assert not flags.wait_until_ready(0)


def test_a_broken_flag_is_off_and_its_neighbour_serves():
    flags = make_flags(document({"good": {"enabled": True}, "bad": {"enabled": "perhaps"}}))
    assert flags.is_enabled("good") is True
    assert flags.is_enabled("bad") is False
    assert flags.evaluate("bad").error is ErrorCode.PARSE_ERROR
    assert list(flags.status().problems) == ["bad"]


def test_typed_answers_come_from_the_attribute_value():
    flags = of(text="red", count=3, ratio=0.5, whole=2.0, items=["a", "b"], switch={"enabled": True, "value": False})
    assert flags.string("text", default="") == "red"
    assert flags.integer("count", default=0) == 3
    assert flags.integer("whole", default=0) == 2
    assert flags.number("ratio", default=0.0) == 0.5
    assert flags.number("count", default=0.0) == 3
    assert flags.object("items", default=None) == ["a", "b"]
    assert flags.boolean("switch", default=True) is False
    assert flags.is_enabled("switch", default=True) is False


def test_a_wrong_type_answers_with_the_default_and_says_why():
    flags = of(text="red", plain=True)
    assert flags.integer("text", default=7) == 7
    assert flags.string("plain", default="x") == "x"
    answer = flags.resolve("integer", "text", default=7)
    assert (answer.reason, answer.error) == (Reason.ERROR, ErrorCode.TYPE_MISMATCH)


def test_a_flag_that_is_off_answers_other_questions_with_the_default():
    flags = of(colour={"enabled": False, "value": "red"})
    answer = flags.resolve("string", "colour", default="blue")
    assert (answer.value, answer.reason, answer.error) == ("blue", Reason.DISABLED, None)


def test_an_object_question_without_value_gets_all_attributes():
    flags = of(limits={"enabled": True, "depth": 3, "names": ["a"]})
    answer = flags.object("limits", default=None)
    assert answer == {"depth": 3, "names": ["a"]}
    answer["depth"] = 9
    assert flags.object("limits", default=None)["depth"] == 3


def test_an_object_of_another_kind_than_the_default_is_a_type_mismatch(caplog):
    flags = of(items=["a", "b"], limits={"enabled": True, "depth": 3})
    assert flags.object("items", default={}) == {}
    assert "flag 'items' has a list value, but the default is an object" in caplog.text
    assert flags.object("limits", default=[]) == []
    assert "flag 'limits' has no attribute `value`, but the default is a list" in caplog.text
    assert flags.object("items", default=[]) == ["a", "b"]
    assert flags.object("absent", default={"a": 1}) == {"a": 1}


def test_a_mismatch_names_both_types():
    flags = of(text="red", plain=True, ratio=0.5, on={"enabled": True, "value": True})
    wanted = {
        ("integer", "text"): "flag 'text' has a string value, but an integer was requested",
        ("string", "plain"): "flag 'plain' has no attribute `value`, but a string was requested",
        ("integer", "ratio"): "flag 'ratio' has a number value, but an integer was requested",
        ("number", "on"): "flag 'on' has a boolean value, but a number was requested",
    }
    for (kind, key), message in wanted.items():
        assert flags.resolve(kind, key, default=None).message == message


def test_all_flags_of_one_user_in_one_call():
    flags = of(a=True, b=False)
    answers = flags.all("42")
    assert {key: answer.enabled for key, answer in answers.items()} == {"a": True, "b": False}
    assert set(flags) == {"a", "b"}
    assert "a" in flags


def test_a_new_document_is_served_after_a_refresh():
    flags = make_flags(document({"a": {"enabled": False}}), document({"a": {"enabled": True}}, "2"))
    assert not flags.is_enabled("a")
    assert flags.refresh()
    assert flags.is_enabled("a")
    assert flags.evaluate("a").version == "2"
    assert flags.status().version == "2"


def test_an_invalid_document_keeps_the_last_good_one_and_says_stale():
    clock = VirtualClock()
    flags = make_flags(document({"a": {"enabled": True}}), Document(b"{oops", "2"), None, clock=clock)
    assert not flags.refresh()
    assert flags.is_enabled("a") is True
    assert flags.evaluate("a").reason is Reason.STALE
    status = flags.status()
    assert (status.state, status.version, status.error.code) == (State.STALE, "1", "document_invalid")
    clock.advance(120)
    flags.refresh()  # unchanged: the newest document is still the broken one
    assert flags.status().state is State.STALE


def test_a_good_document_after_an_invalid_one_ends_the_staleness():
    flags = make_flags(
        document({"a": {"enabled": True}}), Document(b"[]", "2"), document({"a": {"enabled": True}}, "3")
    )
    flags.refresh()
    flags.refresh()
    assert flags.status().state is State.READY
    assert flags.evaluate("a").reason is Reason.STATIC


def test_an_outage_keeps_the_last_good_document_and_turns_stale_after_three_intervals():
    clock = VirtualClock()
    flags = make_flags(document({"a": {"enabled": True}}), *[SourceUnavailableError("down")] * 9, clock=clock)
    flags.refresh()
    assert flags.status().state is State.READY
    clock.advance(181)
    flags.refresh()
    assert flags.is_enabled("a") is True
    assert flags.evaluate("a").reason is Reason.STALE
    assert flags.status().state is State.STALE
    assert flags.status().age_s == 181
    assert flags.status().healthy


def test_a_source_that_breaks_in_unexpected_ways_never_reaches_the_caller():
    flags = make_flags(document({"a": {"enabled": True}}), RuntimeError("a bug"))
    assert not flags.refresh()
    assert flags.is_enabled("a") is True
    assert "RuntimeError" in flags.status().error.message


def test_reads_never_fetch():
    source = ScriptedSource(document({"a": {"enabled": True}}))
    clock = VirtualClock()
    flags = Flags(source, clock=clock)
    clock.advance(10_000)
    for _ in range(50):
        flags.is_enabled("a", "42")
        flags.evaluate("a", "42")
        flags.all("42")
    assert source.fetches == 1


def test_connect_without_an_address_reads_the_environment(monkeypatch, tmp_path):
    path = tmp_path / "flags.json"
    path.write_bytes(document({"a": {"enabled": True}}).content)
    monkeypatch.setenv("FLAGKIT_SOURCE", f"file:{path}")
    with Flags.connect(refresh="manual") as flags:
        assert flags.is_enabled("a")


def test_connect_without_any_address_says_what_to_do(monkeypatch):
    monkeypatch.delenv("FLAGKIT_SOURCE", raising=False)
    with pytest.raises(SourceUrlError) as caught:
        Flags.connect()
    assert "FLAGKIT_SOURCE" in caught.value.hint


def test_close_lets_go_of_the_source_and_answers_go_on():
    source = ScriptedSource(document({"a": {"enabled": True}}))
    with Flags(source, clock=VirtualClock()) as flags:
        pass
    assert source.closed
    assert flags.is_enabled("a")
    flags.refresh_if_due()
    assert source.fetches == 1


def test_status_is_json_ready():
    flags = of(a=True)
    assert json.loads(json.dumps(flags.status().to_dict()))["state"] == "ready"


SPLIT = {
    "a": {
        "_variants": [
            {"name": "some", "enabled": True, "rule": '(split pct::50 by::$userId seed::"s")'},
            {"name": "rest", "enabled": False},
        ]
    }
}


def test_an_explanation_says_what_was_decided_and_agrees_with_the_answer():
    flags = make_flags(document(SPLIT))
    for user in ("1", "2", "3", "4"):
        explanation = flags.explain("a", user)
        assert explanation.evaluation == flags.evaluate("a", user)
        assert "split" in explanation.to_text()
    assert flags.explain("missing", "1").evaluation.error is ErrorCode.FLAG_NOT_FOUND


@pytest.mark.parametrize("key", [None, 7, ["list"], "gone", "", "broken"])
def test_an_explanation_is_given_whatever_the_key_and_the_user(key):
    class Unprintable:
        def __str__(self):
            raise ValueError

    flags = of(a=True, broken={"enabled": 7})
    found = flags.explain(key, Unprintable())
    assert found.evaluation == flags.evaluate(key)
    assert found.to_dict()["user_id"] is None


def test_an_explanation_says_when_the_document_is_stale():
    clock = VirtualClock()
    flags = make_flags(document({"a": {"enabled": True}}), SourceUnavailableError("away"), clock=clock)
    clock.advance(3600)
    flags.refresh()
    assert flags.evaluate("a").reason is Reason.STALE
    assert flags.explain("a").evaluation == flags.evaluate("a")


def test_an_override_and_a_missing_document_are_explained_by_their_answer():
    flags = make_flags(document(SPLIT), overrides={"a": True})
    assert flags.explain("a", "1").evaluation.version == "override"
    assert make_flags(SourceUnavailableError("x")).explain("a").evaluation.error is ErrorCode.PROVIDER_NOT_READY


def test_questions_for_one_user_are_the_same_questions():
    flags = make_flags(document({**SPLIT, "text": {"enabled": True, "value": "x"}, "n": {"enabled": True, "value": 2}}))
    for user in ("1", "2", "3"):
        bound = flags.for_user(user, {"country": "US"})
        assert bound.is_enabled("a") == bound.boolean("a") == flags.is_enabled("a", user)
        assert bound.evaluate("a") == flags.evaluate("a", user)
        assert bound.explain("a") == flags.explain("a", user, {"country": "US"})
        assert (bound.string("text", default=""), bound.integer("n", default=0)) == ("x", 2)
        assert (bound.number("n", default=0.5), bound.object("text", default=[])) == (2, [])
        assert bound.all() == flags.all(user, {"country": "US"})


def test_the_name_of_a_variant_without_attributes_is_its_string_value():
    variants = {
        name: [{"name": name, "enabled": True, "rule": '(exists key::"a")'}, {"name": "default", "enabled": False}]
        for name in ("red", "on")
    }
    variants["sized"] = [
        {"name": "big", "enabled": True, "rule": '(exists key::"a")', "attributeValues": {"size": 3}},
        {"name": "default", "enabled": False},
    ]
    document = {"version": "1", "values": {key: {"_variants": value} for key, value in variants.items()}}
    flags = Flags(StaticSource(document))
    assert flags.string("red", None, {"a": 1}, default="grey") == "red"
    assert flags.string("red", default="grey") == "grey"  # off
    assert flags.string("on", None, {"a": 1}, default="grey") == "grey"  # on or off is not a text
    assert flags.string("sized", None, {"a": 1}, default="grey") == "grey"
    assert flags.integer("red", None, {"a": 1}, default=7) == 7


@pytest.mark.parametrize("wrong", [{"country": "US"}, MappingProxyType({"country": "US"}), OrderedDict(country="US")])
@pytest.mark.parametrize(
    "read",
    [
        lambda flags, user: flags.is_enabled("targeted", user),
        lambda flags, user: flags.string("targeted", user, default=""),
        lambda flags, user: flags.integer("targeted", user, default=0),
        lambda flags, user: flags.number("targeted", user, default=0.0),
        lambda flags, user: flags.object("targeted", user),
        lambda flags, user: flags.evaluate("targeted", user),
        lambda flags, user: flags.all(user),
        lambda flags, user: flags.for_user(user).is_enabled("targeted"),
    ],
)
def test_a_mapping_as_user_id_is_warned_of_once_and_the_read_goes_on(wrong, read, caplog):
    variants = [{"name": "on", "enabled": True, "rule": '(eq $country "US")'}, {"name": "off", "enabled": False}]
    flags = Flags(StaticSource({"version": "1", "values": {"targeted": {"_variants": variants}}}))
    for _ in range(40):
        read(flags, wrong)
    warnings = [
        record.getMessage() for record in caplog.records if "the context is the argument after" in record.message
    ]
    assert len(warnings) == 1
    assert "US" not in warnings[0]


def test_usual_user_ids_are_not_warned_of(caplog):
    flags = Flags(StaticSource({"a": True}))
    for user_id in ("42", 42, 4.2, None, UUID(int=42), date(2027, 1, 1)):
        assert flags.is_enabled("a", user_id)
    assert not caplog.records


def test_where_segments_are_kept_is_hidden_from_every_read():
    values = {"a": {"enabled": True}, "flagkit-segments": {"_variants": [{"name": "nobody", "enabled": False}]}}
    flags = Flags(StaticSource({"version": "1", "values": values}))
    assert flags.keys() == tuple(flags) == tuple(flags.all("42")) == ("a",)
    assert "flagkit-segments" not in flags
    assert flags.evaluate("flagkit-segments").error is ErrorCode.FLAG_NOT_FOUND
    assert not flags.is_enabled("flagkit-segments")
    doubled = '{"version": "1", "values": {"flagkit-segments": {}, "flagkit-segments": {}}}'
    assert Flags(StaticSource(doubled)).status().problems == {}


def refreshing_threads() -> int:
    return sum(thread.name == "flagkit-refresher" for thread in threading.enumerate())


def test_clients_that_are_dropped_without_close_end_their_threads(tmp_path):
    (tmp_path / "flags.json").write_text('{"version": "1", "values": {"a": {"enabled": true}}}')
    before = refreshing_threads()
    kept = Flags.connect(f"file:{tmp_path / 'flags.json'}", refresh="background").for_user("42")
    for _ in range(20):
        assert Flags.connect(f"file:{tmp_path / 'flags.json'}", refresh="background").is_enabled("a")
    gc.collect()
    for _ in range(400):
        if refreshing_threads() == before + 1:
            break
        threading.Event().wait(0.05)
    assert refreshing_threads() == before + 1
    assert kept.is_enabled("a")  # a view holds its client
    del kept
