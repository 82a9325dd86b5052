"""Threads: one fetch at a time, a background that keeps going, children of a fork that refresh."""

from __future__ import annotations

import os
import threading

import pytest

from flagkit import Flags
from flagkit.errors import SourceUnavailableError
from flagkit.runtime import refresher as refresher_module
from flagkit.runtime.clock import SystemClock
from flagkit.sources import Document
from flagkit.sources.static import StaticSource
from flagkit.testing import ScriptedSource, VirtualClock


class GatedSource(ScriptedSource):
    """Blocks in fetch until its gate is opened."""

    def __init__(self, *script, **options):
        super().__init__(*script, **options)
        self.gate = threading.Event()
        self.entered = threading.Event()

    def fetch(self):
        self.entered.set()
        assert self.gate.wait(60)
        return super().fetch()


def test_the_background_thread_brings_news():
    source = ScriptedSource({"a": False}, {"a": True}, poll_interval_s=0.06)
    with Flags(source, clock=SystemClock(), refresh="background") as flags:
        changed = threading.Event()
        flags.on_change(lambda _: changed.set())
        assert changed.wait(60) or flags.is_enabled("a")
        assert flags.is_enabled("a")
        assert flags.wait_until_ready(1)


def test_the_background_thread_survives_failures():
    source = ScriptedSource(SourceUnavailableError("down"), RuntimeError("bug"), {"a": True}, poll_interval_s=0.06)
    with Flags(source, clock=SystemClock(), refresh="background") as flags:
        assert flags.wait_until_ready(5)
        assert flags.is_enabled("a")


def test_close_ends_the_thread():
    before = threading.active_count()
    flags = Flags(ScriptedSource({"a": True}), clock=SystemClock(), refresh="background")
    assert threading.active_count() == before + 1
    flags.close()
    assert threading.active_count() == before


def test_the_start_waits_no_longer_than_it_may():
    source = GatedSource({"a": True})
    flags = Flags(source, clock=SystemClock(), refresh="background", start_wait_s=0.01)
    assert flags.is_enabled("a", default=True)
    assert not flags.wait_until_ready(0.01)
    source.gate.set()
    assert flags.wait_until_ready(5)
    flags.close()


def test_a_refresh_within_a_budget_lets_go_and_takes_the_late_answer():
    clock = VirtualClock()
    source = GatedSource({"a": False}, {"a": True})
    source.gate.set()
    flags = Flags(source, clock=clock)
    source.gate.clear()
    clock.advance(3 * 3600)  # frozen: the first invocation after the thaw is served at once
    changed = threading.Event()
    flags.on_change(lambda _: changed.set())
    flags.refresh_if_due(0.01)
    assert not flags.is_enabled("a", default=True)
    flags.refresh_if_due(0.01)  # a fetch is under way: no second one
    source.gate.set()
    assert changed.wait(60)
    assert flags.is_enabled("a")
    assert source.fetches == 2


class HangingSource(ScriptedSource):
    """Its first fetch takes until it is let go."""

    def __init__(self, *script):
        super().__init__(*script)
        self.let_go, self.returned, self.hung = threading.Event(), threading.Event(), False

    def fetch(self):
        if self.hung:
            return super().fetch()
        self.hung = True
        self.let_go.wait(10)
        self.returned.set()
        return Document(b'{"version": "1", "values": {"a": {"enabled": false}}}', "late")


def until(condition):
    for _ in range(1000):
        if condition():
            return True
        threading.Event().wait(0.01)
    return False


def test_a_fetch_that_hangs_is_given_up_and_what_it_brings_late_is_not_used(monkeypatch):
    monkeypatch.setattr(refresher_module, "FETCH_LIMIT_S", 0.05)
    source = HangingSource({"a": True})
    flags = Flags(source, refresh="background", start_wait_s=5)
    try:
        assert until(lambda: flags.is_enabled("a"))
        assert source.resets == 1
        source.let_go.set()
        assert source.returned.wait(5)
        assert until(lambda: not any(thread.name == "flagkit-refresh" for thread in threading.enumerate()))
        assert flags.is_enabled("a")
        assert flags.status().version != "late"
    finally:
        flags.close()


def test_a_fetch_that_hangs_in_an_invocation_is_given_up_by_a_later_one():
    source, clock = HangingSource({"a": True}), VirtualClock()
    flags = Flags(source, refresh="on_demand", clock=clock, start_wait_s=0.01)
    flags.refresh_if_due(0.01)
    assert (flags.status().failures, source.resets) == (0, 0)
    clock.advance(refresher_module.FETCH_LIMIT_S + 1)
    flags.refresh_if_due(0.01)
    assert "has not answered within 90 s" in flags.status().error.message
    clock.advance(60)
    flags.refresh_if_due(5)
    assert flags.is_enabled("a")
    source.let_go.set()


