"""What a person may ask of a canary in progress; each works from any process, with or without a driver.

They write the request into the aliases; a running driver finds it at its next tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from canary.core.alias import AliasSpec, AliasState
from canary.core.events import CanaryStarted
from canary.core.phases import FINAL, RETURNING, Phase, Signal
from canary.core.plan import StagePlan
from canary.core.recover import fingerprint, in_order
from canary.core.schedule import NUDGE
from canary.core.state import CanaryState
from canary.errors import NotRunningError, RefusedError, UnavailableError
from canary.runner.aliases import read_all, refuse_unknown, write_spec
from canary.runner.drive import ask, tick
from canary.runner.observe import current, find
from canary.runner.session import Ports, Session


def pause(stage: StagePlan, ports: Ports) -> CanaryState:
    """Keeps the weight where it is; judging goes on, and an unhealthy version is still rolled back.

    Raises:
        NotRunningError: no canary is in progress.
        RefusedError: it is past the point where pausing means something.
    """
    return ask(stage, ports, Signal.PAUSE, "paused on request")


def resume(stage: StagePlan, ports: Ports, *, accept_plan: bool = False) -> CanaryState:
    """Continues after a pause, an inconclusive end or the death of a driver; pass the returned state to `run`.

    Args:
        stage: the plan.
        ports: the world.
        accept_plan: continue although the plan has changed since the canary started.

    Raises:
        NotRunningError: no canary is in progress.
        RefusedError: the plan has changed since the start, and `accept_plan` is False.
    """
    state, _, _ = find(stage, ports)
    if state.fingerprint != fingerprint(stage) and not accept_plan:
        raise RefusedError(
            f"the plan of stage {stage.name} changed after canary {state.canary_id} started",
            hint="Restore the former plan, or pass --accept-plan to resume under the present one.",
        )
    if state.phase in {Phase.PAUSED, Phase.INCONCLUSIVE}:
        return ask(stage, ports, Signal.RESUME, "resumed on request")
    return state


def promote(stage: StagePlan, ports: Ports) -> CanaryState:
    """Gives the candidate all traffic now, whatever the evidence; the post-promotion watch follows.

    Raises:
        NotRunningError: no canary is in progress.
        RefusedError: it is promoted or being rolled back already.
    """
    return ask(stage, ports, Signal.PROMOTE, "promoted on request")


def rollback(stage: StagePlan, ports: Ports, *, to: Mapping[str, str] | None = None) -> CanaryState | None:
    """Rolls everything back to the recorded baseline, or to named versions when no canary is in progress.

    Without a canary and without `to`, the baseline of the stage's last promotion is taken from the journal, if the
    aliases still serve what that canary promoted: never "the version before" (lambda-canary.md §9, trap 17).

    Args:
        stage: the plan; need not be the one the canary began with.
        ports: the world.
        to: version by function key ("" for all).

    Returns:
        The final state; None when no canary was in progress and the aliases were moved to `to` or the baseline.

    Raises:
        NotRunningError: no canary is in progress, and nothing names the version to return to.
        RefusedError: a canary is in progress and `to` is given: it rolls back to its own baseline, or ends first.
    """
    state = current(stage, ports)
    if state is None:
        _move_all(stage, ports, dict(to) if to else None)
        return None
    if to:
        raise RefusedError(
            f"canary {state.canary_id} is in progress; it rolls back to its own baseline",
            hint=f"Run `canary rollback {stage.name}` without --to first.",
        )
    return _roll_back(stage, ports, state, Signal.ROLLBACK, "rolled back on request")


def abort(stage: StagePlan, ports: Ports) -> CanaryState:
    """Stops the canary: rolls everything back and ends it as aborted.

    Raises:
        NotRunningError: no canary is in progress.
    """
    state, _, _ = find(stage, ports)
    return _roll_back(stage, ports, state, Signal.ABORT, "aborted on request")


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
            session.notice(f"AWS is unavailable, trying again: {error.message}")
        if state.phase not in FINAL:
            ports.clock.sleep(NUDGE.total_seconds())
    return state


def _move_all(stage: StagePlan, ports: Ports, to: Mapping[str, str] | None) -> None:
    session = Session(stage, ports)
    functions = in_order(stage)
    seen = read_all(functions, session)
    versions = to if to is not None else _last_baselines(session, seen)
    refuse_unknown(functions, versions)
    for function in functions:
        version = versions.get(function.key) or versions.get("")
        if version is None:
            continue
        session.call(
            f"GetFunctionConfiguration {function}:{version}", partial(ports.aliases.version_facts, function, version)
        )
        alias = seen[function.key]
        write_spec(function, AliasSpec(version, None, 0, alias.description), alias, session)
        session.notice(f"{function} moved on request from version {alias.version} to version {version}")


def _last_baselines(session: Session, seen: Mapping[str, AliasState]) -> dict[str, str]:
    journal, stage = session.ports.journal, session.stage.name
    for row in journal.canaries(stage):
        if row.get("outcome") != Phase.PROMOTED.value:
            continue
        for event in journal.events(row["canary_id"]):
            if isinstance(event, CanaryStarted):
                moves = {move.function: move for move in event.functions}
                if all(key in moves and alias.version == moves[key].candidate for key, alias in seen.items()):
                    return {key: moves[key].baseline for key in seen}
        break
    raise NotRunningError(
        f"no canary is in progress in stage {stage}, and the journal has no promotion of the live versions",
        hint=f"Name the version: `canary rollback {stage} --to VERSION`.",
    )
