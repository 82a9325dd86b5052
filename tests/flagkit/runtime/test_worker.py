"""What is left to a background thread: compiling flags that are in use."""

from __future__ import annotations

import threading

from flagkit import Flags
from flagkit.core.variants import READS_BEFORE_COMPILING, WalkedFlag
from flagkit.runtime.refresher import Worker
from flagkit.sources.static import StaticSource

VARIANTS = [{"name": "on", "enabled": True, "rule": '(eq $country "US")'}, {"name": "off", "enabled": False}]


def test_functions_run_one_after_the_other_in_another_thread():
    worker, seen, done = Worker(), [], threading.Event()
    for number in range(5):
        worker(lambda number=number: seen.append((number, threading.current_thread().name)))
    worker(done.set)
    assert done.wait(30)
    assert seen == [(number, "flagkit-worker") for number in range(5)]


def test_what_raises_is_logged_and_the_next_function_runs(caplog):
    worker, done = Worker(), threading.Event()
    worker(lambda: 1 / 0)
    worker(done.set)
    assert done.wait(30)
    assert "a background task raised an exception" in caplog.text


def test_a_thread_that_can_not_be_started_is_tried_again(monkeypatch):
    worker, done = Worker(), threading.Event()
    with monkeypatch.context() as patch:

        def refuse(_thread):
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", refuse)
        worker(lambda: None)
    worker(done.set)
    assert done.wait(30)


def test_a_forked_child_starts_its_own_thread():
    worker, done = Worker(), threading.Event()
    worker._running = True  # as in a child that was forked while the parent's thread ran
    worker.after_fork()
    worker(done.set)
    assert done.wait(30)


def test_a_client_with_a_background_thread_compiles_in_another_one():
    flags = Flags(StaticSource({"flag": {"_variants": VARIANTS}}), refresh="background")
    snapshot = flags._store.snapshot
    compiled = threading.Event()
    defer = snapshot.defer
    snapshot.defer = lambda function: defer(lambda: (function(), compiled.set()))
    for _ in range(READS_BEFORE_COMPILING):
        assert flags.is_enabled("flag", "u", {"country": "US"})
    assert compiled.wait(30)
    assert not isinstance(snapshot.flags["flag"], WalkedFlag)
    assert flags.is_enabled("flag", "u", {"country": "US"})
    flags.close()


def test_a_client_without_one_compiles_where_it_reads():
    flags = Flags(StaticSource({"flag": {"_variants": VARIANTS}}), refresh="manual")
    for _ in range(READS_BEFORE_COMPILING):
        flags.is_enabled("flag", "u", {"country": "US"})
    assert not isinstance(flags._store.snapshot.flags["flag"], WalkedFlag)


def test_prepare_compiles_before_the_first_read():
    source = StaticSource({"flag": {"_variants": VARIANTS}, "other": {"_variants": VARIANTS}})
    flags = Flags(source, refresh="manual")
    flags.prepare("flag", "absent")
    assert not isinstance(flags._store.snapshot.flags["flag"], WalkedFlag)
    source.replace({"flag": {"_variants": VARIANTS}, "other": {"_variants": VARIANTS}, "third": True})
    flags.refresh()
    assert flags._store.snapshot.flags["flag"].__code__.co_filename.startswith("<flagkit shape")
    assert flags.explain("flag", "u", {"country": "US"}).rules
    flags.prepare()
    assert flags.all("u", {"country": "US"}).keys() == {"flag", "other", "third"}


def test_prepare_without_a_document_does_nothing():
    flags = Flags(StaticSource(b"nonsense"), refresh="manual")
    flags.prepare()
    assert not flags.is_enabled("flag")
