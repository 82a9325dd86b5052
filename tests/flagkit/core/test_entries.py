"""The flags of a document as text: what is JSON, and keys that are doubled."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flagkit import ErrorCode, Flags, StaticSource
from flagkit.core.entries import read_entries, read_values
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
spaces = st.text(" \t\n\r", max_size=2)
MARKS = '{}[],:"\\ \n\u00a0\x0b0-truefalsnE.'


@given(
    st.dictionaries(st.text(max_size=5), json_values, max_size=4),
    st.sampled_from([(",", ":"), (" , ", " : "), (",\n\t", ":\r\n")]),
    st.booleans(),
    spaces,
)
def test_entries_are_what_json_says(document, separators, ascii_only, space):
    text = space + json.dumps(document, separators=separators, ensure_ascii=ascii_only) + space
    assert dict(read_entries(text)) == document
    assert list(read_entries(text)) == list(document)


@given(st.data())
@example(None)
def test_what_is_not_json_is_refused_and_nothing_else(data):
    text = '{"a" :{"b": 1}, "\\u0063": [2, {"d":{}}] , "values":{"x":1,"y" : {"z":"}"}}, "n": null }'
    if data is not None:
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.text(MARKS, max_size=2)) + text[at + data.draw(st.integers(0, 2)) :]
    try:
        expected = json.loads(text, object_pairs_hook=lambda pairs: pairs, parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        with pytest.raises(DocumentError, match="not valid JSON"):
            read_entries(text)
        return
    assert list(read_entries(text)) == list(dict(expected))


@pytest.mark.parametrize("text", ["[]", "1", '"a"', "null"])
def test_json_that_is_not_an_object_is_refused_as_such(text):
    with pytest.raises(DocumentError, match="not an object"):
        read_entries(text)


@pytest.mark.parametrize("content", [b"\xff", "\ufeff{}", "{} x", '{"a":1 {"b":2}', "{,}", '{"a":1,}', '{"a" 1}', ""])
def test_text_that_is_not_json_is_refused(content):
    with pytest.raises(DocumentError, match="not valid JSON"):
        read_entries(content)


DOUBLED = b"""{"version": "1", "flags": {"a": {}, "a": {}}, "values": {
  "a": {"enabled": true},
  "b": {"enabled": true},
  "a": {"enabled": false},
  "c": {"enabled": false, "limit": 1, "enabled": true}
}}"""


def test_a_flag_that_the_document_has_twice_is_off_with_the_reason_and_its_neighbours_serve():
    flags = Flags(StaticSource(DOUBLED.decode()))
    assert flags.status().problems["a"] == "values.a is in the document twice, in lines 2 and 4"
    answer = flags.evaluate("a", "42")
    assert (answer.is_on, answer.error) == (None, ErrorCode.PARSE_ERROR)
    assert [flags.is_enabled(key, "42") for key in ("a", "b", "c")] == [False, True, False]
    assert flags.is_enabled("a", default=True), "the code's default, as for every broken flag"
    flags.prepare()
    assert flags.status().problems["c"] == "c has the key 'enabled' twice"
    assert flags.is_enabled("b", "42")


def test_a_flag_that_was_retrieved_twice_is_off_too():
    snapshot = Snapshot.from_retrieved(
        '{"a": {"enabled": true, "_variant": "x"}, "a": {"enabled": true}, "b": {"enabled": true}}'
    )
    assert snapshot.evaluate("a").error is ErrorCode.PARSE_ERROR
    assert snapshot.evaluate("b").is_on
    assert snapshot.rules_unseen == frozenset()


@pytest.mark.parametrize("name", ["version", "values"])
def test_a_document_with_a_part_twice_is_refused(name):
    part = {"version": '"version": "1"', "values": '"values": {}'}
    text = "{" + ", ".join([part["version"], part["values"], part[name]]) + "}"
    with pytest.raises(DocumentError, match=f"{name} is in the document twice"):
        read_values(text)


def test_values_that_are_not_an_object_are_refused():
    with pytest.raises(DocumentError, match="is not an object"):
        read_values('{"version": "1", "values": [1]}')


def test_a_delivered_flag_that_is_broken_has_no_unseen_rules():
    assert Snapshot.from_retrieved('{"a": {"enabled": 7, "_variant": "x"}}').rules_unseen == frozenset()


def test_a_doubled_flag_never_counts_as_unchanged():
    before = Snapshot.from_json('{"version": "1", "values": {"a": {"enabled": true}}}')
    after = Snapshot.from_json('{"version": "1", "values": {"a": {"enabled": true}, "a": {"enabled": true}}}')
    assert not before.says_the_same("a", after)
    assert not after.says_the_same("a", after)
    assert before.says_the_same("a", before)
