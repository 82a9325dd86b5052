"""Writes aliases: guarded by RevisionId, read back after each write, safe to repeat; it must not choose what to write.

What can go wrong with one `UpdateAlias`, and what is done (lambda-canary.md §9, traps 12, 15, 16, 19):

| answer | forward, annotate, restore | take back |
|---|---|---|
| lost (timeout, 5xx, throttled) | read back; there: done; unchanged: again, bounded | the same, for ever |
| 412, alias says what we want | done: it was our lost answer, or an ally | the same |
| 412, same content, new RevisionId | again with the new RevisionId | the same |
| 412, anything else | stop without writing: `StaleRevisionError` | only our two versions: again; else left alone |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from canary.core.alias import AliasSpec, AliasState
from canary.core.events import AliasWrite
from canary.core.plan import FunctionRef
from canary.core.record import decode
from canary.core.recover import is_draining
from canary.errors import AwsError, NotFoundError, RecordError, RefusedError, StaleRevisionError, UnavailableError
from canary.runner.retrying import ATTEMPTS, Retrying


def read_all(functions: Sequence[FunctionRef], retrying: Retrying) -> dict[str, AliasState]:
    """What every alias says, by function key."""
    traffic = retrying.teller.ports.aliases

    def read(function: FunctionRef) -> AliasState:
        return retrying.call(f"GetAlias {function}", lambda: traffic.read(function))

    return {function.key: read(function) for function in functions}


def refuse_strangers(functions: Sequence[FunctionRef], versions: Mapping[str, str]) -> None:
    """A version for a function that the stage doesn't have is a slip: the one that was meant would get another.

    Raises:
        RefusedError: names the stranger and what the stage has.
    """
    keys = [function.key for function in functions]
    if strangers := sorted(versions.keys() - {"", *keys}):
        raise RefusedError(
            f"no function {', '.join(strangers)} in this stage; it has {', '.join(keys)}",
            hint="As in --version api:live=7",
        )


def write_in_order(writes: Sequence[AliasWrite], seen: dict[str, AliasState], retrying: Retrying) -> None:
    """Makes each alias say its spec, one after the other; `seen` is brought up to date.

    Raises:
        StaleRevisionError: an alias says something else than `seen` and the spec; it was not written.
        UnavailableError: no answer within the attempts; written or not is found out at the next tick.
        AwsError: AWS refused.
    """
    for write in writes:
        key = write.function.key
        seen[key] = _write(write, seen[key], retrying)


def roll_back(writes: Sequence[AliasWrite], retrying: Retrying) -> tuple[str, ...]:
    """Makes every alias say its spec, all at once, and doesn't come back before each has been read back.

    No alias waits for another one's trouble: each round tries all that are left, then waits once.

    Returns:
        Keys of aliases that name other versions by now, or are gone: they are somebody else's and were left alone.
    """
    ports = retrying.teller.ports
    left = list(writes)
    foreign: list[str] = []
    attempt = 0
    while left:
        attempt += 1
        results = _each(left, lambda write: _roll_back_once(write, retrying), parallel=ports.in_parallel)
        failed = [(write, result) for write, result in zip(left, results, strict=True) if isinstance(result, AwsError)]
        foreign += [write.function.key for write, result in zip(left, results, strict=True) if result is False]
        left = [write for write, _ in failed]
        if failed:
            write, error = failed[0]
            retrying.wait(f"UpdateAlias {write.function} (take back)", attempt, error)
    return tuple(foreign)


def write_spec(function: FunctionRef, spec: AliasSpec, seen: AliasState, retrying: Retrying) -> AliasState:
    """Makes one alias say its spec outside of any canary, with the same care."""
    return _write(AliasWrite(function, spec, (seen.version, spec.version), ""), seen, retrying)


def _write(write: AliasWrite, seen: AliasState, retrying: Retrying) -> AliasState:
    traffic = retrying.teller.ports.aliases
    action = f"UpdateAlias {write.function}"
    for attempt in range(1, ATTEMPTS + 1):
        if seen.says(write.spec):
            return seen
        lost: AwsError | None = None
        try:
            traffic.write(write.function, write.spec, seen.revision_id)
        except UnavailableError as error:
            lost = error
        except StaleRevisionError:
            pass  # somebody wrote, perhaps we: reading tells
        found = retrying.call(f"GetAlias {write.function}", lambda: traffic.read(write.function))
        if found.says(write.spec) or _drains(found, write):
            return found
        if not found.same_content(seen):
            raise StaleRevisionError(f"{write.function} was changed by somebody else; nothing was written")
        seen = found
        if lost is not None and attempt < ATTEMPTS:
            retrying.wait(action, attempt, lost)
    raise UnavailableError(f"{action} didn't take effect in {ATTEMPTS} attempts")


def _drains(found: AliasState, write: AliasWrite) -> bool:
    """Our write took, and AWS put draining weights of its own beside it (provisioned concurrency, trap 13)."""
    if found.description != write.spec.description:
        return False
    record = decode(found.description)
    return record is not None and is_draining(found, record)


def _roll_back_once(write: AliasWrite, retrying: Retrying) -> bool | AwsError:
    """One attempt: True done and read back, False somebody else's or gone, an error to be tried again."""
    traffic = retrying.teller.ports.aliases
    try:
        seen = traffic.read(write.function)
    except NotFoundError:
        return False
    except AwsError as error:
        return error
    if seen.says(write.spec) or _drains(seen, write):
        return True
    if not _is_ours(seen, write):
        return False
    try:
        # A base version that was deleted is an error like any other: it is told at each attempt until somebody helps.
        traffic.write(write.function, write.spec, seen.revision_id)
        found = traffic.read(write.function)
    except AwsError as error:
        return error
    if found.says(write.spec) or _drains(found, write):
        return True
    return UnavailableError(f"{write.function} doesn't read back as written")


def _is_ours(seen: AliasState, write: AliasWrite) -> bool:
    """A take-back may only replace what this canary can have left: its two versions, and no other canary's record."""
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