def test_close_does_not_wait_for_a_fetch_that_hangs(monkeypatch):
    monkeypatch.setattr(refresher_module, "_CLOSE_WAIT_S", 0.01)
    source = HangingSource({"a": True})
    flags = Flags(source, refresh="on_demand", start_wait_s=0.01)
    flags.close()
    assert source.closed
    source.let_go.set()


def test_only_one_of_many_threads_fetches():
    clock = VirtualClock()
    source = GatedSource({"a": True}, {"a": True})
    source.gate.set()
    flags = Flags(source, clock=clock)
    source.gate.clear()
    source.entered.clear()
    clock.advance(100)
    threads = [threading.Thread(target=flags.refresh_if_due) for _ in range(8)]
    threads[0].start()
    assert source.entered.wait(60)
    for thread in threads[1:]:
        thread.start()
    for thread in threads[1:]:
        thread.join(60)
    source.gate.set()
    threads[0].join(60)
    assert source.fetches == 2


def test_an_invocation_refreshes_when_due_and_never_per_question():
    clock = VirtualClock()
    source = ScriptedSource({"a": False}, {"a": True})
    flags = Flags(source, clock=clock, refresh="on_demand")

    @flags.on_invocation
    def handler(event, *, context):
        """The handler."""
        return [flags.is_enabled("a") for _ in range(3)], event, context

    assert handler(1, context=2) == ([False] * 3, 1, 2)
    clock.advance(70)
    assert handler(1, context=2) == ([True] * 3, 1, 2)
    handler(1, context=2)
    assert source.fetches == 2
    assert handler.__doc__ == "The handler."


def test_wait_until_ready_fetches_when_nobody_else_does():
    source = ScriptedSource(SourceUnavailableError("down"), {"a": True})
    clock = VirtualClock()
    flags = Flags(source, clock=clock)
    clock.advance(2)
    assert flags.wait_until_ready(5)
    assert flags.is_enabled("a")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_refreshes_with_a_session_and_a_thread_of_its_own():
    source = ScriptedSource({"a": False}, poll_interval_s=0.06)
    flags = Flags(source, clock=SystemClock(), refresh="background", start_wait_s=5)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover  (another process)
        verdict = b"n"
        try:
            changed = threading.Event()
            flags.on_change(lambda _: changed.set())
            source.script.append({"a": True})
            if changed.wait(60) and flags.is_enabled("a") and source.resets == 1:
                verdict = b"y"
        finally:
            os.write(writer, verdict)
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1) == b"y"
    os.close(reader)
    os.close(writer)
    assert source.resets == 0
    flags.close()


def test_eight_threads_read_while_documents_swap():
    documents = [{"a": value, "b": value} for value in (True, False)] * 200
    source = ScriptedSource(*documents)
    flags = Flags(source, clock=VirtualClock())
    torn, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            if flags.evaluate("a").error is not None or not isinstance(flags.is_enabled("b"), bool):
                torn.append(1)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(len(documents) - 1):
        flags.refresh()
    stop.set()
    for thread in threads:
        thread.join()
    assert torn == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_source_that_can_not_be_reset_in_the_child_is_noted():
    source = ScriptedSource({"a": True})
    flags = Flags(source, clock=VirtualClock())

    def refuse():
        raise SourceUnavailableError("no region")

    source.reset = refuse
    flags._engine.refresher.after_fork()
    assert flags.status().error.message == "no region"
    assert flags.is_enabled("a")


class SleepyClock(VirtualClock):
    """A machine whose monotonic clock stands still while it sleeps."""

    def __init__(self):
        super().__init__()
        self.slept_s = 0.0

    def fall_asleep(self, seconds):
        self.slept_s += seconds
        self.advance(seconds)

    def monotonic(self):
        return super().monotonic() - self.slept_s


def test_time_counts_while_the_machine_sleeps():
    clock = SleepyClock()
    source = ScriptedSource({"a": False}, {"a": True})
    flags = Flags(source, clock=clock)
    clock.fall_asleep(3_600)
    assert flags.status().age_s == 3_600
    assert flags.status().state == "stale"
    flags.refresh_if_due()
    assert flags.is_enabled("a")
    assert flags.status().age_s == 0


def test_a_background_thread_over_a_source_that_never_changes_just_waits():
    with Flags(StaticSource({"a": True}), refresh="background") as flags:
        assert flags.is_enabled("a")
        assert flags._engine.refresher._thread.is_alive()
