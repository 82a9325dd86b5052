"""Flags as code: pull loses nothing, plan shows drift, apply is an ordinary edit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flagkit.admin import edits
from flagkit.admin.code import plan, pull
from flagkit.admin.entries import EMPTY, entries_of, is_same
from flagkit.core.definitions import SEGMENTS_FLAG
from flagkit.core.documents import FlagDocument
from flagkit.errors import DocumentError, EditError

EXAMPLE = Path(__file__).parents[3] / "examples" / "flags.json"


def lived():
    document = edits.create(EMPTY, "a", enabled=True, attributes={"color": "red", "tags": ["x"]})
    document = edits.rollout(document, "a", 12.5, where='(eq $country "US")')
    document = edits.split(edits.create(document, "b"), "b", {"red": 50, "blue": 50})
    document = edits.split(document, "b", {"red": 30, "blue": 40, "green": 30})
    document = edits.put_segment(document, "staff", users=["1"])
    document = edits.put_segment(document, "unused", groups=["qa"])
    document = edits.target(edits.create(document, "c"), "c", segments=["staff"])
    return edits.switch_off(document, "b")


@pytest.mark.parametrize(
    "document", [EMPTY, lived(), FlagDocument.parse(EXAMPLE.read_bytes())], ids=["empty", "lived", "example"]
)
def test_pull_and_plan_change_nothing(document):
    """Item 4: the round trip loses nothing."""
    found = plan(document, pull(document))
    assert entries_of(found.document) == entries_of(document)
    assert not found.diff


def test_segments_that_no_flag_uses_are_in_the_code():
    text = pull(lived())
    assert "[segments.unused]" in text
    assert SEGMENTS_FLAG not in text


def test_code_from_nothing_makes_the_same_document_again():
    document = edits.switch_on(lived(), "b")
    again = plan(EMPTY, pull(document)).document
    assert is_same(again, document)


def test_drift_is_shown_and_applied():
    document = lived()
    code = pull(document).replace("percent = 12.5", "percent = 50") + "\n[flags.d]\nenabled = true\n"
    found = plan(document, code)
    assert found.diff.of("a").audience[0].startswith("12.5 % → 50 %: about 37.5 % of users")
    assert found.diff.of("d").kind == "created"
    assert [flag.key for flag in found.diff.flags] == ["a", "d"]
    assert not plan(found.document, code).diff


def test_flags_that_the_code_does_not_name_are_deleted():
    assert plan(lived(), "[flags.a]\nenabled = true\n").diff.of("c").kind == "deleted"


def test_weights_are_reallocated_over_what_is_there():
    start = edits.split(edits.create(EMPTY, "b", enabled=True), "b", {"red": 50, "blue": 50})
    code = pull(start).replace("weight = 50", "weight = 40")
    assert "No other user moves." in plan(start, code).diff.of("b").audience


def test_rules_of_untouched_flags_keep_their_text():
    rule = '(or  (eq $a 1)   (split pct::10 by::$userId seed::"f"))'
    variants = [{"name": "on", "enabled": True, "rule": rule}, {"name": "off", "enabled": False}]
    content = {"version": "1", "flags": {"f": {"name": "f"}}, "values": {"f": {"_variants": variants}}}
    document = FlagDocument.parse(json.dumps(content))
    assert plan(document, pull(document)).document.values["f"].variants[0].rule == rule


@pytest.mark.parametrize("code", ["[flags", "[flags.a]\npercnt = 1", '[flags.a]\nsegments = ["nope"]'])
def test_code_that_makes_no_sense_is_refused(code):
    with pytest.raises(EditError):
        plan(EMPTY, code)


def test_code_that_breaks_aws_limits_is_refused():
    with pytest.raises(DocumentError):
        plan(EMPTY, "[flags.Big]\nenabled = true")
