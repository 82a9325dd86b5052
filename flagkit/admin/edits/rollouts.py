"""A guarded rollout of a flag: who gets it by its percentage, and the record of the rollout in the same document.

The record is kept in a flag of flagkit's own (`ROLLOUTS_FLAG`), off and with one attribute a rollout, so that one save
changes both and no reader, list or generated code sees it. What a record says is for the engine that writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pydantic import JsonValue

from flagkit.admin.edits.state import switch_on
from flagkit.admin.edits.targeting import rollout
from flagkit.admin.entries import Entry, entries_of, with_entries
from flagkit.admin.rollouts import read_record
from flagkit.authoring import FlagSource
from flagkit.authoring.editor import readable
from flagkit.authoring.ranges import STEPS
from flagkit.core.definitions import ROLLOUTS_FLAG
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError, UnknownFlagError

_USER: Final = "userId"
_DECLARED: Final[dict[str, JsonValue]] = {
    "name": "Guarded rollouts",
    "description": "Rollouts of flags that are under way. Kept by flagkit; it is off for everybody.",
}


def rollout_records(document: FlagDocument) -> dict[str, str]:
    """Return the records of all rollouts that are under way, by flag."""
    value = document.values.get(ROLLOUTS_FLAG)
    attributes = {} if value is None else value.attributes
    return {key: record for key, record in attributes.items() if isinstance(record, str) and record}


def rollout_record(document: FlagDocument, key: str) -> str | None:
    """Return the record of the flag's rollout; None where none is under way."""
    return rollout_records(document).get(key)


def rollouts_under_way(document: FlagDocument) -> tuple[str, ...]:
    """Return the flags that have a record."""
    value = document.values.get(ROLLOUTS_FLAG)
    return () if value is None else tuple(sorted(key for key in value.attributes if rollout_record(document, key)))


def changed_rollouts(before: FlagDocument, after: FlagDocument) -> tuple[str, ...]:
    """Return the flags whose record differs: a rollout of theirs began, went on or ended."""
    keys = {*rollouts_under_way(before), *rollouts_under_way(after)}
    return tuple(sorted(key for key in keys if rollout_record(before, key) != rollout_record(after, key)))


def conflicts(before: FlagDocument, after: FlagDocument) -> dict[str, str]:
    """Return which rollouts under way a change by hand stops or spoils, and what happens then, in sentences by flag.

    canary stops where it finds another percentage than it set, the flag switched off, or no percentage at all. Another
    seed, condition or schedule moves users between the arms, which it doesn't see. Names, descriptions and users who
    are targeted by name are no conflict.
    """
    found = {}
    for key in rollouts_under_way(before):
        share, then = shared(before, key), shared(after, key)
        if share is None or share == then:
            continue
        under_way = f"{key} is in a guarded rollout: {read_record(rollout_record(before, key) or '').to_text()}."
        if then is not None and (share.variant, share.percent) == (then.variant, then.percent):
            found[key] = (
                f"{under_way} This change moves users between those with it and those without it while they are "
                "compared: canary goes on, and counts each user where the first exposure was."
            )
        else:
            found[key] = (
                f"{under_way} With this change canary stops: it neither raises nor lowers the percentage any more, and "
                "the flag stays as it was changed. `canary rollback STAGE` ends a rollout."
            )
    return found


@dataclass(frozen=True, slots=True)
class Share:
    """Who gets a flag by its one percentage of users.

    Attributes:
        among: what else decides about whom and when: seeds, conditions, prerequisites, a schedule.
    """

    variant: str
    percent: Decimal
    among: tuple[object, ...] = ()


def shared(document: FlagDocument, key: str) -> Share | None:
    """Return the share that a guarded rollout finds; None where there is no flag, or no one percentage of users."""
    try:
        flag = readable(document, key)
        variant = flag.variants[0].name if flag.variants else "on"
        among = (flag.seed or key, flag.percent_seed, flag.among, flag.where, flag.requires, flag.holdout, flag.layer)
        times = (flag.starts, flag.ends)
        return Share(variant, exposed_percent(document, key, variant), (*among, *times))
    except (EditError, UnknownFlagError):
        return None


def put_rollout(document: FlagDocument, key: str, record: str | None) -> FlagDocument:
    """Write the record of the flag's rollout, or remove it where None.

    Raises:
        DocumentError: the document gets larger than AWS takes.
    """
    value = document.values.get(ROLLOUTS_FLAG)
    records = {name: text for name, text in ({} if value is None else value.attributes).items() if name != key}
    if record:
        records[key] = record
    entry: Entry | None = None
    if records:
        declared: dict[str, JsonValue] = {name: {"constraints": {"type": "string"}} for name in sorted(records)}
        entry = ({**_DECLARED, "attributes": declared}, {"enabled": False, **records})
    present = entries_of(document, {ROLLOUTS_FLAG}).get(ROLLOUTS_FLAG)
    return document if entry == present else with_entries(document, {ROLLOUTS_FLAG: entry})


def exposed_percent(document: FlagDocument, key: str, variant: str = "on") -> Decimal:
    """Return the share of the users that gets the variant by the flag's percentage, 0 to 100; 0 while it is off.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: no percentage of users says who gets the variant.
    """
    flag = readable(document, key)
    steps = _steps(flag, key, variant)
    return Decimal(0) if flag.is_off else Decimal(steps) * 100 / STEPS


def expose(document: FlagDocument, key: str, percent: Decimal, variant: str = "on") -> FlagDocument:
    """Give the variant to this share of the users; above 0 %, a flag that is off is switched on.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: no percentage of users says who gets the variant.
    """
    if percent == exposed_percent(document, key, variant):
        return document
    changed = rollout(document, key, percent)
    return switch_on(changed, key) if percent and readable(changed, key).is_off else changed


def _steps(flag: FlagSource, key: str, variant: str) -> int:
    """Return the share in steps of 0.0001 %."""
    if flag.by != _USER:
        raise EditError(
            f"{key} splits by {flag.by}, and a guarded rollout counts users",
            hint=f"Bucket it by users first: `flagkit rollout {key} 0 --by {_USER}`. That reassigns all users.",
        )
    if flag.ramp:
        raise EditError(
            f"the percentage of {key} grows by itself", hint=f"End its ramp first: `flagkit rollout {key} 0`."
        )
    if not flag.variants:
        if variant != "on":
            raise EditError(f"{key} has no variant {variant}", hint='Its only variant is "on".')
        return flag.percent if flag.percent is not None else STEPS if not flag.is_targeted else 0
    return _steps_of_variant(flag, key, variant)


def _steps_of_variant(flag: FlagSource, key: str, variant: str) -> int:
    names = [found.name for found in flag.variants]
    if variant not in names[:-1]:
        known = ", ".join(names[:-1])
        raise EditError(f"{key} has no variant {variant} that could be rolled out", hint=f"It has {known}.")
    first, *others = flag.variants
    if len(others) != 1 or first.rule is not None or first.rules or first.ranges is not None:
        raise EditError(
            f"{key} shares its users out among {', '.join(names)} by more than one percentage",
            hint="A guarded rollout raises the percentage of one variant; `canary analyze` compares several.",
        )
    return first.weight if first.weight is not None else STEPS if first.is_plain else 0
