"""Who last changed a flag, and when, comes from one listing; what isn't written down is unknown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from flagkit.admin.changes import FlagChanges, flag_changes
from flagkit.admin.stores import Version


def day(number: int) -> dt.datetime:
    return dt.datetime(2026, 1, number, tzinfo=dt.UTC)


HISTORY = [
    Version(3, author="carol", at=day(3), changes={"b": "changed"}),
    Version(2, author="bob", at=day(2), changes={"a": "changed", "gone": "deleted"}),
    Version(1, author="alice", at=day(1), changes={"a": "created", "b": "created"}),
]


def test_each_flag_has_its_last_change_and_its_creation() -> None:
    found = flag_changes(HISTORY, ["a", "b", "unknown"])
    assert found == {
        "a": FlagChanges(day(1), day(2), "bob", 2),
        "b": FlagChanges(day(1), day(3), "carol", 3),
    }


def test_what_is_older_than_a_version_of_another_tool_isnt_known_to_be_the_last_change() -> None:
    other = Version(4, remark="by hand")
    assert flag_changes([other, *HISTORY], ["a"]) == {"a": FlagChanges(day(1))}
    assert flag_changes([HISTORY[0], other, *HISTORY[1:]], ["b"])["b"].changed_by == "carol"


def test_no_more_versions_are_listed_than_are_needed() -> None:
    def listed() -> Iterator[Version]:
        yield Version(9, at=day(9), changes={"new": "created"})
        pytest.fail("asked for more")

    assert flag_changes(listed(), ["new"])["new"].created == day(9)
