"""What a person may ask of a canary in progress; each works from any process, with or without a driver.

They write the request into the aliases; a running driver finds it at its next tick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from canary.core.alias import AliasSpec, AliasState
from canary.core.events import CanaryEnded, CanaryStarted, PhaseChanged, TrafficShifted
from canary.core.phases import FINAL, RETURNING, Phase, Signal
from canary.core.plan import FunctionRef, StagePlan
from canary.core.recover import fingerprint, in_order
from canary.core.schedule import NUDGE
from canary.core.state import CanaryState, FunctionState
from canary.errors import NotFoundError, NotRunningError, RecordError, RefusedError, UnavailableError
from canary.runner.aliases import read_all, refuse_unknown, rollback_command, whole_descriptions, write_spec
from canary.runner.drive import ask, tick
from canary.runner.observe import current, find, unfinished
from canary.runner.session import Ports, Session

ON_REQUEST: Final = "on request"
"""How a request is told where nobody says who asked, and why."""


def pause(stage: StagePlan, ports: Ports, *, request: str = ON_REQUEST) -> CanaryState:
    """Keeps the weight where it is; judging goes on, and an unhealthy version is still rolled back.

    Raises:
        NotRunningError: no canary is in progress.
        RefusedError: it is past the point where pausing means something.
    """
    return ask(stage, ports, Signal.PAUSE, f"paused {request}")


def resume(stage: StagePlan, ports: Ports, *, accept_plan: bool = False, request: str = ON_REQUEST) -> CanaryState:
    """Continues after a pause, an inconclusive end or the death of a driver; pass the returned state to `run`.

    Args:
        stage: the plan.
        ports: what the driver reaches AWS and its surroundings through.
        accept_plan: continue although the plan has changed since the canary started.
        request: who asked for it, and why in the words of a sentence: `on request of Amira`.

    Raises:
        NotRunningError: no canary is in progress.
        RefusedError: the plan has changed since the start, and `accept_plan` is False.
    """
    try:
        state, _, _ = find(stage, ports)
    except NotRunningError:
        if unfinished(stage, ports) is None:
            raise
        return tick(stage, ports).state  # it has ended, and this is told now
    if state.fingerprint != fingerprint(stage) and not accept_plan:
        raise RefusedError(
            f"the plan of stage {stage.name} changed after canary {state.canary_id} started",
            hint="Restore the former plan, or pass --accept-plan to resume under the present one.",
        )
    # Who held it died: the hold would end with the first look.
    is_overdue = state.phase is Phase.HOLDING and state.deadline is not None and ports.clock.now() >= state.deadline
    if is_overdue or state.phase in {Phase.PAUSED, Phase.INCONCLUSIVE}:
        return ask(stage, ports, Signal.RESUME, f"resumed {request}")
    return state


def promote(stage: StagePlan, ports: Ports, *, request: str = ON_REQUEST) -> CanaryState:
    """Gives the candidate all traffic now, whatever the evidence; the post-promotion watch follows.

    Raises:
        NotRunningError: no canary is in progress.
        RefusedError: it is promoted or being rolled back already.
    """
    return ask(stage, ports, Signal.PROMOTE, f"promoted {request}")


def rollback(
    stage: StagePlan,
    ports: Ports,
    *,
    to: Mapping[str, str] | None = None,
    confirm: Callable[[str], None] | None = None,
    request: str = ON_REQUEST,
) -> CanaryState | None:
    """Rolls everything back to the recorded baseline, or to named versions when no canary is in progress.

    Without a canary and without `to`, the stage's last canary is reverted as the journal tells it, if its versions are
    the ones that are live: never "the version before" (lambda-canary.md §9, trap 17). A second call changes nothing.

    Args:
        stage: the plan; need not be the one the canary began with.
        ports: what the driver reaches AWS and its surroundings through.
        to: version by function key ("" for all).
        confirm: called with a question before the last canary is reverted; raises to refuse.
        request: who asked for it, and why in the words of a sentence: `on request of Amira`.

    Returns:
        The final state; None when no canary was in progress and the aliases were moved to `to`.

    Raises:
        NotRunningError: no canary is in progress, and nothing names the version to return to.
        RefusedError: a canary is in progress and `to` is given; or the version to return to was deleted.
    """
    try:
        state = current(stage, ports)
    except RecordError:
        if stage.flag is None:
            raise
        return _lower(Session(stage, ports))
    if state is None:
        if not to:
            return _revert(Session(stage, ports), confirm, request)
        _move_all(Session(stage, ports), to)
        return None
    if to:
        return _return_elsewhere(state, to, Session(stage, ports, state.canary_id))
    return _roll_back(stage, ports, state, Signal.ROLLBACK, f"rolled back {request}")


def abort(stage: StagePlan, ports: Ports, *, request: str = ON_REQUEST) -> CanaryState:
    """Stops the canary: rolls everything back and ends it as aborted.

    Raises:
        NotRunningError: no canary is in progress.
    """
    state, _, _ = find(stage, ports)
    return _roll_back(stage, ports, state, Signal.ABORT, f"aborted {request}")


def _roll_back(stage: StagePlan, ports: Ports, state: CanaryState, signal: Signal, why: str) -> CanaryState:
    """Once begun it doesn't stop while AWS is unavailable: a canary half rolled back is watched by nobody."""
    session = Session(stage, ports, state.canary_id)
    while state.phase not in FINAL or state.behind:
        try:
            if state.phase not in RETURNING and state.phase not in FINAL:
                state = ask(stage, ports, signal, why, known=state)
                continue
            state = tick(stage, ports, state).state
        except UnavailableError as error:
            session.notice(f"{stage.words.store} is unavailable, trying again: {error.message}")
        if state.phase not in FINAL:
            ports.clock.sleep(NUDGE.total_seconds())
    return state


