"""The native conditions that the readable form compiles to, each beside the function that recognises it again.

Trees are built and compared here, never texts. What isn't recognised is None, and stays native rule text elsewhere.

A condition that has a name (a segment, a prerequisite) ends in a split of 0 %, which is true for nobody and carries the
name as its seed: `(or (in $userId ["42"]) (split pct::0 by::$userId seed::"segment:testers"))`. So the name survives in
a document that only knows native rules, whoever edits it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from flagkit.authoring.ranges import BucketRange, read_percent, show_percent
from flagkit.core.definitions import SWITCHED_OFF
from flagkit.core.rules.ast import (
    And,
    Boolean,
    Compare,
    CompareOperator,
    Condition,
    Key,
    Membership,
    Not,
    Number,
    Or,
    Rule,
    Split,
    Text,
    Timestamp,
)
from flagkit.core.rules.parser import parse_rule
from flagkit.core.shares import REQUIRES
from flagkit.errors import EditError

# flagkit provides `$now` from its clock; the AppConfig Agent only if the caller sends it (docs/authoring.md).
NOW = Key("now")
USER = "userId"
GROUP = "group"

ON, OFF = "on", "off"
"""The variants of a flag that is targeted and has none of its own."""
# True for everybody, also for users without the context key.
OFF_RULE = Not(Split(Number(0), Key(USER), Text(SWITCHED_OFF)))


@lru_cache(maxsize=4096)
def parsed(rule: str) -> Rule:
    """Parse a native rule. Trees are immutable, so each text is parsed once.

    Raises:
        RuleError: it isn't a rule.
    """
    return parse_rule(rule)


@dataclass(frozen=True, slots=True)
class Share:
    """Ranges of the line that a seed and a context key span."""

    seed: str
    by: str
    ranges: tuple[BucketRange, ...]


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Join with `and`; a single condition stays alone."""
    return conditions[0] if len(conditions) == 1 else And(tuple(conditions))


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Join with `or`; a single condition stays alone."""
    return conditions[0] if len(conditions) == 1 else Or(tuple(conditions))


def parts_of(condition: Condition) -> tuple[Condition, ...]:
    """Return what `all_of` joined."""
    return condition.operands if isinstance(condition, And) else (condition,)


def alternatives_of(condition: Condition) -> tuple[Condition, ...]:
    """Return what `any_of` joined."""
    return condition.operands if isinstance(condition, Or) else (condition,)


def one_of(key: str, values: Iterable[str]) -> Membership:
    """Build `(in $key ["…", "…"])`."""
    return Membership(Key(key), tuple(Text(value) for value in values))


def listed(condition: Condition, key: str) -> tuple[str, ...] | None:
    """Recognise `one_of` for this key."""
    if not (isinstance(condition, Membership) and condition.value == Key(key)):
        return None
    texts = tuple(item.value for item in condition.items if isinstance(item, Text))
    return texts if texts and len(texts) == len(condition.items) else None


def named_elsewhere(lists: Sequence[Condition]) -> Condition | None:
    """Build the condition that nobody on these lists has, so that they get what the lists give them."""
    return Not(any_of(lists)) if lists else None


def named(prefix: str, name: str, alternatives: Sequence[Condition]) -> Or:
    """Give a condition a name."""
    return Or((*alternatives, Split(Number(0), Key(USER), Text(prefix + name))))


def name_of(condition: Condition, prefix: str) -> str | None:
    """Recognise a named condition and return its name."""
    if not isinstance(condition, Or):
        return None
    mark = condition.operands[-1]
    if not isinstance(mark, Split) or mark.percent.value != 0 or mark.seed is None or len(condition.operands) == 1:
        return None
    return mark.seed.value.removeprefix(prefix) if mark.seed.value.startswith(prefix) else None


def required(entry: str) -> Or:
    """Build a prerequisite whose condition isn't known yet; the compiler puts that of the other flag in its place."""
    return named(REQUIRES, entry, [Boolean(False)])


def read_required(entry: str) -> tuple[str, str | None]:
    """Return the flag that a prerequisite names, and the variant or `off`; None means that it must be on."""
    key, sign, answer = (part.strip() for part in entry.partition("="))
    return key, answer if sign and answer != ON else None


def show_required(key: str, answer: str | None) -> str:
    """Return the prerequisite that `read_required` reads: `base` or `base = blue`."""
    return key if answer in {None, ON} else f"{key} = {answer}"


def written_prerequisite(entry: str) -> str:
    """Return a prerequisite as it is kept: `base=on` is `base`, `base=blue` is `base = blue`.

    Raises:
        EditError: it names no flag, or no answer.
    """
    key, answer = read_required(entry)
    if not key or answer == "":
        raise EditError(f"{entry!r} is not of the form FLAG, FLAG = VARIANT or FLAG = off")
    return show_required(key, answer)


def replaced(condition: Condition, prerequisite: Callable[[str], Condition]) -> Condition:
    """Return a condition with something else in place of each prerequisite in it."""
    entry = name_of(condition, REQUIRES)
    if entry is not None:
        return prerequisite(entry)
    match condition:
        case Or():
            return Or(tuple(replaced(operand, prerequisite) for operand in condition.operands))
        case And():
            return And(tuple(replaced(operand, prerequisite) for operand in condition.operands))
        case Not():
            return Not(replaced(condition.operand, prerequisite))
        case _:
            return condition


