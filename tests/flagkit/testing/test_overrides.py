"""Flags answer as a test wants, for the length of a block, and only there."""

from __future__ import annotations

import asyncio
import threading

import pytest

from flagkit import Flags
from flagkit.sources.static import StaticSource
from flagkit.testing import ScriptedSource, VirtualClock, combinations, override


@pytest.fixture
def flags():
    return Flags(StaticSource({"a": False, "b": False}), clock=VirtualClock())


def test_an_override_holds_inside_the_block_only(flags):
    with override(flags, a=True, colour="red", limits={"enabled": True, "depth": 3}):
        assert flags.is_enabled("a")
        assert not flags.is_enabled("b")
        assert flags.string("colour", default="") == "red"
        assert flags.object("limits", default=None) == {"depth": 3}
        assert set(flags) == {"a", "b", "colour", "limits"}
        assert flags.evaluate("a").version == "override"
    assert not flags.is_enabled("a")
    assert "colour" not in flags


def test_overrides_nest_and_the_inner_one_wins(flags):
    with override(flags, a=True), override(flags, a=False, b=True):
        assert (flags.is_enabled("a"), flags.is_enabled("b")) == (False, True)


def test_an_override_survives_a_refresh():
    flags = Flags(ScriptedSource({"a": False}, {"a": False, "c": True}), clock=VirtualClock())
    with override(flags, a=True):
        flags.refresh()
        assert flags.is_enabled("a")
        assert flags.is_enabled("c")
    assert not flags.is_enabled("a")


def test_tasks_that_run_side_by_side_do_not_see_each_other(flags):
    async def task(value, gate):
        with override(flags, a=value):
            gate.set()
            await asyncio.sleep(0)
            return flags.is_enabled("a")

    async def both():
        first, second = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(task(True, first), task(False, second))

    assert asyncio.run(both()) == [True, False]


@pytest.mark.parametrize("everywhere", [False, True])
def test_other_threads_see_an_override_only_if_asked_for(flags, everywhere):
    seen = []
    with override(flags, all_threads=everywhere, a=True):
        thread = threading.Thread(target=lambda: seen.append(flags.is_enabled("a")))
        thread.start()
        thread.join()
    assert seen == [everywhere]
    assert not flags.is_enabled("a")


def test_combinations_are_all_of_them():
    assert combinations(a=[True, False], b=["x", "y"]) == [
        {"a": True, "b": "x"},
        {"a": True, "b": "y"},
        {"a": False, "b": "x"},
        {"a": False, "b": "y"},
    ]
    assert combinations("a") == [{"a": True}, {"a": False}]
    assert combinations("a", "b", c=[3])[1] == {"a": True, "b": False, "c": 3}
    assert combinations() == [{}]


def test_the_fixture_overrides_until_the_test_ends(flags, override_flags):
    override_flags(flags, a=True)
    override_flags(flags, b=True)
    assert flags.is_enabled("a")
    assert flags.is_enabled("b")


def test_a_missing_name_of_the_package_is_an_attribute_error():
    import flagkit
    import flagkit.testing

    for module in (flagkit, flagkit.testing):
        with pytest.raises(AttributeError, match="nonsense"):
            _ = module.nonsense