def _return_elsewhere(state: CanaryState, to: Mapping[str, str], session: Session) -> CanaryState:
    """Ends a canary whose baseline was deleted: the functions that lost theirs go to a named version.

    Raises:
        RefusedError: every baseline exists, so the canary rolls back to its own; or no version is named.
    """
    stage, ports = session.stage, session.ports
    refuse_unknown(in_order(stage), to)
    lost = {function.function.key for function in state.functions if _is_deleted(function, session)}
    if not lost:
        raise RefusedError(
            f"canary {state.canary_id} is in progress; it rolls back to its own baseline",
            hint=f"Run `canary rollback {stage.name}` without --to first.",
        )
    goals = {key: to.get(key) or to.get("") for key in sorted(lost)}
    if missing := [key for key, version in goals.items() if version is None]:
        raise RefusedError(
            f"the baseline of {', '.join(missing)} was deleted", hint=f"Name a version: --to {missing[0]}=VERSION."
        )
    seen = read_all([function.function for function in state.functions], session)
    texts = whole_descriptions(state, session)
    for function in state.functions:
        key = function.function.key
        _move(function.function, goals.get(key) or function.baseline, seen[key], session, texts[key])
    moved = ", ".join(f"{key} {alias.version} → {goals.get(key) or 'its baseline'}" for key, alias in seen.items())
    why = f"rolled back on request, the baseline of {', '.join(sorted(lost))} was deleted: {moved}"
    now = ports.clock.now().replace(microsecond=0)
    session.publish(TrafficShifted(state.canary_id, stage.name, now, 0, why))
    session.publish(
        PhaseChanged(state.canary_id, stage.name, now, state.phase, Phase.ROLLED_BACK, why, Signal.ROLLBACK)
    )
    session.publish(CanaryEnded(state.canary_id, stage.name, now, Phase.ROLLED_BACK, why, state.started_at))
    return replace(state, phase=Phase.ROLLED_BACK, why=why, behind=(), draining=(), foreign=())


def _is_deleted(function: FunctionState, session: Session) -> bool:
    try:
        session.call(
            f"GetFunctionConfiguration {function.function}:{function.baseline}",
            partial(session.ports.aliases.version_facts, function.function, function.baseline),
        )
    except NotFoundError:
        return True
    return False


def _lower(session: Session) -> CanaryState | None:
    """Ends a rollout of a flag whose record can't be read: whatever it said, nobody had the variant at first."""
    for function, alias in zip(
        in_order(session.stage), read_all(in_order(session.stage), session).values(), strict=True
    ):
        _move(function, "1", alias, session, "")
    try:
        return tick(session.stage, session.ports).state  # it has ended, and this is told now
    except NotRunningError:
        return None


def _move_all(session: Session, to: Mapping[str, str]) -> None:
    functions = in_order(session.stage)
    seen = read_all(functions, session)
    refuse_unknown(functions, to)
    for function in functions:
        version = to.get(function.key) or to.get("")
        if version is not None:
            _move(function, version, seen[function.key], session)


