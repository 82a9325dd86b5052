"""What an edit costs: it parses and compiles what it touches, however many flags the document has."""

from __future__ import annotations

from flagkit.admin import edits
from flagkit.admin.diff import compare
from flagkit.authoring import AuthoringDocument, compile_document
from flagkit.authoring.conditions import parsed


def document(flags):
    words = {f"f{number}": {"percent": number % 100, "seed": f"s{number}"} for number in range(flags)}
    return compile_document(AuthoringDocument.parse({"flags": words}))


def test_an_edit_reads_only_the_rules_that_it_touches():
    for flags in (10, 500):
        start = document(flags)
        parsed.cache_clear()
        after = edits.rollout(start, "f1", 40)
        assert compare(start, after)
        assert parsed.cache_info().misses <= 4, flags


def test_flags_that_an_edit_leaves_alone_are_the_same_objects():
    start = document(50)
    after = edits.rollout(start, "f1", 40)
    assert [key for key in start.values if start.values[key] is not after.values[key]] == ["f1"]
