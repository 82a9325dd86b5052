"""Who gets a flag, whether it is on, and for whom an edit changes something: models first, sentences from them. Pure.

Only shares are computed: who is in a segment or a country isn't known here, and the sentence says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias

from flagkit.admin.rule_effects import is_ruled, rule_changes
from flagkit.authoring.conditions import OFF, ON, read_required
from flagkit.authoring.language import show_rule, show_rules, show_where
from flagkit.authoring.ranges import STEPS, show_percent

if TYPE_CHECKING:
    from flagkit.authoring import FlagSource, VariantSource
    from flagkit.authoring.reading import ShownFlag, ShownVariant
    from flagkit.core.documents import FlagDocument

State: TypeAlias = Literal["off", "on", "partial", "scheduled", "ended"]

_SHOWN = 3
_UNKNOWN = "How many users this affects can't be computed from percentages; try it on a list of users."


@dataclass(frozen=True, slots=True)
class FlagStatus:
    """Whether a flag is on, and who gets it. The two are independent.

    Attributes:
        state: `off`: switched off. `scheduled`: on, but not open yet. `ended`: on, but not open any more. `on`: all
            users get it, or a variant of it that is on. `partial`: on for a part of the users.
        audience: who gets it while it is on, e.g. `25 % of users and user 42`.
        percent: the share of the users in percent, if one number says it.
        opens: from when on it is open, if a schedule says so.
        closes: until when it is open, if a schedule says so.
    """

    state: State
    audience: str
    percent: Decimal | None = None
    opens: dt.datetime | None = None
    closes: dt.datetime | None = None

    def to_text(self) -> str:
        """Return the state in a word, or as the percentage of a flag that is partly on."""
        return f"{self.percent} %" if self.state == "partial" and self.percent is not None else self.state


@dataclass(frozen=True, slots=True)
class _Reach:
    """Who gets one thing: a share of those for whom conditions hold, and who is listed.

    Attributes:
        steps: the share in steps of 0.0001 %; None where a ramp or rule decides.
        bucketing: seed and context key that users are bucketed by.
        conditions: what else must hold, in words.
    """

    steps: int | None
    bucketing: tuple[str | None, str]
    conditions: tuple[str, ...]
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def lists(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (("user", self.users), ("group", self.groups), ("segment", self.segments))

    @property
    def is_everybody(self) -> bool:
        return self.steps == STEPS and not self.conditions


def statuses(document: FlagDocument, *, now: dt.datetime) -> dict[str, FlagStatus]:
    """Return state and audience of every flag of a document, by key."""
    from flagkit.authoring import decompile

    return {key: status_of(flag, now=now) for key, flag in decompile(document).flags.items()}


def status_of(flag: FlagSource | ShownFlag, *, now: dt.datetime) -> FlagStatus:
    """Return state and audience of a flag."""
    reach = _single(flag)
    steps = flag.percent if reach is None else reach.steps
    state: State = "on" if _is_for_all(flag, reach) else "partial"
    if flag.is_off:
        state = "off"
    elif flag.starts is not None and now < flag.starts:
        state = "scheduled"
    elif flag.ends is not None and flag.ends <= now:
        state = "ended"
    percent = None if steps is None else show_percent(steps)
    return FlagStatus(state, audience_of(flag), percent, flag.starts, flag.ends)


def audience_of(flag: FlagSource | ShownFlag) -> str:
    """Return who gets a flag while it is on, e.g. `25 % of users and user 42`."""
    reach = _single(flag)
    if reach is not None:
        return _reach_text(reach, _window(flag))
    parts: list[str] = []
    for variant in flag.variants[:-1]:
        share = _weight(variant)
        lists = [show_names(kind, values) for kind, values in _lists(variant) if values]
        if variant.rules:
            lists.insert(0, show_rules(variant.rules))
        if variant.rule:
            parts.append(f"{variant.name} for {show_rule(variant.rule)}")
        elif share is not None:
            parts.append(f"{variant.name} {' and '.join([f'{show_percent(share)} %', *lists])}")
        else:
            parts.append(f"{variant.name} for {' and '.join(lists) or 'the rest'}")
    conditions = [*_window(flag), *_conditions(flag)]
    if conditions or flag.percent is not None or sum(_weight(variant) or 0 for variant in flag.variants[:-1]) < STEPS:
        parts.append(f"{flag.variants[-1].name} for the rest")
    taking_part = f"{show_percent(flag.percent)} % of users, split into " if flag.percent is not None else ""
    return taking_part + ", ".join(parts) + _when(conditions)


def effects(
    before: FlagSource | None,
    after: FlagSource | None,
    documents: tuple[FlagDocument, FlagDocument],
    key: str,
    *,
    now: dt.datetime | None = None,
) -> tuple[str, ...]:
    """Return for whom a flag's answer changes, in sentences; empty if only texts for people changed.

    Args:
        before: the flag as it was; None for a new one.
        after: the flag as it will be; None for a deleted one.
        documents: both documents, for the ranges of variants.
        key: the flag.
        now: the present, to say who loses or gets the flag now by its schedule.
    """
    if after is None:
        lost = before is not None and not before.is_off
        who = _with_verb(before, "lose it") if lost and before is not None else "The flag is off."
        return (f"{who} Code that asks for it gets its own default.",)
    if before is None:
        return ("The flag is off." if after.is_off else _with_verb(after, "get it"),)
    if _served(before) == _served(after):
        return ()
    if before.is_off and after.is_off:
        return ("No effect while the flag is off.",)
    if after.is_off:
        return (_with_verb(before, "lose it"),)
    if before.is_off:
        return (_with_verb(after, "get it"),)
    return tuple(_changed(before, after, documents, key, now)) or ("The same users get it.",)


def _changed(
    old: FlagSource, new: FlagSource, documents: tuple[FlagDocument, FlagDocument], key: str, now: dt.datetime | None
) -> Iterator[str]:
    if (old.starts, old.ends) != (new.starts, new.ends):
        yield _rescheduled(old, new, now)
    one, two = _single(old), _single(new)
    if one is not None and two is not None:
        yield from _shares(one, two)
        yield from _listed(one, two)
    else:
        yield from _variants(old, new, documents, key)
    yield from _values(old, new)


def _with_verb(flag: FlagSource, verb: str) -> str:
    who = audience_of(flag)
    return _sentence(f"{who} {verb}") if _single(flag) is not None else f"Users {verb}: {who}."


def _is_for_all(flag: FlagSource | ShownFlag, reach: _Reach | None) -> bool:
    if reach is not None:
        return reach.is_everybody
    *ruled, default = flag.variants
    if default.enabled:
        return all(variant.enabled for variant in ruled)
    total = sum(_weight(variant) or 0 for variant in ruled if variant.enabled)
    limited = bool(_conditions(flag)) or flag.percent not in {None, STEPS}
    return total == STEPS and not limited and all(variant.enabled for variant in ruled)


def _served(flag: FlagSource) -> FlagSource:
    texts: dict[str, object] = {"name": None, "description": None, "attributes": {}}
    texts |= {"owner": None, "tags": (), "kind": None, "remove_by": None, "archived": False, "client_visible": False}
    return flag.model_copy(update={**texts, "enabled": not flag.is_off})


def _single(flag: FlagSource | ShownFlag) -> _Reach | None:
    """Return who a flag is for, if there is only on and off."""
    conditions = _conditions(flag)
    bucketing = (flag.seed, flag.by)
    if not flag.variants:
        if not flag.is_targeted:
            return _Reach(STEPS, bucketing, ())
        steps = flag.percent
        if steps is None:
            listed_only = not flag.is_empty and not flag.has_share
            steps = None if flag.ramp else 0 if listed_only else STEPS
        return _Reach(steps, bucketing, conditions, flag.users, flag.groups, flag.segments)
    if len(flag.variants) != 2:
        return None
    on, off = flag.variants
    if off.enabled or not on.enabled or is_ruled(on) or flag.percent is not None:
        return None
    steps = _weight(on)
    if steps is None:
        steps = STEPS if on.is_empty else 0
    return _Reach(steps, bucketing, conditions, on.users, on.groups, on.segments)


def _weight(variant: VariantSource | ShownVariant) -> int | None:
    if variant.ranges is not None:
        return sum(span.size for span in variant.ranges)
    return variant.weight


def _lists(variant: VariantSource | ShownVariant) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("user", variant.users), ("group", variant.groups), ("segment", variant.segments))


def _window(flag: FlagSource | ShownFlag) -> tuple[str, ...]:
    found = [] if flag.starts is None else [f"from {_at(flag.starts)}"]
    return (*found, f"until {_at(flag.ends)}") if flag.ends is not None else tuple(found)


def _conditions(flag: FlagSource | ShownFlag) -> tuple[str, ...]:
    found: list[str] = []
    for key, answer in map(read_required, flag.requires):
        found.append(f"{key} {answer or ON}" if answer in {None, OFF} else f"{key} = {answer}")
    if flag.among:
        found.append(f"in segment {' or '.join(flag.among)}")
    if flag.where is not None:
        found.append(f"where {show_where(flag.where)}")
    if flag.holdout is not None:
        found.append(f"outside holdout {flag.holdout}")
    if flag.layer is not None:
        found.append(f"in their part of layer {flag.layer.name}")
    if flag.ramp:
        steps = ", ".join(f"{show_percent(step.percent)} % from {_at(step.at)}" for step in flag.ramp)
        found.append(f"by ramp: {steps}")
    return tuple(found)


def _at(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _reach_text(reach: _Reach, window: tuple[str, ...] = ()) -> str:
    parts: list[str] = []
    listed = [show_names(kind, values) for kind, values in reach.lists if values]
    if reach.steps is None:
        parts.append("a growing share of users")
    elif reach.steps == STEPS:
        parts.append("all users")
    elif reach.steps or not listed:
        parts.append(f"{show_percent(reach.steps)} % of users")
    if parts:
        parts[0] += _when([*window, *reach.conditions])
        window = ()
    return " and ".join([*parts, *listed]) + _when(window)


def _when(conditions: Sequence[str]) -> str:
    return f" ({'; '.join(conditions)})" if conditions else ""


def show_names(kind: str, values: Sequence[str]) -> str:
    """Return `user 42`, `groups qa, beta` or `7 users by name`."""
    if len(values) > _SHOWN:
        return f"{len(values)} {kind}s by name"
    return f"{kind if len(values) == 1 else f'{kind}s'} {', '.join(values)}"


def _listed(old: _Reach, new: _Reach) -> Iterator[str]:
    for (kind, before), (_, after) in zip(old.lists, new.lists, strict=True):
        added = [value for value in after if value not in before]
        removed = [value for value in before if value not in after]
        if added:
            yield _sentence(f"{show_names(kind, added)} now {'gets' if len(added) == 1 else 'get'} it")
        if removed:
            yield _sentence(
                f"{show_names(kind, removed)} no longer {'gets' if len(removed) == 1 else 'get'} it by name"
            )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _shares(old: _Reach, new: _Reach) -> Iterator[str]:
    same_buckets = old.bucketing == new.bucketing or old.steps in {0, STEPS}
    if (old.steps, old.conditions) == (new.steps, new.conditions) and same_buckets:
        return
    shares = [replace(reach, users=(), groups=(), segments=()) for reach in (old, new)]
    change = " → ".join(_reach_text(reach) for reach in shares)
    before, after = set(old.conditions), set(new.conditions)
    if old.steps is None or new.steps is None:
        yield f"{_sentence(change)} {_UNKNOWN}"
    elif old.conditions == new.conditions:
        yield _resized(old, new)
    elif old.steps == 0 or new.is_everybody or (same_buckets and old.steps <= new.steps and before >= after):
        yield _sentence(f"{change}: no user loses it")
    elif new.steps == 0 or old.is_everybody or (same_buckets and old.steps >= new.steps and before <= after):
        yield _sentence(f"{change}: no other user gets it")
    else:
        yield f"{_sentence(change)} {_UNKNOWN}"


def _resized(old: _Reach, new: _Reach) -> str:
    assert old.steps is not None
    assert new.steps is not None
    start = f"{show_percent(old.steps)} % → {show_percent(new.steps)} %"
    among = " of users" + (f" ({'; '.join(new.conditions)})" if new.conditions else "")
    if old.bucketing != new.bucketing and old.steps not in {0, STEPS} and new.steps not in {0, STEPS}:
        both = Fraction(old.steps * new.steps, STEPS)
        added, removed = (_percent(Fraction(steps) - both) for steps in (new.steps, old.steps))
        return f"{start}, and all users are reassigned: about {added} %{among} now get it, about {removed} % lose it."
    change = abs(new.steps - old.steps)
    if new.steps > old.steps:
        return f"{start}: about {show_percent(change)} %{among} now get it, none lose it."
    return f"{start}: about {show_percent(change)} %{among} lose it, none get it."


def _rescheduled(old: FlagSource, new: FlagSource, now: dt.datetime | None) -> str:
    window = " ".join(_window(new))
    if now is None:
        return f"Open {window}." if window else "Always open."
    was_open, is_open = _is_open(old, now), _is_open(new, now)
    bare = _sentence(audience_of(new.model_copy(update={"starts": None, "ends": None})))[:-1]
    if was_open and not is_open and new.starts is not None and now < new.starts:
        return f"{bare} lose it until {_at(new.starts)}."
    if not was_open and is_open:
        return f"{bare} get it now" + (f", until {_at(new.ends)}." if new.ends is not None else ".")
    if is_open and new.ends is not None:
        return f"{bare} lose it at {_at(new.ends)}."
    return f"Open {window}." if window else "Always open."


def _is_open(flag: FlagSource, now: dt.datetime) -> bool:
    return (flag.starts is None or flag.starts <= now) and (flag.ends is None or now < flag.ends)


def _variants(
    old: FlagSource, new: FlagSource, documents: tuple[FlagDocument, FlagDocument], key: str
) -> Iterator[str]:
    first, second = (STEPS if flag.percent is None else flag.percent for flag in (old, new))
    if old.variants and new.variants and first != second:
        yield _participation(first, second)
    from flagkit.authoring import flag_movement

    movement = flag_movement(documents[0], documents[1], key)
    default = new.variants[-1].name if new.variants else "off"
    if movement is None:
        yield f"Its variants use several bucketing seeds. {_UNKNOWN}"
    elif movement.moves:
        about = "" if movement.is_exact else "about "
        keeps = new.percent_seed == (old.seed or key)  # who takes part is as before
        if not keeps and (old.seed, old.by) != (new.seed, new.by):
            yield f"All users are reassigned: about {movement.percent} % of users get another variant."
        for move in movement.moves:
            share = f"{about}{move.percent} % of users move from {move.source or default} to {move.target or default}"
            yield _sentence(share)
        if movement.is_exact:
            yield "No other user moves."
    yield from _retargeted(old, new)
    yield from rule_changes(old, new, limits_changed=_conditions(old) != _conditions(new), unknown=_UNKNOWN)


def _participation(first: int, second: int) -> str:
    verb = "join, none leave" if second > first else "leave, none join"
    change = show_percent(abs(second - first))
    start = f"Users who take part: {show_percent(first)} % → {show_percent(second)} %"
    return f"{start}: about {change} % of users {verb}."


def _retargeted(old: FlagSource, new: FlagSource) -> Iterator[str]:
    """Say who gets another variant by name."""
    before = {(kind, value): it.name for it in reversed(old.variants) for kind, names in _lists(it) for value in names}
    after = {(kind, value): it.name for it in reversed(new.variants) for kind, names in _lists(it) for value in names}
    moved: dict[tuple[str, str | None], list[str]] = {}
    for kind, value in (*after, *(place for place in before if place not in after)):
        target = after.get((kind, value))
        if before.get((kind, value)) != target:
            moved.setdefault((kind, target), []).append(value)
    for (kind, target), values in moved.items():
        verb = "gets" if len(values) == 1 else "get"
        who = show_names(kind, values)
        end = f"no longer {verb} a variant by name" if target is None else f"now {verb} variant {target}"
        yield _sentence(f"{who} {end}")


def _values(old: FlagSource, new: FlagSource) -> Iterator[str]:
    """Say who gets other values from a variant, or a flag, that stays."""
    if not old.variants and not new.variants:
        if old.values != new.values:
            yield "Users who get it get the new values."
        return
    before = {variant.name: (variant.enabled, variant.values) for variant in old.variants}
    for variant in new.variants:
        enabled, values = before.get(variant.name, (variant.enabled, variant.values))
        if values != variant.values:
            yield f"Users of variant {variant.name} get the new values."
        if enabled != variant.enabled:
            yield f"Variant {variant.name} is {'on' if variant.enabled else 'off'} now."


def _percent(steps: Fraction) -> Decimal:
    return show_percent(round(steps))
