"""Reads and writes aliases: guarded by RevisionId, verified after each write, safe to repeat; it doesn't decide what.

What can go wrong with one `UpdateAlias`, and what is done (lambda-canary.md §9, traps 12, 15, 16, 19):

| answer | forward, annotate, restore | rollback |
|---|---|---|
| lost (timeout, 5xx, throttled) | read; written: done; unchanged: again, bounded | the same, unbounded |
| 412, alias says what we want | done: it was our lost answer, or an ally, who publishes it | the same |
| 412, same content, new RevisionId | again with the new RevisionId | the same |
| 412, anything else | stop without writing: `StaleRevisionError` | only our two versions: again; else left alone |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from canary.core.alias import AliasSpec, AliasState
from canary.core.events import AliasWrite, Announce, CanaryStarted, Effect, Judged, Measured, WriteKind
from canary.core.plan import FunctionRef, StagePlan, format_duration
from canary.core.record import decode, is_record
from canary.core.recover import is_draining
from canary.core.state import CanaryState
from canary.core.words import shown
from canary.errors import (
    AwsError,
    NotFoundError,
    RecordError,
    RefusedError,
    StaleRevisionError,
    UnavailableError,
    UnusableFlagError,
)
from canary.runner.session import ATTEMPTS, Session, as_aws_error

READINGS = 5
"""Answers about an alias that are compared at most; it is written over its RevisionId all the same."""

ALERT_AFTER = timedelta(minutes=1)
"""A rollback that gets no answer, or waits for somebody else's deployment, needs a person."""

REFUSALS = 60
"""About ten minutes: credentials may be renewed, and a permission be granted again."""


def read_all(functions: Sequence[FunctionRef], session: Session) -> dict[str, AliasState]:
    """What every alias says, by function key."""
    aliases = session.ports.aliases

    def read(function: FunctionRef) -> AliasState:
        return session.call(function.words.verb(f"GetAlias {function}"), lambda: aliases.read(function))

    return {function.key: read(function) for function in functions}


def first_release_hint(stage: StagePlan) -> str:
    """What to do about an alias that doesn't exist."""
    return f"If this is its first release: `canary deploy {stage.name} --create-alias`."


def read_agreed(
    functions: Sequence[FunctionRef], session: Session, seen: dict[str, AliasState] | None = None
) -> dict[str, AliasState]:
    """What every alias says, once two answers in a row agree: for what will be kept, or ends a canary.

    Args:
        functions: whose aliases.
        session: to read them with.
        seen: the answer before, if there is one.
    """
    before = seen or read_all(functions, session)
    for _ in range(READINGS):
        found = read_all(functions, session)
        if found == before:
            break
        before = found
    return before


def refuse_unknown(functions: Sequence[FunctionRef], versions: Mapping[str, str]) -> None:
    """Refuses a version for a function that the stage doesn't have: the intended one would get another version.

    Raises:
        RefusedError: names the unknown function and what the stage has.
    """
    keys = [function.key for function in functions]
    if unknown := sorted(versions.keys() - {"", *keys}):
        raise RefusedError(
            f"stage has no function {', '.join(unknown)}; its functions are {', '.join(keys)}",
            hint="Name a function of the stage, as in --version api:live=7.",
        )


def carry_out(effects: Sequence[Effect], state: CanaryState, seen: dict[str, AliasState], session: Session) -> bool:
    """Does what the machine ordered, in its order.

    Of two drivers that decide the same in the same second one writes the lead. The other one publishes only what it
    measured: the transition is not its own.

    Returns:
        False if an ally has written the lead in our place: read the aliases again.

    Raises:
        StaleRevisionError: an alias was changed meanwhile; the rest was not done.
        AwsError: AWS refused or can't be reached; the rest was not done.
    """
    is_ours = True
    for effect in effects:
        if isinstance(effect, Announce):
            if is_ours or isinstance(effect.event, (Measured, Judged)):
                session.publish(effect.event)
            continue
        if effect.kind is WriteKind.ROLLBACK:
            foreign, allied = roll_back(effect.writes, session)
            for key in foreign:
                session.notice(f"{shown(key)} was changed outside this canary and was left as it is")
        elif effect.kind is WriteKind.RESTORE:
            allied = write_in_order(_whole_texts(effect.writes, state, session), seen, session)
        else:
            allied = write_in_order(effect.writes, seen, session)
        is_ours = state.functions[0].function.key not in allied
    return is_ours


