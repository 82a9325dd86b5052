"""A driver as a real process: signals and closed streams end it with the traffic on the baseline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from canary.adapters.notify import Notifier
from canary.cli.drive import _send_the_rest
from canary.cli.signals import StopRequest
from canary.core.events import CanaryEnded, Noticed
from canary.core.phases import Phase
from canary.core.plan import WebhookTarget
from canary.simulator import Simulation
from canary.testing import InMemoryJournal
from flagkit.channels.http import Http
from flagkit.testing import VirtualClock
from tests.canary.stages import stage_of

ROOT = Path(__file__).parents[3]

DRIVER = """
import json, sys
from pathlib import Path

from canary.cli import drive, main
from canary.cli.session import Session
from canary.core.plan import Plan
from canary.simulator import Simulation

out = Path(sys.argv[1])
simulation = Simulation(Plan.parse(Path("canary.toml").read_text()).stage("staging"))
simulation.clock.sleep(300)


class Waiting:
    # The virtual clock, at which each wait also really waits for a moment, so that signals arrive.
    def __init__(self, stop):
        self._stop = stop

    def now(self):
        return simulation.clock.now()

    def sleep(self, seconds):
        if not self._stop.is_set() and simulation.routes()["api:live"][2]:
            out.with_suffix(".ready").touch()
            self._stop.wait(0.05)
            simulation.clock.sleep(0.01)  # time nearly stands still until the signal is there
        else:
            simulation.clock.sleep(seconds)


drive.StoppableClock = Waiting
Session.ports = lambda self, observers=(), clock=None: simulation.ports(observers=tuple(observers), clock=clock)
code = 0
try:
    main(["deploy", "staging", *sys.argv[2:]])
except SystemExit as end:
    code = end.code
out.write_text(json.dumps({"code": code, "routes": simulation.routes()}))
"""


def result_of(tmp_path: Path, number: signal.Signals | None, closed: str, *words: str) -> dict[str, object]:
    """What a driver leaves that gets a signal in the middle, with these streams closed from the beginning."""
    script, out = tmp_path / "driver.py", tmp_path / "out"
    script.write_text(DRIVER)
    (tmp_path / "canary.toml").write_text(
        '[stages.staging]\nfunctions = ["api:live"]\nsteps = [10, 50]\nrules = { clean_tree = false }\n'
    )
    command = " ".join([sys.executable, str(script), str(out), *words, closed])
    child = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    child.stdout.close()  # whoever read has gone
    ready, patience = out.with_suffix(".ready"), threading.Event()
    try:
        for _ in range(600):
            if ready.exists() or child.poll() is not None:
                break
            patience.wait(0.1)
        assert ready.exists(), "the driver didn't begin"
        os.kill(child.pid, number or signal.SIGTERM)
        child.wait(timeout=120)
    finally:
        child.kill()  # one that was left running would fail a later test, as a resource that is not closed
        child.wait()
    found: dict[str, object] = json.loads(out.read_text())
    return found


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP on this system")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.slow
def test_a_signal_rolls_back_although_nobody_reads_the_output(tmp_path: Path, name: str) -> None:
    found = result_of(tmp_path, signal.Signals[name], "2>/dev/null")
    assert found == {"code": 130, "routes": {"api:live": ["1", None, 0]}}


@pytest.mark.skipif(os.name != "posix", reason="signals to threads")
def test_a_signal_while_notifications_are_sent_at_the_end_skips_them(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code stays the release's, and the journal has what nobody may have got."""
    hold, waits, journal = threading.Event(), threading.Event(), InMemoryJournal()

    class Waiting:
        def notify(self, event: object) -> None: ...

        def flush(self, timeout_s: float) -> None:
            waits.set()

    def hangs(request: httpx.Request) -> httpx.Response:
        waits.wait(60)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        hold.wait(60)
        return httpx.Response(200)

    slack = WebhookTarget(kind="slack", url="https://hooks.example.org")
    people = Notifier(
        [slack], VirtualClock(), http=Http(httpx.MockTransport(hangs)), journal=journal, environment={}, beside=True
    )
    ports = replace(Simulation(stage_of("api:live")).ports(), observers=(Waiting(), people))
    with StopRequest() as stop:
        stop.over()
        signal.raise_signal(signal.SIGINT)
        for outcome in (Phase.CONFLICT, Phase.ROLLED_BACK):
            people.notify(CanaryEnded("k3f9", "staging", ports.clock.now(), outcome, "", ports.clock.now()))
        _send_the_rest(ports, stop)
    hold.set()
    assert capsys.readouterr().err.splitlines() == [
        "",
        "SIGINT: the canary is over",
        "interrupted: the journal has the notifications that were not sent",
    ]
    assert [event.text for event in journal.events("k3f9") if isinstance(event, Noticed)] == [
        "notification conflict to slack was not confirmed before the driver ended",
        "notification rolled_back to slack was not sent before the driver ended",
    ]


@pytest.mark.skipif(os.name != "posix", reason="shell redirections")
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-", "<&-"])
@pytest.mark.parametrize("words", [(), ("--json",)])
@pytest.mark.slow
def test_closed_streams_stop_no_rollback(tmp_path: Path, closed: str, words: tuple[str, ...]) -> None:
    found = result_of(tmp_path, None, closed, *words)
    assert found == {"code": 130, "routes": {"api:live": ["1", None, 0]}}
