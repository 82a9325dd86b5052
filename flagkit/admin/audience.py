"""For whom an edit changes something, in sentences for people. Pure, exact where percentages decide, honest elsewhere.

Only shares are computed: who is in a segment, a country or a schedule isn't known here, and the sentence says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from flagkit.admin.where import say_where
from flagkit.authoring import FlagSource, VariantSource, flag_movement, show_percent
from flagkit.authoring.ranges import STEPS
from flagkit.core.documents import FlagDocument

State: TypeAlias = "tuple[FlagSource | None, bool]"
"""A flag and whether a guard switches it off."""

_SHOWN = 3
_UNKNOWN = "how many users that concerns can't be computed from percentages; try it on a list of users"


@dataclass(frozen=True, slots=True)
class _Reach:
    """Who gets one thing: a share of those for whom conditions hold, and who is listed.

    Attributes:
        steps: the share in steps of 0.0001 %; None where a ramp or rule decides.
        draw: what the share is drawn with.
        conditions: what else must hold, in words.
    """

    steps: int | None
    draw: tuple[str | None, str]
    conditions: tuple[str, ...]
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def lists(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (("user", self.users), ("group", self.groups), ("segment", self.segments))

    @property
    def is_nobody(self) -> bool:
        return self.steps == 0 and not (self.users or self.groups or self.segments)

    @property
    def is_everybody(self) -> bool:
        return self.steps == STEPS and not self.conditions


def audience(before: State, after: State, documents: tuple[FlagDocument, FlagDocument], key: str) -> tuple[str, ...]:
    """Return for whom a flag's answer changes, in sentences; empty if only words for people changed.

    Args:
        before: the flag as it was.
        after: the flag as it will be.
        documents: both documents, for the ranges of variants.
        key: the flag.
    """
    old, new = before[0], after[0]
    if new is None:
        return (f"it was for {who(before)}; from now on the code's default is served",)
    if old is None:
        return (f"for {who(after)}",)
    if _serving(old) == _serving(new) and before[1] == after[1]:
        return ()
    if before[1] != after[1] or _is_off(before) != _is_off(after):
        return (f"{who(before)} → {who(after)}",)
    if _is_off(after):
        return ("nobody notices: it is off",)
    one, two = _single(old), _single(new)
    if one is not None and two is not None:
        sentences = tuple(_compared(one, two))
        return sentences or ("who gets it stays the same",)
    return tuple(_variants(old, new, documents, key))


def who(state: State) -> str:
    """Return who gets a flag, e.g. `25 % of users and 1 user by name`."""
    flag, off = state
    if flag is None:
        return "nobody"
    if off or _is_off(state):
        return "nobody (off)"
    reach = _single(flag)
    if reach is not None:
        return _reach_text(reach)
    parts: list[str] = []
    for variant in flag.variants[:-1]:
        share = _weight(variant)
        shown = f"{show_percent(share)} %" if share is not None else "by rule" if variant.rule else "by list"
        parts.append(f"{variant.name} {shown}")
    parts.append(f"{flag.variants[-1].name} the rest")
    conditions = _conditions(flag)
    taking_part = f" of {show_percent(flag.percent)} % who take part" if flag.percent is not None else ""
    return ", ".join(parts) + taking_part + _when(conditions)


def _is_off(state: State) -> bool:
    flag, off = state
    if flag is None or off:
        return True
    if flag.variants:
        return not any(variant.enabled for variant in flag.variants)
    reach = _single(flag)
    return reach is not None and reach.is_nobody


def _serving(flag: FlagSource) -> FlagSource:
    return flag.model_copy(update={"name": None, "description": None, "deprecated": None, "attributes": {}})


def _single(flag: FlagSource) -> _Reach | None:
    """Return who a flag is on for, if there is only on and off."""
    conditions = _conditions(flag)
    draw = (flag.seed, flag.by)
    if not flag.variants:
        if not flag.is_targeted or flag.enabled is False:
            return _Reach(STEPS if flag.enabled else 0, draw, ())
        steps = flag.percent
        if steps is None:
            listed_only = not flag.is_empty and not flag.has_share
            steps = None if flag.ramp else 0 if listed_only else STEPS
        return _Reach(steps, draw, conditions, flag.users, flag.groups, flag.segments)
    if len(flag.variants) != 2:
        return None
    on, off = flag.variants
    if off.enabled or not on.enabled or on.rule is not None or flag.percent is not None:
        return None
    steps = _weight(on)
    if steps is None:
        steps = STEPS if on.is_empty else 0
    return _Reach(steps, draw, conditions, on.users, on.groups, on.segments)


def _weight(variant: VariantSource) -> int | None:
    if variant.ranges is not None:
        return sum(span.size for span in variant.ranges)
    return variant.weight


def _conditions(flag: FlagSource) -> tuple[str, ...]:
    found: list[str] = []
    if flag.requires:
        found.append(f"{', '.join(flag.requires)} on")
    if flag.starts is not None:
        found.append(f"from {flag.starts:%Y-%m-%d %H:%M} UTC")
    if flag.ends is not None:
        found.append(f"until {flag.ends:%Y-%m-%d %H:%M} UTC")
    if flag.among:
        found.append(f"in segment {' or '.join(flag.among)}")
    if flag.where is not None:
        found.append(f"where {say_where(flag.where)}")
    if flag.holdout is not None:
        found.append(f"outside holdout {flag.holdout}")
    if flag.layer is not None:
        found.append(f"in their part of layer {flag.layer.name}")
    if flag.ramp:
        steps = ", ".join(f"{show_percent(step.percent)} % from {step.at:%Y-%m-%d %H:%M} UTC" for step in flag.ramp)
        found.append(f"by ramp: {steps}")
    return tuple(found)


def _reach_text(reach: _Reach) -> str:
    parts: list[str] = []
    if reach.steps is None:
        parts.append("a growing share of users")
    elif reach.steps == STEPS:
        parts.append("everybody")
    elif reach.steps:
        parts.append(f"{show_percent(reach.steps)} % of users")
    if parts:
        parts[0] += _when(reach.conditions)
    for name, values in reach.lists:
        if values:
            parts.append(_named(name, values))
    return " and ".join(parts) or "nobody"


def _when(conditions: Sequence[str]) -> str:
    return f" ({'; '.join(conditions)})" if conditions else ""


def _named(kind: str, values: Sequence[str]) -> str:
    if len(values) <= _SHOWN:
        return f"{kind} {', '.join(values)}"
    return f"{len(values)} {kind}s by name"


def _compared(old: _Reach, new: _Reach) -> Iterator[str]:
    yield from _shares(old, new)
    for (kind, before), (_, after) in zip(old.lists, new.lists, strict=True):
        added = [value for value in after if value not in before]
        removed = [value for value in before if value not in after]
        if added:
            yield f"{_named(kind, added)} {'is' if len(added) == 1 else 'are'} added"
        if removed:
            yield f"{_named(kind, removed)} {'is' if len(removed) == 1 else 'are'} removed from the list"


def _shares(old: _Reach, new: _Reach) -> Iterator[str]:
    if (old.steps, old.conditions) == (new.steps, new.conditions) and (old.draw == new.draw or old.steps in {0, STEPS}):
        return
    if old.steps is None or new.steps is None:
        yield f"{_reach_text(old)} → {_reach_text(new)}; {_UNKNOWN}"
    elif old.conditions == new.conditions:
        yield _resized(old, new)
    elif old.steps == 0 or new.is_everybody:
        yield f"{_reach_text(old)} → {_reach_text(new)}; nobody is removed"
    elif new.steps == 0 or old.is_everybody:
        yield f"{_reach_text(old)} → {_reach_text(new)}; nobody is added"
    else:
        yield f"{_reach_text(old)} → {_reach_text(new)}; {_UNKNOWN}"


def _resized(old: _Reach, new: _Reach) -> str:
    assert old.steps is not None
    assert new.steps is not None
    start = f"{show_percent(old.steps)} % → {show_percent(new.steps)} %"
    among = " of users" + (f" ({'; '.join(new.conditions)})" if new.conditions else "")
    if old.draw != new.draw and old.steps not in {0, STEPS} and new.steps not in {0, STEPS}:
        both = Fraction(old.steps * new.steps, STEPS)
        added, removed = (_percent(Fraction(steps) - both) for steps in (new.steps, old.steps))
        return f"{start} reshuffles everyone: about {added} %{among} are added, about {removed} % are removed"
    change = abs(new.steps - old.steps)
    if new.steps > old.steps:
        return f"{start}: about {show_percent(change)} %{among} are added, nobody is removed"
    return f"{start}: about {show_percent(change)} %{among} are removed, nobody is added"


def _variants(
    old: FlagSource, new: FlagSource, documents: tuple[FlagDocument, FlagDocument], key: str
) -> Iterator[str]:
    first, second = (STEPS if flag.percent is None else flag.percent for flag in (old, new))
    if old.variants and new.variants and first != second:
        yield _participation(first, second)
    movement = flag_movement(documents[0], documents[1], key)
    default = new.variants[-1].name if new.variants else "off"
    if movement is None:
        yield f"its variants are drawn in several ways; {_UNKNOWN}"
    elif movement.moves:
        about = "" if movement.is_exact else "about "
        if (old.seed, old.by) != (new.seed, new.by):
            yield f"reshuffles everyone: about {movement.percent} % of users get another variant"
        moves = [
            f"{about}{move.percent} % of users move from {move.source or default} to {move.target or default}"
            for move in movement.moves
        ]
        yield "; ".join([*moves, "nobody else moves"] if movement.is_exact else moves)
    if _rest(old) != _rest(new):
        yield f"conditions, lists or rules change: {_UNKNOWN}"
    if _values(old, new):
        yield "everybody who gets a changed variant gets its new values"


def _participation(first: int, second: int) -> str:
    word, other = ("join", "leaves") if second > first else ("leave", "joins")
    change = show_percent(abs(second - first))
    start = f"those who take part: {show_percent(first)} % → {show_percent(second)} %"
    return f"{start}: about {change} % of users {word}, nobody {other}"


def _rest(flag: FlagSource) -> tuple[object, ...]:
    lists = tuple(
        (variant.name, variant.users, variant.groups, variant.segments, variant.rule)
        for variant in flag.variants
        if variant.rule is not None or not variant.is_empty
    )
    return _conditions(flag), lists


def _values(old: FlagSource, new: FlagSource) -> bool:
    """Tell whether a variant that stays answers differently."""
    before = {variant.name: (variant.enabled, variant.values) for variant in old.variants}
    return any(
        before.get(each.name, (each.enabled, each.values)) != (each.enabled, each.values) for each in new.variants
    )


def _percent(steps: Fraction) -> Decimal:
    return show_percent(round(steps))