def write_in_order(writes: Sequence[AliasWrite], seen: dict[str, AliasState], session: Session) -> frozenset[str]:
    """Makes each alias say its spec, one after the other; `seen` is brought up to date.

    Returns:
        Keys of aliases whose last spec an ally has written in our place.

    Raises:
        StaleRevisionError: an alias says something else than `seen` and the spec; it was not written.
        UnavailableError: no answer within the attempts; written or not is found out at the next tick.
        AwsError: AWS refused.
    """
    allied: dict[str, bool] = {}
    for write in writes:
        key = write.function.key
        seen[key], allied[key] = _write(write, seen[key], session)
    return frozenset(key for key, is_allied in allied.items() if is_allied)


def roll_back(writes: Sequence[AliasWrite], session: Session) -> tuple[tuple[str, ...], frozenset[str]]:
    """Makes every alias say its spec, all at once, and doesn't return before each has been verified.

    No alias waits for another one's failure: each round tries all that are left, then waits once.

    Returns:
        Keys of aliases that name other versions by now, or are deleted: they are somebody else's and were left alone;
        and keys of those that an ally has written in our place.

    Raises:
        AwsError: AWS refused what is left `REFUSALS` times in a row: a baseline version that was deleted, a permission
            that was revoked. An AWS that doesn't answer never ends it.
    """
    left = list(writes)
    foreign: list[str] = []
    sent: set[str] = set()
    attempt = refusals = 0
    alert_at: datetime | None = session.ports.clock.now() + ALERT_AFTER
    while left:
        attempt += 1
        results = _each(left, lambda write: _roll_back_once(write, sent, session), parallel=session.ports.in_parallel)
        failed = [(write, result) for write, result in zip(left, results, strict=True) if isinstance(result, AwsError)]
        foreign += [write.function.key for write, result in zip(left, results, strict=True) if result is False]
        left = [write for write, _ in failed]
        if failed:
            write, error = failed[0]
            refusals = 0 if any(isinstance(error, UnavailableError) for _, error in failed) else refusals + 1
            if refusals == 1:
                other = _other_way(write, session) if isinstance(error, NotFoundError) else ""
                session.notice(f"the rollback of {write.function} is refused: {error.message}{other}", is_alert=True)
            if refusals >= REFUSALS:
                raise error
            if refusals == 0 and alert_at is not None and session.ports.clock.now() >= alert_at:
                alert_at = None
                text = f"the rollback of {write.function} has not succeeded for {format_duration(ALERT_AFTER)}"
                session.notice(f"{text}: {error.message}", is_alert=True)
            session.wait(write.function.words.verb(f"UpdateAlias {write.function} (rollback)"), attempt, error)
    return tuple(foreign), frozenset(write.function.key for write in writes) - sent - frozenset(foreign)


def next_best(function: FunctionRef, live: str, session: Session) -> str:
    """The newest version below the live one that still exists, of the last twenty numbers; empty without any."""
    newest = int(live) if live.isdigit() else 0
    for number in range(newest - 1, max(0, newest - 21), -1):
        with suppress(AwsError):
            session.ports.aliases.version_facts(function, str(number))
            return str(number)
    return ""


def rollback_command(function: FunctionRef, live: str, session: Session) -> str:
    """The command that returns to the next best version; empty where there is none."""
    other = next_best(function, live, session)
    return f"`canary rollback {session.stage.name} --to {function.key}={other}`" if other else ""


def _other_way(write: AliasWrite, session: Session) -> str:
    command = rollback_command(write.function, write.versions[1], session)
    return f"; {command} returns to an older version that exists" if command else "; no older version exists"


def write_spec(function: FunctionRef, spec: AliasSpec, seen: AliasState, session: Session) -> None:
    """Makes one alias say its spec outside of any canary, with the same care."""
    _write(AliasWrite(function, spec, (seen.version, spec.version), ""), seen, session)


def _write(write: AliasWrite, seen: AliasState, session: Session) -> tuple[AliasState, bool]:
    """What the alias says then, and whether it was surely an ally who made it so."""
    aliases = session.ports.aliases
    action = write.function.words.verb(f"UpdateAlias {write.function}")
    if seen.says(write.spec):
        return seen, False
    was_sent, why, hint = False, "", None
    for attempt in range(1, ATTEMPTS + 1):
        lost: AwsError | None = None
        try:
            aliases.write(write.function, write.spec, seen.revision_id)
            was_sent = True
        except UnavailableError as error:
            lost, was_sent, why, hint = error, True, f": {error.message}", error.hint
        except StaleRevisionError:
            pass  # somebody wrote, perhaps we: reading shows
        found = session.call(
            write.function.words.verb(f"GetAlias {write.function}"), lambda: aliases.read(write.function)
        )
        if found.says(write.spec) or _drains(found, write):
            return found, not was_sent
        if not found.same_content(seen):
            raise StaleRevisionError(f"{write.function} was changed outside this canary; nothing was written")
        seen = found
        if lost is not None and attempt < ATTEMPTS:
            session.wait(action, attempt, lost)
    raise UnavailableError(f"{action} had no effect in {ATTEMPTS} attempts{why}", hint=hint)


