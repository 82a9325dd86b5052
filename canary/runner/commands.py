"""What a person may ask of a running canary; each works from any process, driver or no driver.

They write the request into the aliases; a driver that is at work finds it at its next tick and goes along.
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
from canary.runner.driving import ask, tick
from canary.runner.finding import current, find
from canary.runner.moving import read_all, refuse_strangers, write_spec
from canary.runner.retrying import Retrying
from canary.runner.setup import Ports
from canary.runner.telling import Teller


def pause(stage: StagePlan, ports: Ports) -> CanaryState:
    """Keeps the weight where it is; judging and taking back go on.

    Raises:
        NotRunningError: no canary is under way.
        RefusedError: it is past the point where pausing means something.

    Since 0.1.
    """
    return ask(stage, ports, Signal.PAUSE, "paused by hand")


def resume(stage: StagePlan, ports: Ports, *, accept_plan: bool = False) -> CanaryState:
    """Goes on after a pause, an inconclusive end or a driver's death; hand the answer to `run`.

    Args:
        stage: the plan.
        ports: the world.
        accept_plan: go on although the plan isn't the one the canary began with.

    Raises:
        NotRunningError: no canary is under way.
        RefusedError: the plan has changed since the start, and `accept_plan` is False.

    Since 0.1.
    """
    state, _, _ = find(stage, ports)
    if state.fingerprint != fingerprint(stage) and not accept_plan:
        raise RefusedError(
            f"the plan of stage {stage.name} isn't the one that canary {state.canary_id} began with",
            hint="Go on with the former plan, or pass --accept-plan to go on under the present one.",
        )
    if state.phase in {Phase.PAUSED, Phase.INCONCLUSIVE}:
        return ask(stage, ports, Signal.RESUME, "resumed by hand")
    return state


def promote(stage: StagePlan, ports: Ports) -> CanaryState:
    """Gives the candidate everything now, whatever the evidence; the post-bake follows.

    Raises:
        NotRunningError: no canary is under way.
        RefusedError: it is promoted or being taken back already.

    Since 0.1.
    """
    return ask(stage, ports, Signal.PROMOTE, "promoted by hand")


def rollback(stage: StagePlan, ports: Ports, *, to: Mapping[str, str] | None = None) -> CanaryState | None:
    """Takes everything back to the recorded base, or to named versions when no canary is under way.

    Without a canary and without `to`, the base of the stage's last promotion is taken from the journal, if the
    aliases still are on what that canary promoted: never "the version before" (lambda-canary.md §9, trap 17).

    Args:
        stage: the plan; need not be the one the canary began with.
        ports: the world.
        to: version by function key ("" for all).

    Returns:
        The final state; None when no canary was under way and the aliases were moved to `to` or the journal's base.

    Raises:
        NotRunningError: no canary is under way, and nothing tells where to go back to.
        RefusedError: a canary is under way and `to` is given: it goes back to its own base, or ends first.

    Since 0.1.
    """
    state = current(stage, ports)
    if state is None:
        _move_all(stage, ports, dict(to) if to else None)
        return None
    if to:
        raise RefusedError(
            f"canary {state.canary_id} is under way and goes back to its own base",
            hint=f"`canary rollback {stage.name}` without --to, then again with it.",
        )
    return _roll_back(stage, ports, state, Signal.ROLLBACK, "rolled back by hand")


def abort(stage: StagePlan, ports: Ports) -> CanaryState:
    """Stops the canary: takes everything back and ends as aborted.

    Raises:
        NotRunningError: no canary is under way.

    Since 0.1.
    """
    state, _, _ = find(stage, ports)
    return _roll_back(stage, ports, state, Signal.ABORT, "aborted by hand")


def _roll_back(stage: StagePlan, ports: Ports, state: CanaryState, signal: Signal, why: str) -> CanaryState:
    """Once begun it isn't given up while AWS is down: a canary half taken back is watched by nobody."""
    while state.phase not in FINAL or state.behind:
        try:
            if state.phase not in RETURNING and state.phase not in FINAL:
                state = ask(stage, ports, signal, why, known=state)
                continue
            state = tick(stage, ports, state).state
        except UnavailableError as error:
            Teller(ports, state.canary_id, stage.name).notice(f"AWS can't be reached, trying on: {error.message}")
        if state.phase not in FINAL:
            ports.clock.sleep(NUDGE.total_seconds())
    return state


def _move_all(stage: StagePlan, ports: Ports, to: Mapping[str, str] | None) -> None:
    retrying = Retrying(Teller(ports, "", stage.name))
    seen = read_all(in_order(stage), retrying)
    versions = to if to is not None else _last_bases(stage, ports, seen)
    refuse_strangers(in_order(stage), versions)
    for function in in_order(stage):
        version = versions.get(function.key) or versions.get("")
        if version is None:
            continue
        retrying.call(f"read version {version}", partial(ports.aliases.version_facts, function, version))  # it exists
        alias = seen[function.key]
        write_spec(function, AliasSpec(version, None, 0, alias.description), alias, retrying)
        retrying.teller.notice(f"{function} moved by hand from version {alias.version} to {version}")


def _last_bases(stage: StagePlan, ports: Ports, seen: Mapping[str, AliasState]) -> dict[str, str]:
    for row in ports.journal.canaries(stage.name):
        if row.get("outcome") != Phase.PROMOTED.value:
            continue
        for event in ports.journal.events(row["canary_id"]):
            if isinstance(event, CanaryStarted):
                moves = {move.function: move for move in event.functions}
                if all(key in moves and alias.version == moves[key].candidate for key, alias in seen.items()):
                    return {key: moves[key].baseline for key in seen}
        break
    raise NotRunningError(
        f"no canary is under way in stage {stage.name}, and the journal knows no promotion of the present versions",
        hint=f"`canary rollback {stage.name} --to VERSION` names the version.",
    )
