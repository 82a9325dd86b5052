"""The clock of programs that work against a sandbox, with the sandbox's answers held by the test."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from flagkit import Flags, StaticSource
from flagkit.runtime.clock import SystemClock, machine_clock, stopwatch, wait_by
from flagkit.runtime.sandbox_clock import SandboxClock
from flagkit.sources.base import Document
from flagkit.testing import VirtualClock

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]


class Real:
    """Real seconds that pass only in pauses."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def sandbox() -> Iterator[dict[str, Any]]:
    answer: dict[str, Any] = {"epoch_s": 1_800_000_000.0, "speed": 60.0, "asked": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer["asked"] += 1
            answer["epoch_s"] += answer.get("step_s", 0.0)
            body = answer.get("body") or json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    answer["url"] = f"http://127.0.0.1:{server.server_address[1]}/_sandbox/clock"
    yield answer
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_tells_the_sandboxs_time_and_counts_on_at_its_speed(sandbox: dict[str, Any]) -> None:
    real = Real()
    clock = SandboxClock(sandbox["url"], monotonic=real)
    assert clock.now() == datetime.fromtimestamp(1_800_000_000, UTC)
    real.seconds += 0.1
    assert clock.epoch_s() == pytest.approx(1_800_000_006)
    assert sandbox["asked"] == 1, "not asked again within a fifth of a second"


def test_a_step_of_the_sandboxs_time_is_seen(sandbox: dict[str, Any]) -> None:
    real = Real()
    clock = SandboxClock(sandbox["url"], monotonic=real)
    clock.now()
    sandbox["epoch_s"] += 86_400
    real.seconds += 0.3
    assert clock.epoch_s() == pytest.approx(1_800_086_400)


def test_a_wait_lasts_as_long_as_the_sandbox_needs(sandbox: dict[str, Any]) -> None:
    real = Real()

    def pause(seconds: float) -> None:
        real.pause(seconds)
        sandbox["epoch_s"] += seconds * 60

    clock = SandboxClock(sandbox["url"], monotonic=real, pause=pause)
    clock.sleep(120)
    assert real.seconds == pytest.approx(2.0)


def test_a_wait_can_be_cut_short(sandbox: dict[str, Any]) -> None:
    real = Real()
    SandboxClock(sandbox["url"], monotonic=real).sleep(3600, lambda seconds: True)
    assert real.seconds == 0


def test_a_wait_on_a_clock_that_only_steps_goes_on_until_the_step(sandbox: dict[str, Any]) -> None:
    real = Real()
    sandbox["speed"] = 0.0
    waits = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        real.pause(seconds)
        if len(waits) == 3:
            sandbox["epoch_s"] += 600

    SandboxClock(sandbox["url"], monotonic=real, pause=pause).sleep(600)
    assert len(waits) == 3


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"epoch_s": "x"}', b"{}"])
def test_an_answer_that_is_no_clock_changes_nothing(sandbox: dict[str, Any], body: bytes) -> None:
    real = Real()
    clock = SandboxClock(sandbox["url"], monotonic=real)
    clock.now()
    sandbox["body"] = body
    real.seconds += 1.0
    assert clock.epoch_s() == pytest.approx(1_800_000_060)


def test_a_wait_never_ends_before_the_sandboxs_time(sandbox: dict[str, Any]) -> None:
    """A busy sandbox is slower than its speed says."""
    real = Real()

    def pause(seconds: float) -> None:
        real.pause(seconds)
        sandbox["epoch_s"] += seconds * 30

    SandboxClock(sandbox["url"], monotonic=real, pause=pause).sleep(6)
    assert sandbox["epoch_s"] == pytest.approx(1_800_000_006)


def test_a_wait_for_an_event_ends_with_it_or_with_the_sandboxs_time(sandbox: dict[str, Any]) -> None:
    event = threading.Event()
    clock = SandboxClock(sandbox["url"])
    sandbox.update(speed=1e6, step_s=3600.0)
    assert not wait_by(clock, event, 3600)
    clock.after_fork()
    event.set()
    assert wait_by(clock, event, 3600)


def test_only_a_clock_that_goes_on_is_waited_by() -> None:
    event, real = threading.Event(), SystemClock()
    event.set()
    assert wait_by(real, event, 60)
    assert wait_by(VirtualClock(), event, 60)
    assert stopwatch(real) is time.monotonic
    assert stopwatch(VirtualClock())() == 0


def test_a_client_polls_by_the_sandboxs_clock(monkeypatch: pytest.MonkeyPatch, sandbox: dict[str, Any]) -> None:
    monkeypatch.setenv("SANDBOX_CLOCK_URL", sandbox["url"])
    sandbox.update(speed=1e6, step_s=60.0)
    asked = threading.Event()

    class Source(StaticSource):
        """Says when it is asked again."""

        poll_interval_s = 60.0

        def __init__(self) -> None:
            super().__init__({"a": True})
            self.fetches = 0

        def fetch(self) -> Document | None:
            self.fetches += 1
            if self.fetches == 2:
                asked.set()
            return super().fetch()

    with Flags(Source()) as flags:
        assert asked.wait(10)
        assert flags.is_enabled("a")


def test_without_a_sandbox_the_clock_is_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDBOX_CLOCK_URL", raising=False)
    assert isinstance(machine_clock(), SystemClock)


def test_the_environment_names_the_sandbox(monkeypatch: pytest.MonkeyPatch, sandbox: dict[str, Any]) -> None:
    monkeypatch.setenv("SANDBOX_CLOCK_URL", sandbox["url"])
    assert machine_clock().now().year == 2027
