"""Snapshots: lazy, immutable, one flag as the unit of failure (decision 0005)."""

import copy
import json
import pickle
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

import pytest

from flagkit.core.entries import MAX_CONTENT_BYTES
from flagkit.core.evaluation import ErrorCode, Reason
from flagkit.core.rules import shapes
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError


def variants(*rules: str | None, on: bool = True, **attributes: object) -> dict:
    """v0, v1, … with these rules; the last is the default and off."""
    entries = [{"name": f"v{index}", "enabled": on, "attributeValues": attributes} for index in range(len(rules))]
    for entry, rule in zip(entries, rules, strict=True):
        if rule is not None:
            entry["rule"] = rule
    entries[-1]["enabled"] = False
    return {"_variants": entries}


def snapshot(**values: object) -> Snapshot:
    return Snapshot.from_json(json.dumps({"version": "1", "values": values}), version="7", label="v7")


def test_one_bad_flag_is_off_and_named_and_its_neighbours_serve():
    flags = snapshot(
        good={"enabled": True},
        rule=variants("(nope)", None),
        entry=5,
        pattern=variants('(matches in::$a pattern::"[")', None),
    )
    assert dict(flags.problems) == {}, "nobody has asked yet"
    found = flags.evaluate("rule")
    assert (found.error, found.is_on, found.value, found.reason) == (ErrorCode.PARSE_ERROR, None, None, Reason.ERROR)
    assert set(flags.problems) == {"rule"}
    assert set(flags.check()) == {"rule", "entry", "pattern"}
    assert found.message == flags.problems["rule"]
    assert flags.evaluate("good").is_on is True
    with pytest.raises(TypeError):
        flags.problems["good"] = "x"


def test_a_problem_names_the_variant():
    assert (
        snapshot(a=variants("(eq $a 1)", "(nope)", None)).check()["a"]
        == "variant v1: unknown operator 'nope' (character 2)"
    )
    pattern = '(matches in::$a pattern::"[")'
    assert snapshot(a=variants("(eq $a 1)", pattern, None)).check()["a"].startswith("variant v1: the pattern")


def test_a_list_longer_than_awss_limit_is_served_where_aws_does_not_check():
    ids = [f"user-{number:015}" for number in range(10_000)]
    flags = snapshot(
        a=variants(f"(in $userId {json.dumps(ids)})", None), b=variants(f'(eq $a "{"x" * 300_000}")', None)
    )
    assert [flags.evaluate("a", user_id).variant for user_id in (ids[-1], "user-0")] == ["v0", "v1"]
    assert flags.evaluate("b").error is ErrorCode.PARSE_ERROR


def test_an_unknown_flag_is_not_found():
    found = snapshot().evaluate("nowhere")
    assert (found.error, found.is_on, found.key, found.version) == (ErrorCode.FLAG_NOT_FOUND, None, "nowhere", "7")


def test_flags_are_read_when_first_asked_for_and_then_once(monkeypatch):
    import flagkit.core.snapshot as module

    read = []
    real = module.read_flag_function
    monkeypatch.setattr(
        module,
        "read_flag_function",
        lambda definition, *args, **options: read.append(definition.key) or real(definition, *args, **options),
    )
    flags = snapshot(a={"enabled": True}, b={"enabled": True})
    held = dict(flags.flags)
    assert read == []
    for _ in range(3):
        assert flags.evaluate("a").is_on
        assert held["a"](None, None).is_on, "a copy of the table doesn't read again"
    flags.check()
    flags.check()
    assert read == ["a", "b"]


def test_flags_that_were_read_are_read_before_the_next_version_becomes_current():
    values = {"used": variants("(eq $a 1)", None), "gone": {"enabled": True}, "idle": variants("(eq $a 1)", None)}
    before = snapshot(**values)
    before.evaluate("used")
    before.evaluate("gone")
    del values["gone"]
    after = snapshot(**values, broken=5)
    after.prepare_like(before)
    stub = type(after.flags["idle"])
    assert {key for key, flag in after.flags.items() if type(flag) is not stub} == {"used"}
    assert not after.problems


def test_a_flag_first_asked_for_deep_in_the_stack_is_tried_again(monkeypatch):
    """The error is feigned: a real one would also end the measuring of coverage."""
    import flagkit.core.snapshot as module

    def too_deep(*_given, **_options):
        raise RecursionError

    flags = snapshot(a={"enabled": True})
    with monkeypatch.context() as patch:
        patch.setattr(module, "read_flag_function", too_deep)
        assert flags.evaluate("a").error is ErrorCode.GENERAL
    assert flags.evaluate("a").is_on is True
    assert dict(flags.problems) == {}


def test_all_flags_of_a_user_are_those_one_by_one_in_the_order_of_the_document():
    values = {
        "split": variants("(split pct::50 by::$userId)", None),
        "on": {"enabled": True},
        "broken": 5,
        "text": variants('(eq $country "US")', None),
        "off": {"enabled": False},
    }
    flags = snapshot(**values)
    for _ in ("walked", "generated"):
        for user_id, context in (("u1", None), ("u2", {"country": "US"}), (None, {}), ("u3", [1])):
            found = flags.all(user_id, context)
            assert list(found) == list(values)
            assert found == {key: flags.evaluate(key, user_id, context) for key in values}
        flags.prepare()
    found["on"] = found["off"]
    assert flags.all()["on"].is_on, "each call has a dictionary of its own"