def _drains(found: AliasState, write: AliasWrite) -> bool:
    """Our write took, and AWS put draining weights of its own beside it (provisioned concurrency, trap 13)."""
    if found.description != write.spec.description:
        return False
    record = decode(found.description)
    return record is not None and is_draining(found, record)


def _roll_back_once(write: AliasWrite, sent: set[str], session: Session) -> bool | AwsError:
    """One attempt: True done and verified, False somebody else's or deleted, an error to be tried again.

    Args:
        write: what to write.
        sent: gets the keys of the aliases that our own writes may have changed.
        session: to write with.
    """
    aliases = session.ports.aliases
    try:
        seen = aliases.read(write.function)
    except (NotFoundError, UnusableFlagError):
        return False
    except Exception as error:  # noqa: BLE001  an odd answer is tried again (decision 0017)
        return as_aws_error(write.function.words.verb(f"UpdateAlias {write.function}"), error)
    if seen.says(write.spec) or _drains(seen, write) or _has_ended(seen, write):
        return True
    if not _is_ours(seen, write):
        return False
    try:
        # A deleted baseline version is an error like any other: it is published at each attempt until somebody helps.
        aliases.write(write.function, write.spec, seen.revision_id)
        sent.add(write.function.key)
        found = aliases.read(write.function)
    except StaleRevisionError as error:
        return error
    except Exception as error:  # noqa: BLE001  an odd answer is tried again (decision 0017)
        sent.add(write.function.key)
        return as_aws_error(write.function.words.verb(f"UpdateAlias {write.function}"), error)
    if found.says(write.spec) or _drains(found, write):
        return True
    return UnavailableError(f"{write.function} differs from what was written")


def _has_ended(seen: AliasState, write: AliasWrite) -> bool:
    """An ally has rolled the alias back and restored its description: a record would start the canary's end again."""
    return seen.routes_like(write.spec) and not is_record(seen.description)


def _is_ours(seen: AliasState, write: AliasWrite) -> bool:
    """A rollback may only replace what this canary can have left: its two versions, and no other canary's record.

    It never raises the share of the candidate: whoever lowered it further has done more.
    """
    if seen.share_bp(write.versions[1]) < write.spec.share_bp(write.versions[1]):
        return False
    if not {seen.version, seen.extra_version} <= {*write.versions, None}:
        return False
    try:
        record = decode(seen.description)
    except RecordError:
        return False
    return record is None or record.canary_id == write.canary_id


def _each(
    writes: Sequence[AliasWrite], attempt: Callable[[AliasWrite], bool | AwsError], *, parallel: bool
) -> list[bool | AwsError]:
    if not parallel or len(writes) == 1:
        return [attempt(write) for write in writes]
    with ThreadPoolExecutor(max_workers=min(16, len(writes))) as pool:
        return list(pool.map(attempt, writes))


def whole_descriptions(state: CanaryState, session: Session) -> dict[str, str]:
    """The operators' descriptions: a record may hold only the beginning of one, and the journal has the whole."""
    texts = {function.function.key: function.description for function in state.functions}
    shortened = {function.function.key for function in state.functions if function.shortened}
    if not shortened:
        return texts
    whole: dict[str, str] = {}
    for event in session.ports.journal.events(state.canary_id):
        if isinstance(event, CanaryStarted):
            whole.update({move.function: move.description for move in event.functions if move.function in shortened})
    if missing := sorted(shortened - whole.keys()):
        session.notice(f"the journal does not have the whole description of {', '.join(missing)}")
    return texts | whole


def _whole_texts(writes: Sequence[AliasWrite], state: CanaryState, session: Session) -> tuple[AliasWrite, ...]:
    known = {function.function.key: function.description for function in state.functions}
    texts = whole_descriptions(state, session)
    return tuple(
        replace(write, spec=replace(write.spec, description=texts[write.function.key]))
        if write.spec.description == known.get(write.function.key)
        else write
        for write in writes
    )
