"""Releases the versions of the sandbox's example one after the other, good and bad ones, until it is stopped.

For consoles to look at: the driver is the shipped one, and what people do to its canaries counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final

from canary import runner
from canary.adapters.clock import SystemClock
from canary.assembly import assemble, load_plan
from canary.core.events import Origin
from canary.errors import CanaryError

VERSIONS: Final = ("2", "4", "3", "1")
"""One that fails, a good one, a slow one, and a good one."""

STAGE: Final = "staging"
PAUSE_S: Final = 180.0
"""Between two releases, in the sandbox's time."""


class _StoppableClock(SystemClock):
    """The sandbox's clock, whose waits end when the releases are to stop."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def pause(self, real_s: float) -> bool:
        """Waits until the time is over, or it is to stop."""
        return self._stop.wait(real_s)


@contextmanager
def releasing(plan: Path) -> Iterator[None]:
    """Releases on and on while the block runs; the environment names the sandbox."""
    stop = threading.Event()
    thread = threading.Thread(target=_release, args=(plan, stop), name="releases", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5.0)


def _release(path: Path, stop: threading.Event) -> None:
    plan, clock = load_plan(path), _StoppableClock(stop)
    origin = Origin(commit="3f2c9a1", branch="main", author="Amira", started_by="pipeline")
    for version in cycle(VERSIONS):
        ports = assemble(plan, STAGE, base=path.parent, clock=clock, origin=origin)
        stage = plan.stage(STAGE)
        try:
            state = runner.current(stage, ports) or runner.start(stage, ports, versions={"": version})
            runner.run(stage, ports, state, stop_requested=stop.is_set, on_interrupt=lambda: "leave", stop_at=())
        except CanaryError:  # somebody else releases, or an alarm is still red: later
            pass
        if stop.is_set():
            return
        clock.sleep(PAUSE_S)
        if stop.is_set():
            return