HOSTILE_USERS = (
    ("u1", None),
    ("u1", {"a": "1", "b": 5}),
    (7, {}),
    (None, {"userId": "u2"}),
    ("é", {}),
    ("\ud800", {}),
    ("u", 5),
)


@pytest.mark.parametrize(
    "rules",
    [
        ("(split pct::50 by::$userId)",),
        ("(split pct::30 by::$userId)", "(split pct::60 by::$userId)"),
        ('(and (eq $a "1") (split pct::50 by::$a))', '(or (exists key::"b") (split pct::20 by::$userId))'),
        ('(eq $a "1")', '(eq $a "2")', '(eq $a "3")', "(not (split pct::50 by::$b))"),
    ],
)
def test_flags_of_one_shape_are_answered_by_one_function(rules):
    flags = snapshot(**{f"flag_{number}": variants(*rules, None) for number in range(shapes.MIN_ALIKE)})
    flags.prepare()
    for user_id, context in HOSTILE_USERS:
        assert flags.all(user_id, context) == {key: flags.walked(key)(user_id, context) for key in flags.flags}
    assert flags._divided is not None
    assert [len(rows) for _, rows in flags._divided[2]] == [shapes.MIN_ALIKE]


def test_all_flags_are_answered_where_no_function_can_do_it_for_many(monkeypatch):
    flags = snapshot(**{f"flag_{number}": variants('(eq $a "1")', None) for number in range(shapes.MIN_ALIKE)})
    flags.prepare()
    monkeypatch.setattr(shapes, "MAX_LOOP_CHARS", 10)
    monkeypatch.setattr(shapes, "_loops", {})
    assert all(answer.variant == "v0" for answer in flags.all("u", {"a": "1"}).values())
    assert flags._divided is not None
    assert flags._divided[2] == []


def test_a_flag_that_is_compiled_while_all_are_divided_is_divided_again(monkeypatch):
    flags = snapshot(**{f"flag_{number}": variants('(eq $a "1")', None) for number in range(shapes.MIN_ALIKE)})
    divide = shapes.loops_over

    def meanwhile(found):
        flags.prepare()
        return divide(found)

    monkeypatch.setattr(shapes, "loops_over", meanwhile)
    first = flags.all("u", {"a": "1"})
    assert flags._divided is None
    assert flags.all("u", {"a": "1"}) == first
    assert flags._divided is not None
    assert len(flags._divided[2]) == 1


def test_the_clock_reaches_the_rules():
    content = json.dumps({"version": "1", "values": {"a": variants("(gte $now 2026-11-23T00:00:00Z)", None)}})
    times = [datetime(2026, 11, day, tzinfo=UTC) for day in (22, 23)]
    assert [
        Snapshot.from_json(content, now=partial(lambda moment: moment, moment)).evaluate("a").variant
        for moment in times
    ] == ["v1", "v0"]
    assert Snapshot.from_json(content).evaluate("a").variant == "v1"


def test_a_clock_that_fails_is_an_error_not_an_exception():
    def broken() -> datetime:
        raise OSError

    content = json.dumps({"version": "1", "values": {"a": variants("(gte $now 2026T)", None)}})
    assert Snapshot.from_json(content, now=broken).evaluate("a").is_on is None


def test_the_name_of_the_user_id_can_be_chosen():
    content = json.dumps({"version": "1", "values": {"a": variants('(eq $account "x")', None)}})
    assert Snapshot.from_json(content, user_key="account").evaluate("a", "x").variant == "v0"


def test_what_was_decoded_elsewhere_is_copied():
    document = {"version": "1", "values": {"a": {"enabled": True}}}
    flags = Snapshot.from_document(document)
    document["values"]["a"]["enabled"] = False
    assert flags.evaluate("a").is_on is True


@pytest.mark.parametrize(
    "content", ['{"version":"1"}', '{"version":"1","values":null}', '{"version":"1","flags":{"a":{}},"values":{}}']
)
def test_a_flag_without_values_is_not_served_as_the_service_does(content):
    flags = Snapshot.from_json(content)
    assert dict(flags.flags) == {}
    assert flags.evaluate("a").error is ErrorCode.FLAG_NOT_FOUND


def test_unknown_members_of_a_document_are_ignored():
    assert (
        Snapshot.from_json('{"version":"1","values":{"a":{"enabled":true}},"$schema":"x","flags":7}')
        .evaluate("a")
        .is_on
    )


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + b'{"version":"1"}', '{"version":"1"}'.encode("utf-16")])
def test_other_encodings_of_unicode_are_read(content):
    assert dict(Snapshot.from_json(content).flags) == {}