def _move(
    function: FunctionRef,
    version: str,
    alias: AliasState,
    session: Session,
    description: str | None = None,
    why: str = "",
) -> None:
    """Sends all traffic of one alias to a version, which must exist; with another description if one is given."""
    text = alias.description if description is None else description
    if (alias.version, alias.extra_version, alias.description) == (version, None, text):
        return
    aliases = session.ports.aliases
    action = f"GetFunctionConfiguration {function}:{version}"
    try:
        session.call(action, partial(aliases.version_facts, function, version))
    except NotFoundError as error:
        command = rollback_command(function, alias.version, session)
        hint = f"Choose another: {command}." if command else "Publish one first."
        raise RefusedError(f"version {version} of {function.function} no longer exists", hint=hint) from error
    write_spec(function, AliasSpec(version, None, 0, text, why), alias, session)
    session.notice(f"{function} moved on request from {function.words.moved(alias, version)}", is_planned=True)


def _revert(session: Session, confirm: Callable[[str], None] | None, request: str) -> CanaryState:
    """The stage's last canary back to its baseline: journalled and published like any rollback."""
    stage, ports = session.stage, session.ports
    started, outcome = _last_canary(session)
    moves = {} if started is None else {move.function: move for move in started.functions}
    functions = [function for function in in_order(stage) if function.key in moves]
    seen = read_all(functions, session)
    known = bool(functions) and all(
        {alias.version, alias.extra_version} <= {moves[key].baseline, moves[key].candidate, None}
        for key, alias in seen.items()
    )
    is_back = known and all(
        (alias.version, alias.extra_version) == (moves[key].baseline, None) for key, alias in seen.items()
    )
    was_lowered = outcome in RETURNING and stage.flag is None  # a flag may rest at its last safe percentage
    if started is None or not known or (was_lowered and not is_back):
        missing = f"the journal has no canary {stage.words.of_what_is_live}"
        raise NotRunningError(
            f"no canary is in progress in stage {stage.name}, and {missing}", hint=stage.words.by_hand(stage.name)
        )
    state = CanaryState(
        canary_id=started.canary_id,
        stage=stage,
        functions=tuple(FunctionState(f, moves[f.key].baseline, moves[f.key].candidate) for f in functions),
        phase=Phase.ROLLED_BACK,
        started_at=started.at,
        fingerprint=started.fingerprint,
    )
    if is_back:
        return replace(
            state, why=f"already rolled back; {', '.join(f'{a.function} {a.routes_text}' for a in seen.values())}"
        )
    what = "promotion" if outcome is Phase.PROMOTED else "canary"
    changes = ", ".join(
        f"{alias.function} {alias.versions_text} → {stage.words.version(moves[key].baseline)}"
        for key, alias in seen.items()
    )
    if confirm is not None:
        confirm(f"Revert {what} {started.canary_id} ({changes})?")
    session = session.of(started.canary_id)
    why = f"reverted {what} {started.canary_id} {request}: {changes}"
    for function in functions:
        _move(function, moves[function.key].baseline, seen[function.key], session, why=why)
    now = ports.clock.now().replace(microsecond=0)
    session.publish(TrafficShifted(started.canary_id, stage.name, now, 0, why))
    session.publish(
        PhaseChanged(started.canary_id, stage.name, now, outcome or Phase.CONFLICT, state.phase, why, Signal.ROLLBACK)
    )
    session.publish(CanaryEnded(started.canary_id, stage.name, now, state.phase, why, started.at))
    return replace(state, why=why)


def versions_to_retry(stage: StagePlan, ports: Ports) -> dict[str, str]:
    """The versions that the stage's last canary tried in vain, by function key: for `start`.

    Raises:
        RefusedError: the last canary was promoted, or the journal has none.
    """
    started, outcome = _last_canary(Session(stage, ports))
    if started is None or outcome is Phase.PROMOTED:
        last = "its last canary was promoted" if started else "its journal has no canary"
        raise RefusedError(
            f"stage {stage.name} has no {stage.words.run} to retry: {last}",
            hint=f"Start one: `canary deploy {stage.name}`.",
        )
    return {move.function: move.candidate for move in started.functions}


def _last_canary(session: Session) -> tuple[CanaryStarted | None, Phase | None]:
    """How the stage's newest canary began and ended, as the journal has it."""
    journal = session.ports.journal
    for row in journal.canaries(session.stage.name):
        for event in journal.events(row["canary_id"]):
            if isinstance(event, CanaryStarted):
                outcome = row.get("outcome")
                return event, Phase(outcome) if outcome else None
    return None, None
