"""What a person may do with a stage: which action is possible, who may ask for it, and how it is carried out.

The same functions of `canary.runner` as behind the commands do the work. An action runs in a thread to its end, however
long AWS is away; the page that asked for it waits only so long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from canary import runner
from canary.adapters.notify import FLUSH_S
from canary.console.stages import Stages
from canary.core.phases import TRANSITIONS, Phase, Signal
from canary.core.plan import StagePlan
from canary.core.state import CanaryState
from canary.errors import CanaryError, ConflictError
from canary.runner import Ports
from canary.runner.engines import hand_over
from canary.view.current import StageNow
from canary.view.labels import as_sentence, duration_text, phase_name
from flagkit.channels.text import printable
from flagkit.console import Role


class Action(StrEnum):
    """What a person may ask for; the values are the last part of its page's path."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ABORT = "abort"


NEEDS: Final = {
    Action.PAUSE: Role.TOGGLER,
    Action.RESUME: Role.TOGGLER,
    Action.PROMOTE: Role.APPROVER,
    Action.ROLLBACK: Role.TOGGLER,
    Action.ABORT: Role.TOGGLER,
}
"""More traffic on a version whatever the evidence needs an approver; less, or none, needs a toggler."""

LABELS: Final = {
    Action.PAUSE: "Pause",
    Action.RESUME: "Resume",
    Action.PROMOTE: "Promote",
    Action.ROLLBACK: "Roll back",
    Action.ABORT: "Abort",
}
SHOWN_S: Final = 600.0
"""For so long the page of a stage shows what became of an action; the journal has it for good."""

_SIGNALS: Final = {
    Action.PAUSE: Signal.PAUSE,
    Action.RESUME: Signal.RESUME,
    Action.PROMOTE: Signal.PROMOTE,
    Action.ROLLBACK: Signal.ROLLBACK,
    Action.ABORT: Signal.ABORT,
}


def possible(now: StageNow) -> tuple[Action, ...]:
    """The actions that have a meaning now; without a canary the last one may be reverted."""
    if now.problem is not None:
        return ()
    state = now.state
    if state is None:
        return (Action.ROLLBACK,)
    found = tuple(action for action, signal in _SIGNALS.items() if signal in TRANSITIONS[state.phase])
    is_driven = now.canary is not None and now.canary.is_driven is not False
    if state.phase is Phase.HOLDING and is_driven:
        found = tuple(action for action in found if action is not Action.RESUME)
    if Action.RESUME not in found and not is_driven and state.stage.engine != "local":
        found = (Action.RESUME, *found)  # the engine takes it over
    return found


def effect(action: Action, now: StageNow) -> str:
    """What an action does now, in sentences."""
    canary, stage = now.canary, now.stage
    words = stage.words
    if canary is None:
        return words.reverts
    new, old, share = canary.candidate_name, canary.baseline_name, f"{canary.weight_percent:g} %"
    match action:
        case Action.PAUSE:
            return words.kept(new, share)
        case Action.RESUME:
            return f"Continues with the steps of the plan from {share}."
        case Action.PROMOTE:
            watch = duration_text(stage.post_bake) or "0 s"
            return f"{words.given(new, len(canary.functions))} The post-promotion watch of {watch} follows."
        case Action.ROLLBACK:
            return f"{words.undone(old)} and ends the canary as rolled back."
        case Action.ABORT:
            ends = f"{words.undone(old)} and ends the canary as aborted"
            return f"{ends}: nobody says that {words.named(new)} is unhealthy."


def caution(action: Action, now: StageNow) -> str:
    """What a person should know before; empty where there is nothing."""
    canary = now.canary
    if canary is None or canary.is_driven is not False or action in {Action.ROLLBACK, Action.ABORT}:
        return ""
    if now.stage.engine != "local":
        return f"No driver is running. The engine {now.stage.engine} takes the canary over."
    command = f"`canary resume {now.stage.name}`"
    return f"No driver is running, and this console is none: run {command} where it can stay until the canary ends."


def on_request(by: str, reason: str) -> str:
    """`on request of Amira (the campaign begins)`: who asked, and why, for events and the journal."""
    return f"on request of {printable(by, 100)}" + (f" ({printable(reason, 300)})" if reason else "")


@dataclass(slots=True)
class Order:
    """An action that somebody asked for.

    Attributes:
        action: which.
        by: who.
        reason: why.
        began_s: when, in real seconds.
        outcome: what became of it; empty while it is being carried out.
        problem: why it was not carried out.
    """

    action: Action
    by: str
    reason: str
    began_s: float
    outcome: str = ""
    problem: CanaryError | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def text(self) -> str:
        """One sentence for the page."""
        if self.outcome:
            return as_sentence(self.outcome)
        what = f"{LABELS[self.action]} by {self.by}"
        if self.problem is not None:
            return f"{what} was not carried out: {self.problem.message}"
        return f"{what} is being carried out."