def unexpanded(condition: Condition) -> Condition:
    """Return a condition with its prerequisites as names, whatever they were expanded to."""
    return replaced(condition, required)


def first_match(rule: Rule, enabled: bool, otherwise: Condition) -> Condition:
    """Build the condition "the rule is true and what it gives fits, or it is false and the rest fits"."""
    match enabled, otherwise:
        case True, Boolean(value=False):
            return rule
        case False, Boolean(value=True):
            return Not(rule)
        case True, Boolean(value=True):
            return otherwise
        case False, Boolean(value=False):
            return otherwise
        case True, _:
            return Or((rule, otherwise))
        case _:
            return all_of([Not(rule), otherwise])


def share_of(share: Share) -> Condition:
    """Build the condition "the user falls into one of these ranges", in AWS's own form for a span (appconfig.md §2.5).

    `(and (split pct::60 …) (not (split pct::50 …)))` is true from 50 % up to 60 %.
    """
    if not share.ranges:
        return Split(Number(0), Key(share.by), Text(share.seed))
    return any_of([_range(share, span) for span in share.ranges])


def read_share(condition: Condition) -> Share | None:
    """Recognise `share_of`; all splits must have the same seed and key."""
    found = [_read_range(part) for part in alternatives_of(condition)]
    first = found[0]
    if first is None:
        return None
    ranges: list[BucketRange] = []
    for share in found:
        if share is None or (share.seed, share.by) != (first.seed, first.by):
            return None
        ranges += share.ranges
    return Share(first.seed, first.by, tuple(sorted(ranges)))


def outside(share: Share) -> Condition:
    """Build the condition "the user is not held out"."""
    return Not(share_of(share))


def read_outside(condition: Condition) -> Share | None:
    """Recognise `outside`."""
    return read_share(condition.operand) if isinstance(condition, Not) else None


def since(moment: dt.datetime) -> Compare:
    """Build `(gte $now …)`: from this moment on."""
    return Compare("gte", NOW, _timestamp(moment))


def before(moment: dt.datetime) -> Compare:
    """Build `(lt $now …)`: until this moment."""
    return Compare("lt", NOW, _timestamp(moment))


def read_moment(condition: Condition, operator: CompareOperator) -> dt.datetime | None:
    """Recognise `since` ("gte") or `before` ("lt")."""
    if not (isinstance(condition, Compare) and condition.operator == operator and condition.left == NOW):
        return None
    if not isinstance(condition.right, Timestamp):
        return None
    try:
        moment = dt.datetime.fromisoformat(condition.right.text)
    except ValueError:
        return None
    return moment.astimezone(dt.UTC) if moment.tzinfo is not None and _timestamp(moment) == condition.right else None


def ramp_of(seed: str, by: str, steps: Sequence[tuple[dt.datetime, int]]) -> Condition:
    """Build a share that grows at the given moments. Later shares contain earlier ones, so the order doesn't matter."""
    return any_of(
        [And((since(at), share_of(Share(seed, by, (BucketRange(0, size),) if size else ())))) for at, size in steps]
    )


def read_ramp(condition: Condition) -> tuple[Share, tuple[tuple[dt.datetime, int], ...]] | None:
    """Recognise `ramp_of`; the share carries seed and key."""
    steps: list[tuple[dt.datetime, int]] = []
    share: Share | None = None
    for part in alternatives_of(condition):
        if not (isinstance(part, And) and len(part.operands) == 2):
            return None
        at, share = read_moment(part.operands[0], "gte"), read_share(part.operands[1])
        if at is None or share is None or len(share.ranges) > 1 or any(span.start for span in share.ranges):
            return None
        steps.append((at, share.ranges[0].end if share.ranges else 0))
    return None if share is None else (share, tuple(steps))


def _range(share: Share, span: BucketRange) -> Condition:
    # Up to 100 % the upper edge is written, too: `(not (split …))` alone is true for users without the context key.
    upper, lower = _split(share, span.end), _split(share, span.start)
    return And((upper, Not(lower))) if span.start else upper


def _split(share: Share, steps: int) -> Split:
    percent = show_percent(steps)
    value = int(percent) if percent == percent.to_integral_value() else percent
    return Split(Number(value), Key(share.by), Text(share.seed))


def _read_range(condition: Condition) -> Share | None:
    match condition:
        case Split():
            return _read_edges(None, condition)
        case And(operands=(Split() as upper, Not(operand=Split() as lower))):
            return _read_edges(lower, upper)
        case _:
            return None


def _read_edges(lower: Split | None, upper: Split) -> Share | None:
    if upper.seed is None or (lower is not None and (lower.by, lower.seed) != (upper.by, upper.seed)):
        return None
    try:
        start = 0 if lower is None else read_percent(Decimal(lower.percent.value))
        end = read_percent(Decimal(upper.percent.value))
        ranges = (BucketRange(start, end),) if end else ()
    except EditError:
        return None
    return Share(upper.seed.value, upper.by.name, ranges)


def _timestamp(moment: dt.datetime) -> Timestamp:
    text = moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat()
    return Timestamp(text + "Z")
