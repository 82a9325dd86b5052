"""`tick` looks, decides and acts once; `run` ticks until the canary rests. Neither decides anything itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from canary.core.alias import AliasState
from canary.core.events import CanaryEnded, PhaseChanged, TrafficShifted
from canary.core.machine import JUDGED, NOT_WATCHED, decide, request
from canary.core.measurements import Observations
from canary.core.phases import FINAL, RETURNING, Phase, Signal
from canary.core.plan import StagePlan, format_duration
from canary.core.recover import fingerprint
from canary.core.schedule import NUDGE, next_look
from canary.core.state import CanaryState
from canary.core.verdict import Judgement
from canary.errors import (
    AwsError,
    CanaryError,
    ConflictError,
    NotFoundError,
    NotRunningError,
    StaleRevisionError,
    UnavailableError,
)
from canary.runner.aliases import carry_out, rollback_command
from canary.runner.observe import find, observe, unfinished
from canary.runner.pairing import stop_probes
from canary.runner.session import Ports, Session

Interrupted = Literal["rollback", "leave"]
"""What to do when the driver is interrupted."""

RESTING = frozenset({Phase.INCONCLUSIVE})
"""Phases besides the final ones at which `run` returns by default."""

NAP_S = 1.0

REFUSED_FOR = timedelta(minutes=2)
"""A driver that AWS refuses for so long rolls back at the first call that is allowed again."""

LOOKS = 6
"""How often one tick may look again at once: other writers, and the end of a rollback."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick saw and did.

    Attributes:
        judgement: None when nothing was judged (rolling back, conflict).
        next_at: when to look again; None when the canary is over.
    """

    state: CanaryState
    observations: Observations
    judgement: Judgement | None
    next_at: datetime | None


def tick(stage: StagePlan, ports: Ports, known: CanaryState | None = None) -> Tick:
    """Reads the aliases, measures, decides, and does what was decided.

    Args:
        stage: the plan as it is in the file.
        ports: what the driver reaches AWS and its surroundings through.
        known: the state that this driver saw last, if any: tells "finished by another driver" from "never existed".

    Raises:
        NotRunningError: no canary in this stage, and none was known.
        UnavailableError: AWS can't be reached; nothing is lost, call again. (A rollback doesn't raise: it retries.)
        AwsError: AWS refuses to be read.
    """
    try:
        return _tick(stage, ports, known)
    except CanaryError:
        raise
    except Exception as error:
        # A fault of this program: the traffic goes back before anybody is told (decision 0017).
        _roll_back_after(error, stage, ports, known)
        raise


def _tick(stage: StagePlan, ports: Ports, known: CanaryState | None) -> Tick:
    try:
        first = _look(stage, ports, known)
    except NotRunningError:
        lost = _lost(stage, ports)
        if lost is None:
            raise
        first = _look(stage, ports, lost)
    done = first
    for _ in range(LOOKS):
        over = done.state.phase in FINAL
        if over or (done.state.phase not in RETURNING and not done.again) or done.state.draining:
            break
        done = _look(stage, ports, done.state)
    judged = first if done.judgement is None else done
    now, settle_s = ports.clock.now(), judged.observations.settle_s
    settle = stage.settle if settle_s is None else timedelta(seconds=settle_s)
    is_close = ports.memory.settling.wants_close_looks(judged.judgement, now)
    next_at = next_look(done.state, now, settle, is_close=is_close)
    return Tick(done.state, judged.observations, judged.judgement, next_at)


def _lost(stage: StagePlan, ports: Ports) -> CanaryState | None:
    """What a driver without memory takes for known: a canary whose end nobody has published."""
    if (lost := unfinished(stage, ports)) is None:
        return None
    state, _, _ = find(stage, ports, lost)
    # Whatever was done to the aliases since is nothing to alert anybody of.
    return None if state.phase is Phase.CONFLICT else lost


def _roll_back_after(error: Exception, stage: StagePlan, ports: Ports, known: CanaryState | None) -> None:
    """Rolls back without judging anything; bounded, because it may be this very fault that keeps it from ending."""
    why = f"internal error ({type(error).__name__}: {error})"
    session = Session(stage, ports, known.canary_id if known else "")
    session.notice(f"{why}; rolling back", is_alert=True)
    give_up = ports.clock.now() + stage.hold_max
    state = known
    while ports.clock.now() < give_up:
        try:
            if state is None or state.phase not in RETURNING:
                state = ask(stage, ports, Signal.ROLLBACK, why, known=state)
            else:
                state = _look(stage, ports, state).state
        except UnavailableError:
            pass
        except Exception as further:  # noqa: BLE001  the first error is the one to report
            session.notice(f"the rollback did not end: {type(further).__name__}: {further}", is_alert=True)
            return
        if state is not None and state.phase in FINAL:
            return
        ports.clock.sleep(NUDGE.total_seconds())


def run(
    stage: StagePlan,
    ports: Ports,
    state: CanaryState,
    *,
    stop_requested: Callable[[], bool] | None = None,
    on_interrupt: Callable[[], Interrupted] = lambda: "rollback",
    stop_at: Collection[Phase] = RESTING,
) -> CanaryState:
    """Ticks until the canary is final or in one of `stop_at`, and returns its last state.

    Args:
        stage: the plan as it is in the file.
        ports: what the driver reaches AWS and its surroundings through.
        state: from `start`, `resume` or `current`.
        stop_requested: asked before each tick and after each wait; set by a signal handler. A second signal changes
            nothing: what was begun is finished.
        on_interrupt: called once when a stop was requested: ask the person, or return what the plan says.
        stop_at: non-final phases to return at.

    Returns:
        The last state. A conflict is the phase CONFLICT with `state.why`, never an error.

    Raises:
        AwsError: AWS has refused every call for so long that the driver stopped (REFUSED_FOR, then `hold_max`); the
            canary stays as it is, and an alert says so.
        Exception: a fault of this program; the canary was rolled back first.
    """
    failures = _Failures(Session(stage, ports, state.canary_id))
    asked = stopping = False
    why = "the driver was interrupted"
    while state.phase not in {*FINAL, *stop_at} or (state.phase in FINAL and state.behind):
        if not asked and stop_requested is not None and stop_requested():
            asked = True
            if on_interrupt() == "leave":
                return state
            stopping = True
        try:
            if stopping and state.phase not in {*RETURNING, *FINAL}:
                state = ask(stage, ports, Signal.ROLLBACK, why, known=state)
                continue
            done = tick(stage, ports, state)
        except AwsError as error:
            if reason := failures.add(error):
                stopping, why = True, reason
            ports.clock.sleep(stage.tick.total_seconds() / 4)
            continue
        failures.clear()
        state = done.state
        if done.next_at is not None and state.phase not in stop_at:
            _wait(done.next_at, ports, None if asked else stop_requested)
    return state


@dataclass(slots=True)
class _Failures:
    """Ticks in a row that AWS didn't let through. One that refuses is another matter than one that doesn't answer.

    Expired credentials or a revoked permission may be renewed; what can't be watched until then is rolled back by the
    first call that is allowed again.
    """

    session: Session
    refused_at: datetime | None = None

    def add(self, error: AwsError) -> str:
        """Publishes the failure; returns why to roll back, empty while there is no reason to.

        Raises:
            AwsError: the error itself, when AWS has refused for too long.
        """
        session = self.session
        if isinstance(error, UnavailableError):
            session.notice(f"{session.stage.words.store} is unavailable, trying again: {error.message}")
            return ""
        now = session.ports.clock.now()
        if self.refused_at is None:
            self.refused_at = now
            session.notice(f"{session.stage.words.store} refuses the driver: {error.message}", is_alert=True)
        refused_for = now - self.refused_at
        if refused_for >= REFUSED_FOR + session.stage.hold_max:
            session.notice(f"the driver stopped, and this canary is not watched: {error.message}", is_alert=True)
            raise error
        lasts = refused_for >= REFUSED_FOR
        return f"AWS refused the driver for {format_duration(REFUSED_FOR)}: {error.message}" if lasts else ""

    def clear(self) -> None:
        """A tick was done."""
        self.refused_at = None


_KEEPS_SHARES = frozenset({Signal.PAUSE, Signal.RESUME, Signal.PROMOTE})
"""Requests that write the shares as the canary knows them; a rollback leaves alone what others have changed."""


def ask(stage: StagePlan, ports: Ports, signal: Signal, why: str, *, known: CanaryState | None = None) -> CanaryState:
    """Puts what a person asks for into the aliases; looks again when somebody else writes at the same time.

    Raises:
        NotRunningError: no canary in this stage.
        ConflictError: somebody else changed what is shifted, and the request would write over that.
        RefusedError: it has no meaning in the phase the canary is in.
        StaleRevisionError: somebody writes the alias all the time.
        AwsError: AWS refuses or can't be reached.
    """
    for look in range(LOOKS):
        state, seen, session = find(stage, ports, known)
        if state.phase in FINAL or (signal is Signal.ROLLBACK and state.phase in RETURNING):
            return state  # done already, or in progress
        if state.foreign and signal in _KEEPS_SHARES:
            why = "; ".join(change.text for change in state.foreign)
            raise ConflictError(f"{why}; nothing was written", hint=f"{stage.words.rest_back(stage.name)}.")
        decision = request(state, signal, why, ports.clock.now())
        try:
            carry_out(decision.effects, decision.state, seen, session)
        except StaleRevisionError:
            if look == LOOKS - 1:
                raise
        else:
            return decision.state
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
    judgement: Judgement | None = None
    again: bool = False


def _look(stage: StagePlan, ports: Ports, known: CanaryState | None) -> _Look:
    state, seen, session = find(stage, ports, known)
    if state.phase in FINAL and not state.behind:
        return _found_ended(state, known, seen, session)
    _compare_plans(state, session)
    if state.phase is Phase.POST_BAKE:
        _check_baselines(state, session)
    observed = observe(state, session) if state.phase in JUDGED and state.ours else None
    after, judgement, effects = decide(state, observed, ports.clock.now())
    look = _Look(after, observed or Observations(), judgement)
    try:
        if not carry_out(effects, after, seen, session):
            look = replace(look, state=state, again=True)
    except StaleRevisionError:
        look = replace(look, state=state, again=True)
    except UnavailableError:
        raise
    except AwsError as error:
        look = replace(look, state=_refused(state, after, session, error))
    if look.state.phase in {*RETURNING, *FINAL}:
        stop_probes(session)
    return look


def _found_ended(
    state: CanaryState, known: CanaryState | None, seen: Mapping[str, AliasState], session: Session
) -> _Look:
    """An end that this driver only found.

    Who ended the canary has published it, unless it was no driver, or one that lost the answer to its last write.
    """
    end = _published_end(state, session)
    if end is None and state.phase is not Phase.CONFLICT:
        session.ports.clock.sleep(NUDGE.total_seconds())  # an ally writes first and publishes then
        end = _published_end(state, session)
    if end is not None:
        is_watched = not end.why.startswith(NOT_WATCHED)
        return _Look(replace(state, phase=end.outcome, why=end.why, is_watched=is_watched), Observations())
    if state.phase is Phase.PROMOTED and not _was_watched(known, session):
        state = replace(state, why=f"{NOT_WATCHED}: {state.why}", is_watched=False)
    _publish_end(state, known, seen, session)
    return _Look(state, Observations())


def _published_end(state: CanaryState, session: Session) -> CanaryEnded | None:
    """The end that the journal has of this canary, unless it went on after that.

    What an ally decided before the end may be written after it.
    """
    turns = (TrafficShifted, PhaseChanged, CanaryEnded)
    try:
        events = [event for event in session.ports.journal.events(state.canary_id) if isinstance(event, turns)]
    except Exception:  # noqa: BLE001  better told twice than never
        return None
    last = next((event for event in reversed(events) if isinstance(event, CanaryEnded)), None)
    if last is None or any(event.at > last.at for event in events[events.index(last) :]):
        return None
    # Without records an aborted canary and one that was rolled back look alike.
    seen = {Phase.ROLLED_BACK, Phase.ABORTED} if state.phase is Phase.ROLLED_BACK else {state.phase}
    return last if last.outcome in seen or state.phase is Phase.CONFLICT else None


def _was_watched(known: CanaryState | None, session: Session) -> bool:
    if known is None or known.phase is not Phase.POST_BAKE:
        return False
    return session.ports.clock.now() >= known.step_at + session.stage.post_bake


def _publish_end(
    state: CanaryState, known: CanaryState | None, seen: Mapping[str, AliasState], session: Session
) -> None:
    now, name = session.ports.clock.now(), state.stage.name
    lead = state.functions[0]
    if state.phase in {Phase.PROMOTED, Phase.ROLLED_BACK} and (
        (share := seen[lead.function.key].share_bp(lead.candidate)) != state.weight_bp
    ):
        session.publish(TrafficShifted(state.canary_id, name, now, share, state.why))
    if known is not None and known.phase is not state.phase:
        session.publish(PhaseChanged(state.canary_id, name, now, known.phase, state.phase, state.why))
    session.publish(CanaryEnded(state.canary_id, name, now, state.phase, state.why, state.started_at))


def _refused(before: CanaryState, after: CanaryState, session: Session, error: AwsError) -> CanaryState:
    """AWS refuses the next step for good (a deleted version, a lost permission): the canary is rolled back."""
    if after.phase in FINAL:
        raise error
    why = f"{session.stage.words.refused}: {error.message}"
    return ask(session.stage, session.ports, Signal.ROLLBACK, why, known=before)


def _check_baselines(state: CanaryState, session: Session) -> None:
    """From 100 % on no alias keeps Lambda from deleting the baseline: a person is alerted while there is time."""
    ports = session.ports
    for function in state.functions:
        key = f"{function.function}:{function.baseline}"
        if key in ports.memory.deleted:
            continue
        try:
            ports.aliases.version_facts(function.function, function.baseline)
        except NotFoundError:
            ports.memory.deleted.add(key)
            command = rollback_command(function.function, function.candidate, session)
            then = f"if version {function.candidate} is unhealthy, {command}" if command else "no older version exists"
            lost = f"version {function.baseline} of {function.function.function}, the baseline, was deleted"
            session.notice(f"{lost}, so this canary can't be rolled back to it; {then}", is_alert=True)
        except Exception:  # noqa: BLE001  whatever the answer is, the canary is judged (decision 0017)
            return


def _compare_plans(state: CanaryState, session: Session) -> None:
    """A canary that nobody judges is worse than one judged under a newer plan: notice it once and go on."""
    noticed = session.ports.memory.changed_plans
    if fingerprint(session.stage) != state.fingerprint and state.canary_id not in noticed:
        noticed.add(state.canary_id)
        session.notice("the plan changed after this canary started; it is judged under the present plan")