class Orders:
    """Carries actions out, and keeps the last one of each stage."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._lock = threading.Lock()
        self._last: dict[str, Order] = {}

    def last(self, stage: str) -> Order | None:
        """The last action of a stage that this console carries out, or carried out a moment ago."""
        order = self._last.get(stage)
        if order is None or (order.ended.is_set() and time.monotonic() - order.began_s > SHOWN_S):
            return None
        return order

    def give(self, stage: StagePlan, action: Action, by: str, reason: str, seen: str) -> Order:
        """Carries an action out, and waits for its end, but not for long.

        Args:
            stage: the plan.
            action: what.
            by: who asks for it.
            reason: why, for the journal.
            seen: what `basis` answered when the person was asked.

        Raises:
            ConflictError: the same is being carried out.
        """
        with self._lock:
            last = self._last.get(stage.name)
            if last is not None and last.action is action and not last.ended.is_set():
                raise ConflictError(last.text, hint="Wait for its end; the page of the stage shows it.")
            order = self._last[stage.name] = Order(action, by, reason, time.monotonic())
        threading.Thread(
            target=self._carry_out, args=(stage, order, seen), name=f"{action} {stage.name}", daemon=True
        ).start()
        order.ended.wait(self._stages.settings.action_s)
        return order

    def revert_question(self, stage: StagePlan) -> str:
        """What a rollback would do where no canary is in progress: the command's own question.

        Raises:
            NotRunningError: there is nothing to revert.
        """
        try:
            state = runner.rollback(stage, self._stages.reading_ports(stage), confirm=_refuse_with)
        except _AskedError as asked:
            return asked.message
        return "" if state is None else f"{phase_name(state.phase)}: {state.why}"

    def under_way(self) -> tuple[Order, ...]:
        """What is being carried out; a program that ends waits for it."""
        return tuple(order for order in list(self._last.values()) if not order.ended.is_set())

    def _carry_out(self, stage: StagePlan, order: Order, seen: str) -> None:
        ports = None
        try:
            ports = self._stages.ports(stage, order.by)
            state = _COMMANDS[order.action](stage, ports, on_request(order.by, order.reason), seen)
            order.outcome = "done" if state is None else state.why or phase_name(state.phase)
        except CanaryError as error:
            order.problem = error
        except Exception as error:  # noqa: BLE001 - the person who asked must be told
            order.problem = CanaryError(f"{type(error).__name__}: {error}")
        self._stages.changed(stage.name)
        order.ended.set()
        if ports is not None:  # nobody waits for notifications
            ports.flush(FLUSH_S)


def basis(now: StageNow) -> str:
    """What an action was decided upon: the canary, or nothing; the form carries it along."""
    return "" if now.state is None else now.state.canary_id


class _AskedError(ConflictError):
    """Ends a command at its question."""


def _refuse_with(question: str) -> None:
    raise _AskedError(question)


def _same(stage: StagePlan, ports: Ports, seen: str) -> None:
    state = runner.current(stage, ports)
    found = "" if state is None else state.canary_id
    if found != seen:
        what = f"canary {found} is in progress" if found else "no canary is in progress any more"
        raise ConflictError(f"{what}; nothing was changed", hint="Look at the stage again.")


def _pause(stage: StagePlan, ports: Ports, request: str, seen: str) -> CanaryState:
    _same(stage, ports, seen)
    return runner.pause(stage, ports, request=request)


def _resume(stage: StagePlan, ports: Ports, request: str, seen: str) -> CanaryState:
    _same(stage, ports, seen)
    return _driven(stage, ports, runner.resume(stage, ports, request=request))


def _promote(stage: StagePlan, ports: Ports, request: str, seen: str) -> CanaryState:
    _same(stage, ports, seen)
    return _driven(stage, ports, runner.promote(stage, ports, request=request))


def _driven(stage: StagePlan, ports: Ports, state: CanaryState) -> CanaryState:
    """The engine of the plan takes it over, as it does with the commands; twice is like once."""
    if ports.engine is not None:
        hand_over(stage, ports, state, ports.engine)
    return state


def _roll_back(stage: StagePlan, ports: Ports, request: str, seen: str) -> CanaryState | None:
    if not seen.startswith(_REVERT):
        _same(stage, ports, seen)
        return runner.rollback(stage, ports, request=request, confirm=_refuse_with)

    def confirm(question: str) -> None:
        if question != seen:
            raise ConflictError(f"it would be another change now: {question} Nothing was changed", hint="Look again.")

    return runner.rollback(stage, ports, request=request, confirm=confirm)


def _abort(stage: StagePlan, ports: Ports, request: str, seen: str) -> CanaryState:
    _same(stage, ports, seen)
    return runner.abort(stage, ports, request=request)


_REVERT: Final = "Revert "
_COMMANDS: Final[dict[Action, Callable[[StagePlan, Ports, str, str], CanaryState | None]]] = {
    Action.PAUSE: _pause,
    Action.RESUME: _resume,
    Action.PROMOTE: _promote,
    Action.ROLLBACK: _roll_back,
    Action.ABORT: _abort,
}