def test_a_document_too_large_is_refused_before_it_is_decoded():
    with pytest.raises(DocumentError, match="larger"):
        Snapshot.from_json(b"x" * (MAX_CONTENT_BYTES + 1))


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\xff", b"\x80", "{", "[]", "5", '{"version":"1","values":{"a":{"x":NaN}}}', '{"version":"2"}']
)
def test_what_is_no_document_is_a_document_error(content):
    with pytest.raises(DocumentError) as caught:
        Snapshot.from_json(content)
    assert caught.value.violations


@pytest.mark.parametrize("levels", [60, 500, 3_000, 100_000])
@pytest.mark.parametrize(
    "start", ['{"version":"1","values":{"a":', '{"version":"1","values":{"a":{"enabled":true,"x":']
)
def test_deep_nesting_is_refused_or_breaks_one_flag_on_every_python(levels, start):
    content = start + "[" * levels + "]" * levels + "}" * start.count("{")
    try:
        flags = Snapshot.from_json(content)
    except DocumentError:
        assert levels > 500
        return
    found = flags.evaluate("a")
    assert found.error is (None if levels == 60 and '"x"' in start else ErrorCode.PARSE_ERROR)


def nested(levels: int) -> list:
    outer: list = []
    for _ in range(levels):
        outer = [outer]
    return outer


@pytest.mark.parametrize("kind", ["nested", "object", "set", "nan", "bytes"])
def test_decoded_data_that_is_no_json_is_refused(kind):
    value = {"nested": nested(100_000), "object": object(), "set": {1}, "nan": float("nan"), "bytes": b"x"}[kind]
    with pytest.raises(DocumentError, match="not valid JSON"):
        Snapshot.from_document({"version": "1", "values": {"a": {"enabled": True, "x": value}}})


def test_decoded_data_may_be_of_any_mapping_type():
    document = MappingProxyType(
        {"version": "1", "values": MappingProxyType({"a": MappingProxyType({"enabled": True})})}
    )
    assert Snapshot.from_document(document).evaluate("a").is_on is True


def test_a_version_and_label_are_kept():
    assert (snapshot().version, snapshot().label) == ("7", "v7")


def test_retrieved_content_answers_and_says_where_rules_are_unseen():
    content = (
        '{"plain":{"enabled":true,"color":"red"},"off":{"enabled":false},'
        '"ruled":{"_variant":"default","enabled":true,"value":1}}'
    )
    flags = Snapshot.from_retrieved(content, version="3", label="x")
    assert flags.rules_unseen == {"ruled"}
    assert snapshot().rules_unseen == frozenset()
    plain, off, ruled = (flags.evaluate(key, "u") for key in ("plain", "off", "ruled"))
    assert (plain.reason, dict(plain.attributes), plain.message) == (Reason.STATIC, {"color": "red"}, "")
    assert off.reason is Reason.DISABLED
    assert (ruled.reason, ruled.variant, ruled.value, ruled.error, ruled.version) == (
        Reason.RULES_UNSEEN,
        "default",
        1,
        None,
        "3",
    )
    assert "rules" in ruled.message


def test_retrieved_content_isolates_a_bad_flag_too():
    flags = Snapshot.from_retrieved('{"a":{"enabled":1},"b":5,"c":{"enabled":true}}')
    assert set(flags.check()) == {"a", "b"}
    assert flags.evaluate("c").is_on


@pytest.mark.parametrize("content", ["[]", "x", b"\x80"])
def test_retrieved_content_that_is_no_object_is_refused(content):
    with pytest.raises(DocumentError):
        Snapshot.from_retrieved(content)


@pytest.mark.parametrize("key", ["__class__", "__init__", "flags", "", "é", "a b", '"', "\\"])
def test_a_key_is_only_a_key(key):
    assert snapshot(**{key: {"enabled": True, "__class__": "x", "_variants": None}}).evaluate(key).is_on is True


def test_an_evaluation_cannot_be_changed():
    found = snapshot(a={"enabled": True}).evaluate("a")
    with pytest.raises(AttributeError):
        found.enabled = False


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
def test_an_evaluation_can_be_copied_and_pickled_and_stays_unchangeable(copied):
    flags = snapshot(a={"enabled": True, "value": {"sizes": [1, {"x": None}]}, "colour": "red"}, off={"enabled": False})
    for key in ("a", "off", "nothing"):
        found = flags.evaluate(key)
        other = copied(found)
        assert other == found
        assert (type(other.reason), type(other.attributes)) == (type(found.reason), type(found.attributes))
    other = copied(flags.evaluate("a"))
    with pytest.raises(TypeError):
        other.attributes["colour"] = "blue"
    with pytest.raises(TypeError):
        other.value["sizes"][1]["x"] = 1
    with pytest.raises(AttributeError):
        other.enabled = False


def test_where_segments_are_kept_is_not_a_flag():
    values = {"a": {"enabled": True}, "flagkit-segments": {"_variants": [{"name": "nobody", "enabled": False}]}}
    snapshot = Snapshot.from_document({"version": "1", "values": values})
    assert tuple(snapshot.flags) == ("a",)
    assert snapshot.evaluate("flagkit-segments").error is ErrorCode.FLAG_NOT_FOUND
