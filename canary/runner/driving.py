"""`tick` looks, decides and acts once; `run` ticks until the canary rests. Neither decides anything itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from canary.core.events import Announce, Effect, Judged, Measured, WriteAliases
from canary.core.machine import JUDGED, conclude, decide, request
from canary.core.measurements import Observations
from canary.core.phases import FINAL, RETURNING, Phase, Signal
from canary.core.plan import StagePlan
from canary.core.recover import fingerprint
from canary.core.schedule import next_look
from canary.core.state import CanaryState
from canary.core.verdict import Judgement, Rule, Verdict
from canary.errors import AwsError, StaleRevisionError, UnavailableError
from canary.runner.effects import carry_out
from canary.runner.finding import find, found_gone
from canary.runner.measuring import not_told_yet, observe
from canary.runner.retrying import Retrying
from canary.runner.setup import Ports
from canary.runner.telling import Teller

Interrupted = Literal["rollback", "leave"]
"""What to do when the driver is told to stop."""

RESTING = frozenset({Phase.INCONCLUSIVE})
"""Phases besides the final ones at which `run` comes back by default."""

NAP_S = 1.0

LOOKS = 6
"""How often one tick may look again at once: other writers, and the end of a take-back."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick saw and did.

    Attributes:
        judgement: None when nothing was judged (taking back, conflict).
        next_at: when to look again; None when the canary is over.

    Since 0.1.
    """

    state: CanaryState
    observations: Observations
    judgement: Judgement | None
    next_at: datetime | None


def tick(stage: StagePlan, ports: Ports, known: CanaryState | None = None) -> Tick:
    """Reads the aliases, measures, decides, and does what was decided.

    Args:
        stage: the plan as it is in the file.
        ports: the world.
        known: the state that this driver saw last, if any: lets it tell "finished by another driver" from "never was".

    Raises:
        NotRunningError: no canary in this stage, and none was known.
        UnavailableError: AWS can't be reached; nothing is lost, call again. (A take-back doesn't raise: it retries.)
        AwsError: AWS refuses to be read.

    Since 0.1.
    """
    first = _look(stage, ports, known)
    done = first
    for _ in range(LOOKS):
        over = done.state.phase in FINAL
        if over or (done.state.phase not in RETURNING and not done.again) or done.state.draining:
            break
        done = _look(stage, ports, done.state)
    judged = first if done.judgement is None else done
    return Tick(done.state, judged.observations, judged.judgement, next_look(done.state, ports.clock.now()))


def run(
    stage: StagePlan,
    ports: Ports,
    state: CanaryState,
    *,
    stop_requested: Callable[[], bool] | None = None,
    on_interrupt: Callable[[], Interrupted] = lambda: "rollback",
    stop_at: Collection[Phase] = RESTING,
) -> CanaryState:
    """Ticks until the canary is final or in one of `stop_at`, and answers its last state.

    Args:
        stage: the plan as it is in the file.
        ports: the world.
        state: from `start`, `resume` or `current`.
        stop_requested: asked before each tick and after each wait; set by a signal handler. A second signal changes
            nothing: what was begun is finished.
        on_interrupt: called once when a stop was requested: ask the person, or answer what the plan says.
        stop_at: non-final phases to come back at.

    Returns:
        The last state. A conflict is the phase CONFLICT with `state.why`, never an error.

    Raises:
        AwsError: AWS refuses to be read; the canary stands as it is.

    Since 0.1.
    """
    asked = stopping = False
    while state.phase not in {*FINAL, *stop_at} or (state.phase in FINAL and state.behind):
        if not asked and stop_requested is not None and stop_requested():
            asked = True
            if on_interrupt() == "leave":
                return state
            stopping = True
        try:
            if stopping and state.phase not in RETURNING:
                state = ask(stage, ports, Signal.ROLLBACK, "the driver was told to stop", known=state)
                continue
            done = tick(stage, ports, state)
        except UnavailableError as error:
            Teller(ports, state.canary_id, stage.name).notice(f"AWS can't be reached, trying on: {error.message}")
            ports.clock.sleep(stage.tick.total_seconds() / 4)
            continue
        except AwsError as error:
            Teller(ports, state.canary_id, stage.name).notice(f"given up, the canary stands as it is: {error.message}")
            raise
        state = done.state
        if done.next_at is not None and state.phase not in stop_at:
            _wait(done.next_at, ports, None if asked else stop_requested)
    return state


def ask(stage: StagePlan, ports: Ports, signal: Signal, why: str, *, known: CanaryState | None = None) -> CanaryState:
    """Puts what a person asks for into the aliases; looks again when somebody else writes at the same time.

    Raises:
        NotRunningError: no canary in this stage.
        RefusedError: it has no meaning in the phase the canary is in.
        StaleRevisionError: somebody writes the alias all the time.
        AwsError: AWS refuses or can't be reached.
    """
    for look in range(LOOKS):
        state, seen, retrying = find(stage, ports, known)
        if state.phase in FINAL or (signal is Signal.ROLLBACK and state.phase in RETURNING):
            return state  # there already, or on the way
        after, effects = request(state, signal, why, ports.clock.now())
        try:
            return carry_out(effects, after, seen, retrying)
        except StaleRevisionError:
            if look == LOOKS - 1:
                raise
    raise AssertionError


def _wait(until: datetime, ports: Ports, stop_requested: Callable[[], bool] | None) -> None:
    """Waits, in short naps when somebody may want to stop the driver meanwhile.

    Never longer than it was at first, even if the clock is set back meanwhile: an unwatched canary is a risk.
    """
    longest_s = (until - ports.clock.now()).total_seconds()
    while (left_s := min(longest_s, (until - ports.clock.now()).total_seconds())) > 0:
        if stop_requested is None:
            nap_s = left_s
        elif stop_requested():
            return
        else:
            nap_s = min(NAP_S, left_s)
        ports.clock.sleep(nap_s)
        longest_s -= nap_s


@dataclass(frozen=True, slots=True)
class _Look:
    state: CanaryState
    observations: Observations
    judgement: Judgement | None
    again: bool = False


def _look(stage: StagePlan, ports: Ports, known: CanaryState | None) -> _Look:
    state, seen, retrying = find(stage, ports, known)
    if state.phase in FINAL and not state.behind:
        return _Look(found_gone(state, retrying), Observations(), None)
    _compare_plans(stage, state, retrying)
    observations = Observations()
    if state.phase in JUDGED and state.ours:
        observations = observe(state, retrying)
        after, effects = decide(state, observations, ports.clock.now())
        effects = _with_measured(effects, observations, state, ports)
    else:
        now = ports.clock.now()
        after, effects = conclude(state, Judgement(Verdict.NO_DATA, "not judged", Rule.NO_DATA, now), now)
    look = _Look(after, observations, _judgement(effects))
    try:
        carry_out(effects, after, seen, retrying)
    except StaleRevisionError:
        look = replace(look, state=state, again=True)
    except UnavailableError:
        raise
    except AwsError as error:
        look = replace(look, state=_way_back(stage, ports, state, after, error))
    return look


def _with_measured(
    effects: tuple[Effect, ...], observations: Observations, state: CanaryState, ports: Ports
) -> tuple[Effect, ...]:
    """What was measured is told before what follows from it, but never before a way back."""
    now = ports.clock.now()
    measured = Measured(state.canary_id, state.stage.name, now, not_told_yet(observations, ports))
    first = 1 if effects and isinstance(effects[0], WriteAliases) else 0
    return (*effects[:first], Announce(measured), *effects[first:])


def _way_back(stage: StagePlan, ports: Ports, before: CanaryState, after: CanaryState, error: AwsError) -> CanaryState:
    """AWS refuses the next step for good (a deleted version, a lost right): what is known to be good comes back."""
    if after.phase in FINAL:
        raise error
    return ask(stage, ports, Signal.ROLLBACK, f"AWS refused to move on: {error.message}", known=before)


def _judgement(effects: tuple[Effect, ...]) -> Judgement | None:
    told = [effect.event for effect in effects if isinstance(effect, Announce)]
    return next((event.judgement for event in told if isinstance(event, Judged)), None)


def _compare_plans(stage: StagePlan, state: CanaryState, retrying: Retrying) -> None:
    """A canary that nobody judges is worse than one judged under a newer plan: say so once and go on."""
    said = retrying.teller.ports.memory.said
    if fingerprint(stage) != state.fingerprint and state.canary_id not in said:
        said.add(state.canary_id)
        retrying.teller.notice("the plan has changed since this canary began; it is judged under the present one")
