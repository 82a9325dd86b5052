"""The start of a canary: choose versions, check, write the record on every alias; no traffic moves here."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from canary.core.alias import AliasState, basis_points
from canary.core.events import CanaryEnded, CanaryStarted, FunctionMove, Origin
from canary.core.machine import restore_writes, start_writes
from canary.core.phases import Phase
from canary.core.plan import FunctionRef, StagePlan
from canary.core.record import decode
from canary.core.recover import fingerprint, in_order, recover
from canary.core.state import CanaryState, FunctionState
from canary.core.words import shown
from canary.errors import (
    AwsError,
    CanaryError,
    ConflictError,
    NoChangeError,
    NotFoundError,
    RefusedError,
    StaleRevisionError,
)
from canary.ports import Target
from canary.runner.aliases import first_release_hint, read_agreed, read_all, refuse_unknown, write_in_order
from canary.runner.checks import Check, Level
from canary.runner.observe import START_LASTS
from canary.runner.others import OTHERS
from canary.runner.preflight import CREDENTIALS, preflight
from canary.runner.session import Ports, Session


def start(
    stage: StagePlan,
    ports: Ports,
    *,
    versions: Mapping[str, str] | None = None,
    publish: bool = False,
    ignore_alarms: Collection[str] = (),
    canary_id: str | None = None,
) -> CanaryState:
    """Checks everything, then writes the canary's record to every alias of the stage.

    Pass the returned state to `run`, or let a tick driver find it. If a driver died while starting, calling this again
    two minutes later with the same versions completes its start.

    Args:
        stage: the plan; steps already replaced (`StagePlan.with_steps`) and `hotfix` set as asked for.
        ports: what the driver reaches AWS and its surroundings through.
        versions: candidate version by function key; "" as key for all. Missing ones get the newest published version.
            A function that serves its candidate already takes no part, unless that is so for all of them.
        publish: publish `$LATEST` of every function first and release that.
        ignore_alarms: names of alarms that may be red already.
        canary_id: for tests and replays; random when None.

    Raises:
        NoChangeError: every alias serves its candidate already.
        NotFoundError: an alias doesn't exist.
        RefusedError: a check failed; nothing was changed. The message lists the failed checks.
        ConflictError: another canary holds an alias; names it.
        AwsError: an AWS call failed for good; nothing was changed.
    """
    session = Session(stage, ports, canary_id or "")
    seen = _aliases(session)
    found = recover(stage, list(seen.values()))
    if found is not None and not _is_interrupted(found, ports.clock.now()):
        raise _in_progress(stage, found)
    if publish:  # a version that is published stays, so everything else is checked before
        _refuse_unless_ready(session, (), ignore_alarms)
    candidates = _choose(versions or {}, session, publish=publish)
    targets = [Target(f, seen[f.key].version, candidates[f.key]) for f in in_order(stage)]
    released = [target for target in targets if target.baseline != target.candidate]
    if not released:
        live = ", ".join(stage.words.is_done(target.function.key, target.baseline) for target in targets)
        raise NoChangeError(
            f"stage {stage.name} has nothing to {stage.words.act}: {live}", hint=stage.words.nothing_new or None
        )
    unchanged = [target for target in targets if target not in released]
    narrowed = replace(session, stage=stage.with_functions({target.function.key for target in released}))
    checks = _refuse_unless_ready(narrowed, released, ignore_alarms)
    members = sum(1 << bit for bit, target in enumerate(targets) if target in released) if unchanged else 0
    state = replace(_first_state(narrowed, released, seen, found), fingerprint=fingerprint(stage), members=members)
    session = session.of(state.canary_id)
    # The journal first: it has the operator's whole descriptions before the record takes their place.
    session.publish(_started(state, ports.origin))
    for target in unchanged:
        session.notice(
            f"{target.function} already serves version {target.baseline} and is left as it is", is_planned=True
        )
    published = {OTHERS} if session.ports.credentials_end().at is None else {OTHERS, CREDENTIALS}
    for check in checks:
        if check.name in published and check.level is Level.WARNING:
            session.notice(check.text)
    _write_records(state, seen, session)
    return state


def create_missing(
    stage: StagePlan, ports: Ports, *, versions: Mapping[str, str] | None = None, publish: bool = False
) -> tuple[Target, ...]:
    """The first release of functions that have no alias yet: it is created on the version that would be released.

    There is no baseline to compare with, so the version gets all traffic of the alias at once.

    Args:
        stage: the plan.
        ports: what the driver reaches AWS and its surroundings through.
        versions: as for `start`.
        publish: publish `$LATEST` of these functions first.

    Returns:
        The functions whose alias was created; baseline and candidate are its version.

    Raises:
        RefusedError: a function has no published version.
        AwsError: an AWS call failed for good; aliases that were created stay.
    """
    session = Session(stage, ports)
    refuse_unknown(in_order(stage), versions or {})
    missing = [function for function in in_order(stage) if not _exists(function, session)]
    if not missing:
        return ()
    keys = {function.key for function in missing}
    named = {key: version for key, version in (versions or {}).items() if key in {"", *keys}}
    chosen = _choose(named, replace(session, stage=stage.with_functions(keys)), publish=publish)
    for function in missing:
        version = chosen[function.key]
        session.call(f"CreateAlias {function}", partial(ports.aliases.create, function, version))
    return tuple(Target(function, chosen[function.key], chosen[function.key]) for function in missing)


def _exists(function: FunctionRef, session: Session) -> bool:
    try:
        read_all([function], session)
    except NotFoundError:
        return False
    return True


def _aliases(session: Session) -> dict[str, AliasState]:
    try:
        return read_agreed(in_order(session.stage), session)  # the operator's descriptions are kept from here on
    except NotFoundError as error:
        hint = error.hint if session.stage.flag else first_release_hint(session.stage)
        raise NotFoundError(error.message, hint=hint) from error


def new_id() -> str:
    """A name for a canary: eight letters and digits that no other one has."""
    return "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(8))


def _is_interrupted(found: CanaryState, now: datetime) -> bool:
    return found.phase is Phase.STARTING and not found.foreign and now - found.started_at >= START_LASTS


def _in_progress(stage: StagePlan, found: CanaryState) -> ConflictError:
    return ConflictError(
        f"canary {found.canary_id} is in progress in stage {stage.name} ({found.phase.value.replace('_', ' ')})",
        hint=f"Run `canary status {stage.name}` to see it, or `canary resume {stage.name}` to continue it.",
    )


def _choose(versions: Mapping[str, str], session: Session, *, publish: bool) -> dict[str, str]:
    functions, aliases = in_order(session.stage), session.ports.aliases
    refuse_unknown(functions, versions)
    chosen: dict[str, str] = {}
    for function in functions:
        named = versions.get(function.key) or versions.get("")
        if named is None and publish:
            named = session.call(f"PublishVersion {function}", partial(aliases.publish, function))
        if named is None:
            named = session.call(f"ListVersionsByFunction {function}", partial(aliases.newest_version, function))
        if named is None:
            raise RefusedError(
                f"{function.function} has no published version", hint="Publish a version, or deploy with --publish."
            )
        chosen[function.key] = named
    return chosen


def _refuse_unless_ready(
    session: Session, targets: Sequence[Target], ignore_alarms: Collection[str]
) -> tuple[Check, ...]:
    stage = session.stage
    checks = preflight(stage, session.ports, targets, ignore_alarms=ignore_alarms)
    failed = [check for check in checks if check.level is Level.FAILED]
    if failed:
        lines = "\n".join(
            f"  {check.name} {shown(check.function)}: {check.text}".replace(" :", ":") for check in failed
        )
        raise RefusedError(
            f"stage {stage.name} is not ready; nothing was changed\n{lines}", hint=failed[0].hint or None
        )
    return checks


def _first_state(
    session: Session, targets: Sequence[Target], seen: Mapping[str, AliasState], found: CanaryState | None
) -> CanaryState:
    started = {function.function.key: function for function in found.functions} if found else {}
    functions = tuple(
        started.get(target.function.key)
        or FunctionState(
            target.function, target.baseline, target.candidate, description=seen[target.function.key].description
        )
        for target in targets
    )
    wanted = [(target.baseline, target.candidate) for target in targets]
    if found is not None and wanted != [(function.baseline, function.candidate) for function in functions]:
        raise _in_progress(session.stage, found)
    return CanaryState(
        canary_id=found.canary_id if found else session.canary_id or new_id(),
        stage=session.stage,
        functions=functions,
        phase=Phase.STARTING,
        started_at=found.started_at if found else session.ports.clock.now().replace(microsecond=0),
        fingerprint=fingerprint(session.stage),
    )


def _started(state: CanaryState, origin: Origin) -> CanaryStarted:
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
        origin=origin,
    )


def _write_records(state: CanaryState, seen: dict[str, AliasState], session: Session) -> None:
    """The lead first: whoever gets it has won, the others have written nothing."""
    try:
        write_in_order(start_writes(state).writes, seen, session)
    except StaleRevisionError as error:
        winner = _undo(state, session)
        why = (
            f"canary {winner} has started on {state.stage.words.a_place} of stage {state.stage.name}"
            if winner
            else error.message
        )
        _publish_end(state, Phase.CONFLICT, why, session)
        raise ConflictError(why) from error
    except AwsError as error:
        _undo(state, session)
        _publish_end(state, Phase.ABORTED, error.message, session)
        raise


def _undo(state: CanaryState, session: Session) -> str:
    """Restores the descriptions as far as possible; returns the id of the canary that has the other aliases."""
    winner = ""
    for function in state.functions:
        write = restore_writes(replace(state, phase=Phase.ABORTED, functions=(function,)))
        try:
            seen = read_all([function.function], session)
            alias = seen[function.function.key]
            record = decode(alias.description)
            if alias.says(state.spec(function)):
                write_in_order(write.writes, seen, session)
            elif record is not None:
                winner = winner or record.canary_id
        except CanaryError as error:
            session.notice(f"{function.function} may still have the record of this canary: {error.message}")
    return winner


def _publish_end(state: CanaryState, outcome: Phase, why: str, session: Session) -> None:
    now = session.ports.clock.now()
    session.publish(CanaryEnded(state.canary_id, state.stage.name, now, outcome, why, state.started_at))
