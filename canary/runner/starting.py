"""The start of a canary: choose versions, check, claim the aliases; no traffic moves here."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from canary.core.alias import AliasState, basis_points
from canary.core.events import CanaryEnded, CanaryStarted, FunctionMove
from canary.core.moves import restore_writes, start_writes
from canary.core.phases import Phase
from canary.core.plan import FunctionRef, StagePlan
from canary.core.record import decode
from canary.core.recover import fingerprint, in_order, recover
from canary.core.state import CanaryState, FunctionState
from canary.errors import AwsError, CanaryError, ConflictError, RefusedError, StaleRevisionError
from canary.ports import Target
from canary.runner.checks import Level
from canary.runner.moving import read_all, refuse_strangers, write_in_order
from canary.runner.preflight import preflight
from canary.runner.retrying import Retrying
from canary.runner.setup import Ports
from canary.runner.telling import Teller

START_LASTS = timedelta(minutes=2)
"""So long a claim belongs to the driver that is just starting; after that its driver must have died."""


def start(
    stage: StagePlan,
    ports: Ports,
    *,
    versions: Mapping[str, str] | None = None,
    publish: bool = False,
    ignore_alarms: Collection[str] = (),
    canary_id: str | None = None,
) -> CanaryState:
    """Checks everything, then start_writes every alias of the stage with the canary's record.

    Hand the answer to `run`, or let a tick driver find it. If a driver died while claiming, calling this again two
    minutes later with the same versions takes the claim over.

    Args:
        stage: the plan; steps already replaced (`StagePlan.with_steps`) and `hotfix` set as asked for.
        ports: the world.
        versions: candidate version by function key; "" as key for all. Missing ones get the newest published version.
        publish: publish `$LATEST` of every function first and release that.
        ignore_alarms: names of alarms that may be red already.
        canary_id: for tests and replays; invented when None.

    Raises:
        RefusedError: a check failed; nothing was changed. The message lists the failed checks.
        ConflictError: another canary holds an alias; names it.
        AwsError: an AWS call failed for good; nothing was changed.

    Since 0.1.
    """
    retrying = Retrying(Teller(ports, canary_id or "", stage.name))
    seen = read_all(in_order(stage), retrying)
    found = recover(stage, list(seen.values()))
    if found is not None and not _is_cut_short(found, ports.clock.now()):
        raise _taken(stage, found)
    if publish:  # a version that is published stays, so everything else is checked before
        _refuse_unless_ready(stage, ports, (), ignore_alarms)
    candidates = _choose(in_order(stage), versions or {}, retrying, publish=publish)
    bases = {key: alias.version for key, alias in seen.items()}
    targets = [Target(function, bases[function.key], candidates[function.key]) for function in in_order(stage)]
    _refuse_unless_ready(stage, ports, targets, ignore_alarms)
    state = _first_state(stage, targets, seen, found, canary_id, ports)
    retrying = Retrying(Teller(ports, state.canary_id, stage.name))
    # The journal first: it has the operator's whole descriptions before the record takes their place.
    retrying.teller.tell(_started(state))
    _claim(state, seen, retrying)
    return state


def new_id() -> str:
    """A name for a canary: eight letters and digits that no other one has. Since 0.1."""
    return "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(8))


def _is_cut_short(found: CanaryState, now: datetime) -> bool:
    return found.phase is Phase.STARTING and not found.foreign and now - found.started_at >= START_LASTS


def _taken(stage: StagePlan, found: CanaryState) -> ConflictError:
    return ConflictError(
        f"canary {found.canary_id} is under way in stage {stage.name} ({found.phase.value.replace('_', ' ')})",
        hint=f"`canary status {stage.name}` shows it; `canary resume {stage.name}` goes on with it.",
    )


def _choose(
    functions: Sequence[FunctionRef], versions: Mapping[str, str], retrying: Retrying, *, publish: bool
) -> dict[str, str]:
    traffic = retrying.teller.ports.aliases
    refuse_strangers(functions, versions)
    chosen: dict[str, str] = {}
    for function in functions:
        named = versions.get(function.key) or versions.get("")
        if named is None and publish:
            named = retrying.call(f"PublishVersion {function}", partial(traffic.publish, function))
        if named is None:
            named = retrying.call(f"ListVersions {function}", partial(traffic.newest_version, function))
        if named is None:
            raise RefusedError(
                f"{function.function} has no published version", hint="Publish one, or deploy with --publish."
            )
        chosen[function.key] = named
    return chosen


def _refuse_unless_ready(
    stage: StagePlan, ports: Ports, targets: Sequence[Target], ignore_alarms: Collection[str]
) -> None:
    checks = preflight(stage, ports, targets, ignore_alarms=ignore_alarms)
    failed = [check for check in checks if check.level is Level.FAILED]
    if failed:
        lines = "\n".join(f"  {check.name} {check.function}: {check.text}".replace(" :", ":") for check in failed)
        raise RefusedError(f"stage {stage.name} isn't ready; nothing was changed\n{lines}", hint=failed[0].hint or None)


def _first_state(
    stage: StagePlan,
    targets: Sequence[Target],
    seen: Mapping[str, AliasState],
    found: CanaryState | None,
    canary_id: str | None,
    ports: Ports,
) -> CanaryState:
    claimed = {function.function.key: function for function in found.functions} if found else {}
    functions = tuple(
        claimed.get(target.function.key)
        or FunctionState(
            target.function, target.baseline, target.candidate, description=seen[target.function.key].description
        )
        for target in targets
    )
    wanted = [(target.baseline, target.candidate) for target in targets]
    if found is not None and wanted != [(function.baseline, function.candidate) for function in functions]:
        raise _taken(stage, found)
    return CanaryState(
        canary_id=found.canary_id if found else canary_id or new_id(),
        stage=stage,
        functions=functions,
        phase=Phase.STARTING,
        started_at=found.started_at if found else ports.clock.now().replace(microsecond=0),
        fingerprint=fingerprint(stage),
    )


def _started(state: CanaryState) -> CanaryStarted:
    return CanaryStarted(
        state.canary_id,
        state.stage.name,
        state.started_at,
        functions=tuple(
            FunctionMove(function.function.key, function.baseline, function.candidate, function.description)
            for function in state.functions
        ),
        steps_bp=tuple(basis_points(step.weight) for step in state.stage.steps),
        fingerprint=state.fingerprint,
        hotfix=state.stage.hotfix,
    )


def _claim(state: CanaryState, seen: dict[str, AliasState], retrying: Retrying) -> None:
    """The lead first: whoever gets it has won, the others have written nothing."""
    try:
        write_in_order(start_writes(state).writes, seen, retrying)
    except StaleRevisionError as error:
        winner = _give_back(state, retrying)
        why = f"canary {winner} holds an alias of stage {state.stage.name}" if winner else error.message
        _tell_end(state, Phase.CONFLICT, why, retrying)
        raise ConflictError(why) from error
    except AwsError as error:
        _give_back(state, retrying)
        _tell_end(state, Phase.ABORTED, error.message, retrying)
        raise


def _give_back(state: CanaryState, retrying: Retrying) -> str:
    """Restores the descriptions that were claimed, as well as it goes; answers the id of who holds the others."""
    winner = ""
    for function in state.functions:
        write = restore_writes(replace(state, phase=Phase.ABORTED, functions=(function,)))
        try:
            seen = read_all([function.function], retrying)
            alias = seen[function.function.key]
            record = decode(alias.description)
            if alias.says(state.spec(function)):
                write_in_order(write.writes, seen, retrying)
            elif record is not None:
                winner = winner or record.canary_id
        except CanaryError as error:
            retrying.teller.notice(f"{function.function} may still carry this canary's claim: {error.message}")
    return winner


def _tell_end(state: CanaryState, outcome: Phase, why: str, retrying: Retrying) -> None:
    now = retrying.teller.ports.clock.now()
    retrying.teller.tell(CanaryEnded(state.canary_id, state.stage.name, now, outcome, why, state.started_at))
