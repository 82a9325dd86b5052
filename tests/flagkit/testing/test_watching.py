"""A test can say which flags the code under test asked for."""

from __future__ import annotations

from flagkit import Flags
from flagkit.sources.static import StaticSource
from flagkit.testing import Answer, VirtualClock, answers_of


def test_the_answers_inside_the_block_are_collected():
    flags = Flags(StaticSource({"a": True}), clock=VirtualClock())
    flags.is_enabled("a", "before")
    with answers_of(flags) as answers:
        flags.is_enabled("a", "42")
        flags.is_enabled("missing", "42")
    flags.is_enabled("a", "after")
    assert answers == [
        Answer("a", "42", True, None, None),
        Answer("missing", "42", False, None, "FLAG_NOT_FOUND"),
    ]
