"""What is written down about a version survives AWS's header, whatever people write."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flagkit.admin.stores import Note, notes
from flagkit.errors import EditError

NOW = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    ['x | flagkit {"by": 1}', 'flagkit {"by": 1}', "", " ", "  both  ", " | "]
)


@given(texts, texts)
def test_every_reason_and_author_comes_back(reason, author):
    note = Note(reason)
    try:
        text = notes.describe(note, author=author, at=NOW)
    except EditError:
        assume(False)  # longer than AWS keeps
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= notes.MAX_CHARS
    # A header loses the white space around its value (RFC 9110 §5.5).
    version = notes.read(7, notes.label_of(note), text.strip())
    assert (version.number, version.author, version.reason or "", version.at) == (7, author, reason, NOW)
    assert version.edit_id == note.edit_id


@pytest.mark.parametrize(
    "text", [None, "", "by hand", "x | flagkit not json", "x | flagkit [1]", 'x | flagkit {"by": 1}']
)
def test_what_others_wrote_is_a_remark(text):
    version = notes.read(1, None, text)
    assert (version.author, version.reason, version.remark) == (None, None, text or None)


def test_more_flags_than_fit_are_left_out_and_the_rest_stays():
    changes = {f"flag_{number}": "changed" for number in range(200)}
    text = notes.describe(Note("why"), author="alice", at=NOW, changes=changes)
    version = notes.read(1, None, text)
    assert (version.author, version.reason, version.changes) == ("alice", "why", None)
    few = notes.describe(Note("why"), author="alice", at=NOW, changes={"a": "created", "b": "deleted", "c": "changed"})
    assert notes.read(1, None, few).changes == {"a": "created", "b": "deleted", "c": "changed"}
