"""`canary status`: looks at a canary without touching it, once or until it is over."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import typer

from canary import runner
from canary.adapters.clock import SystemClock
from canary.cli.failures import INTERRUPTED
from canary.cli.screens import terminal, write_json
from canary.cli.session import Session
from canary.cli.signals import StoppableClock, StopRequest
from canary.core.events import Judged, Measured
from canary.core.plan import HealthGate
from canary.core.state import CanaryState
from canary.core.verdict import judge
from canary.runner import Ports
from canary.runner.measuring import observe
from canary.runner.retrying import Retrying
from canary.runner.telling import Teller
from canary.view.build import Story
from canary.view.data import data
from canary.view.model import CanaryView
from canary.view.plain import status_lines
from canary.view.terminal import live


def show_status(session: Session, *, as_json: bool, no_color: bool) -> Story | None:
    """Shows the canary of the stage; None when there is none. Since 0.1."""
    story = _look(session, session.ports())
    if story is not None:
        with _canvas(as_json=as_json, no_color=no_color) as draw:
            draw(story.view())
    return story


def story_now(state: CanaryState, ports: Ports) -> Story:
    """What the aliases, the metrics and the evidence say now; health checks are left to the driver. Since 0.1."""
    story = Story(state.stage).begin(state)
    gates = {name: gate for name, gate in state.stage.gates.items() if not isinstance(gate, HealthGate)}
    quiet = replace(state, stage=state.stage.model_copy(update={"gates": gates}))
    observations = observe(quiet, Retrying(Teller(replace(ports, observers=()), state.canary_id, state.stage.name)))
    now = ports.clock.now()
    judgement = judge(state.stage, observations, state.weight_changes, now)
    story.hear(Measured(state.canary_id, state.stage.name, now, observations))
    story.hear(Judged(state.canary_id, state.stage.name, now, state.phase, state.weight_bp, judgement))
    return story


def watch(session: Session, *, as_json: bool, no_color: bool) -> int:
    """Shows the canary every tick until it is over or the person has seen enough. Since 0.1."""
    with StopRequest() as stop:
        ports = session.ports(clock=StoppableClock(SystemClock(), stop.event))
        with _canvas(as_json=as_json, no_color=no_color) as draw:
            while not stop.is_set() and (story := _look(session, ports)) is not None:
                draw(story.view())
                ports.clock.sleep(session.stage.tick.total_seconds())
    if stop.is_set():
        return INTERRUPTED
    nobody(session, as_json=as_json)
    return 0


def nobody(session: Session, *, as_json: bool) -> None:
    """Says that no canary is under way, and what is live. Since 0.1."""
    ports = session.ports()
    aliases = [ports.traffic.read(function) for function in session.stage.functions]
    if as_json:
        functions = [{"function": alias.function.key, "version": alias.version} for alias in aliases]
        write_json({"stage": session.stage.name, "canary": None, "functions": functions})
        return
    live_now = ", ".join(f"{alias.function} is on version {alias.version}" for alias in aliases)
    typer.echo(f"no canary is under way in {session.stage.name}; {live_now}")


def _look(session: Session, ports: Ports) -> Story | None:
    state = runner.current(session.stage, ports)
    return None if state is None else story_now(state, ports)


@contextmanager
def _canvas(*, as_json: bool, no_color: bool) -> Iterator[Callable[[CanaryView], None]]:
    """Where views are drawn: one line of JSON each, in place on a terminal, or one block of lines each."""
    if as_json:
        yield lambda view: write_json(data(view))
    elif sys.stdout.isatty():
        from rich.live import Live

        with Live(console=terminal(no_color=no_color), auto_refresh=False) as canvas:
            yield lambda view: canvas.update(live(view), refresh=True)
    else:
        yield lambda view: typer.echo("\n".join(status_lines(view)))
