"""Overlays and watchers: what lies above the document's answers."""

from __future__ import annotations

import pytest

from flagkit import ErrorCode, Flags
from flagkit.sources.static import StaticSource
from flagkit.testing import ScriptedSource, VirtualClock, override


@pytest.fixture
def flags():
    return Flags(StaticSource({"a": True, "text": "x", "n": 1}), clock=VirtualClock())


@pytest.fixture
def seen(flags):
    log = []
    flags.watch(lambda evaluation, user_id: log.append((evaluation.key, user_id, evaluation.error)))
    return log


def test_a_watcher_gets_each_answer(flags, seen):
    flags.is_enabled("a", "1")
    flags.evaluate("a", "2")
    flags.boolean("a", "3")
    flags.string("text", "4", default="")
    flags.integer("n", "5", default=0)
    flags.number("n", "6", default=0.5)
    flags.object("text", "7", default=None)
    flags.for_user("8").is_enabled("a")
    assert [user for _, user, _ in seen] == ["1", "2", "3", "4", "5", "6", "7", "8"]


def test_a_watcher_gets_once_a_question_that_got_the_default(flags, seen):
    flags.is_enabled("missing", "1")
    flags.string("missing", "2", default="")
    flags.evaluate("missing", "3")
    flags.integer("text", "4", default=0)
    missing = ErrorCode.FLAG_NOT_FOUND
    assert seen == [
        ("missing", "1", missing),
        ("missing", "2", missing),
        ("missing", "3", missing),
        ("text", "4", None),
    ]


def test_a_watcher_does_not_get_explanations_nor_of_all_flags(flags, seen):
    flags.explain("a", "1")
    flags.all("1")
    assert "a" in flags
    assert list(flags) == ["a", "text", "n"]
    assert seen == []


def test_a_watcher_that_fails_harms_nobody(flags, seen, caplog):
    flags.watch(lambda *_: 1 / 0)
    assert flags.is_enabled("a")
    assert len(seen) == 1
    assert "watcher" in caplog.text


def test_a_watcher_can_be_removed_and_survives_refreshes_and_overrides():
    flags = Flags(ScriptedSource({"a": False}, {"a": True}), clock=VirtualClock())
    log = []
    stop = flags.watch(lambda evaluation, _: log.append(evaluation.enabled))
    flags.is_enabled("a")
    flags.refresh()
    flags.is_enabled("a")
    with override(flags, a=False, b=True):
        flags.is_enabled("a")
        assert len(flags.keys()) == 2
        assert len(flags._flags) == 2
    stop()
    flags.is_enabled("a")
    assert log == [False, True, False]


def test_a_gate_runs_only_while_its_flag_is_on(flags):
    @flags.requires_flag("a")
    def work(x, *, y):
        """Works."""
        return x + y

    @flags.requires_flag("a", instead=lambda x, y: f"closed {x} {y}")
    def other(x, y):
        return x + y

    assert (work(1, y=2), other(1, 2), work.__doc__) == (3, 3, "Works.")
    with override(flags, a=False):
        assert (work(1, y=2), other(1, 2)) == (None, "closed 1 2")


def test_an_explanation_beside_an_override_is_still_one(flags):
    with override(flags, text="y"):
        assert flags.explain("a", "1").evaluation.version == flags.status().version
        assert flags.explain("text", "1").evaluation.version == "override"


def test_a_document_that_arrives_while_an_override_is_added_is_the_one_served():
    source = StaticSource({"a": 1})
    flags = Flags(source, clock=VirtualClock())
    source.replace({"a": 2})
    refresh = iter([flags.refresh])

    def slow(below):
        # As another thread may, between the look at the document and the installation of the table.
        next(refresh, bool)()
        return below

    flags.add_override(slow)
    assert flags.integer("a", default=0) == 2
    assert flags.evaluate("a").version == flags.status().version
