"""Drives a canary on a screen until it ends or holds, and carries out single requests. The runner does the work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from canary import runner
from canary.adapters.notify import FLUSH_S
from canary.cli.output import finish
from canary.cli.screens import Screen, asking, open_screen
from canary.cli.session import Session
from canary.cli.signals import StoppableClock, StopRequest, interrupt_policy
from canary.core.phases import FINAL, Phase
from canary.core.plan import StagePlan
from canary.core.state import CanaryState
from canary.errors import CanaryError, ConflictError
from canary.ports import Engine
from canary.runner import Ports
from canary.runner.drive import Interrupted
from canary.runner.engines import follow, hand_over
from canary.view.build import ViewBuilder
from canary.view.labels import phase_name
from flagkit.cli.shell import INTERRUPTED


def drive(
    session: Session,
    begin: Callable[[StagePlan, Ports], CanaryState],
    *,
    as_json: bool,
    no_color: bool,
    report: Path | None,
) -> int:
    """Starts or takes over a canary and drives it until it ends or holds."""
    screen = open_screen(ViewBuilder(session.stage), as_json=as_json, no_color=no_color)
    was_stopped = False
    with StopRequest() as stop:
        ports = session.ports((screen,), StoppableClock(stop.event))
        ask = None if session.context.ask is None else asking(screen, stop.interruptible(session.context.ask))
        policy = interrupt_policy(session.stage, ask)

        def on_interrupt() -> Interrupted:
            nonlocal was_stopped
            was_stopped = True
            return policy()

        try:
            with screen:
                state = begin(session.stage, ports)
                _catch_up(screen, state)
                if ports.engine is None:
                    state = runner.run(
                        session.stage, ports, state, stop_requested=stop.is_set, on_interrupt=on_interrupt
                    )
                else:
                    state = _follow(session.stage, ports, state, ports.engine, screen, stop)
                    was_stopped = stop.is_set() and state.phase not in FINAL
            # A signal that comes after the end changes neither what is shown nor the exit code.
            stop.over()
            _rebuild(screen, ports, state)
            code = finish(screen, state, report)
        finally:
            _send_the_rest(ports, stop)
    return INTERRUPTED if was_stopped else code


def _follow(
    stage: StagePlan, ports: Ports, state: CanaryState, engine: Engine, screen: Screen, stop: StopRequest
) -> CanaryState:
    """Hands the canary over and shows what the engine does; a signal ends only this."""
    shown = hand_over(stage, ports, state, engine)
    state = follow(stage, ports, state, engine, shown=shown, show=screen.notify, stop_requested=stop.is_set)
    if stop.is_set() and state.phase not in FINAL:
        where = f"canary {state.canary_id} goes on in engine {engine.name}"
        screen.write_line(f"{where}; `canary status {stage.name} --watch` shows it")
    return state


def _send_the_rest(ports: Ports, stop: StopRequest) -> None:
    """Waits for notifications that are still being sent, unless a signal says not to."""
    try:
        stop.interruptible(ports.flush)(FLUSH_S)
    except KeyboardInterrupt:
        ports.flush(0.0)
        sys.stderr.write("interrupted: the journal has the notifications that were not sent\n")


def _rebuild(screen: Screen, ports: Ports, state: CanaryState) -> None:
    """The whole canary from the journal, whoever drove it; what this driver saw where the journal has less."""
    try:
        whole = ViewBuilder(state.stage).notify_all(ports.journal.events(state.canary_id))
    except (CanaryError, OSError):
        return
    if whole.begun and whole.phase is state.phase:
        screen.builder = whole


def request(
    session: Session,
    command: Callable[[StagePlan, Ports], CanaryState | None],
    *,
    as_json: bool,
    no_color: bool,
) -> int:
    """Carries out one request: exit code 0 whatever the canary's phase, 6 after a conflict."""
    screen = open_screen(ViewBuilder(session.stage), as_json=as_json, no_color=no_color)
    ports = session.ports((screen,))
    with screen:
        state = command(session.stage, ports)
    if not as_json:
        text = _moved(session.stage, ports) if state is None else f"{phase_name(state.phase)}: {state.why}"
        screen.write_line(f"{session.stage.name}: {text}")
    with StopRequest() as stop:
        _send_the_rest(ports, stop)
    return ConflictError.exit_code if state is not None and state.phase is Phase.CONFLICT else 0


def _moved(stage: StagePlan, ports: Ports) -> str:
    live = (f"{function} {ports.aliases.read(function).routes_text}" for function in stage.functions)
    return f"no canary in progress; {', '.join(live)}"


def _catch_up(screen: Screen, state: CanaryState) -> None:
    """A driver that takes over a canary has not seen its first events."""
    if not screen.builder.begun:
        screen.builder.begin(state)
