"""What one native flag says, part by part: gates, lists, limits and ranges. Recognises; decides nothing.

The counterpart of `compiler`: a rule is taken apart in the order in which it was put together. A part that isn't known
becomes `where`, so everything is kept; whether the parts mean the same again is for `decompiler` to prove.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from flagkit.authoring.conditions import (
    GROUP,
    USER,
    Share,
    all_of,
    alternatives_of,
    listed,
    name_of,
    named_elsewhere,
    one_of,
    parsed,
    parts_of,
    read_moment,
    read_outside,
    read_ramp,
    read_share,
)
from flagkit.core.rules.ast import Condition, Or
from flagkit.core.shares import EXPOSURE, HOLDOUT, LAYER, REQUIRES, RULE, SEGMENT

if TYPE_CHECKING:
    from flagkit.core.documents import FlagValue, Variant

Steps = tuple[tuple[dt.datetime, int], ...]


class Ruled(Protocol):
    """A variant, as one of the two readers of documents has it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def enabled(self) -> bool:
        """Whether it is on."""
        ...

    @property
    def rule(self) -> str | None:
        """Its native rule."""
        ...


RuledVariant = TypeVar("RuledVariant", bound=Ruled)


@dataclass(frozen=True, slots=True)
class Gates:
    """What holds for everybody."""

    requires: tuple[str, ...] = ()
    starts: dt.datetime | None = None
    ends: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Which users percentages are about."""

    among: tuple[str, ...] = ()
    where: Condition | None = None
    holdout: Share | None = None
    layer: Share | None = None
    exposure: Share | None = None
    ramp: tuple[Share, Steps] | None = None

    @property
    def has_share(self) -> bool:
        """Whether more than a segment or a native rule limits it."""
        return any(part is not None for part in (self.holdout, self.layer, self.exposure, self.ramp))


@dataclass(frozen=True, slots=True)
class RuleShape:
    """One rule of a variant: a condition, a share, or a share of those for whom the condition is true."""

    when: Condition | None
    share: Share | None = None
    holdout: Share | None = None


@dataclass(frozen=True, slots=True)
class VariantShape(Generic[RuledVariant]):
    """One ruled variant, taken apart; `rest` is everything behind the gates, as one condition."""

    variant: RuledVariant
    gates: Gates
    rest: Condition | None
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    rules: tuple[RuleShape, ...] = ()
    rules_condition: Or | None = None
    limits: Limits | None = None
    share: Share | None = None
    segment_conditions: dict[str, Or] = field(default_factory=dict)

    @property
    def holdout(self) -> Share | None:
        """The users that it never touches."""
        limited = None if self.limits is None else self.limits.holdout
        return limited or next((rule.holdout for rule in self.rules if rule.holdout is not None), None)


def read_shapes(value: FlagValue) -> tuple[VariantShape[Variant], ...]:
    """Take all ruled variants of a flag apart."""
    return read_ruled(value.variants[:-1])


def read_ruled(variants: Sequence[RuledVariant]) -> tuple[VariantShape[RuledVariant], ...]:
    """Take ruled variants apart, in their order."""
    shapes: list[VariantShape[RuledVariant]] = []
    later: list[Condition] = []
    for variant in reversed(variants):
        shapes.append(_read_variant(variant, named_elsewhere(later)))
        later[:0] = _lists(shapes[-1])
    return tuple(reversed(shapes))


def _lists(shape: VariantShape[RuledVariant]) -> list[Condition]:
    named = ((USER, shape.users), (GROUP, shape.groups))
    lists: list[Condition] = [one_of(key, values) for key, values in named if values]
    lists += [shape.segment_conditions[name] for name in shape.segments]
    if shape.rules_condition is not None and shape.share is not None:
        lists.append(shape.rules_condition)
    return lists


def _read_variant(variant: RuledVariant, elsewhere: Condition | None) -> VariantShape[RuledVariant]:
    rule = parsed(variant.rule or "")
    # A span is an `and` too. At the top, `(and (gte $now …) (split …))` is read as from and percent, not as a ramp.
    parts: list[Condition] = [rule] if read_share(rule) is not None else list(parts_of(rule))
    gates = _take_gates(parts)
    if not parts:
        return VariantShape(variant, gates, None, limits=Limits())
    shape = VariantShape(variant, gates, all_of(parts))
    if len(parts) == 1 and read_share(parts[0]) is None and read_ramp(parts[0]) is None:
        return _read_choices(shape, parts[0], elsewhere)
    return _read_limits(shape, parts, elsewhere)


def _take_gates(parts: list[Condition]) -> Gates:
    requires: list[str] = []
    while parts and (name := name_of(parts[0], REQUIRES)) is not None:
        requires.append(name)
        del parts[0]
    starts = read_moment(parts[0], "gte") if parts else None
    if starts is not None:
        del parts[0]
    ends = read_moment(parts[0], "lt") if parts else None
    if ends is not None:
        del parts[0]
    return Gates(tuple(requires), starts, ends)


def _read_choices(
    shape: VariantShape[RuledVariant], choice: Condition, elsewhere: Condition | None
) -> VariantShape[RuledVariant]:
    named = name_of(choice, SEGMENT) is not None or name_of(choice, RULE) is not None
    alternatives = list((choice,) if named else alternatives_of(choice))
    users = _take_list(alternatives, USER)
    groups = _take_list(alternatives, GROUP)
    segments: dict[str, Or] = {}
    while alternatives and (name := name_of(alternatives[0], SEGMENT)) is not None:
        condition = alternatives.pop(0)
        assert isinstance(condition, Or)
        segments[name] = condition
    if alternatives and name_of(alternatives[0], RULE) is not None:
        rules = alternatives.pop(0)
        assert isinstance(rules, Or)
        shape = replace(shape, rules=tuple(map(_read_rule, rules.operands[:-1])), rules_condition=rules)
    if users or groups or segments:
        shape = replace(shape, users=users, groups=groups, segments=tuple(segments), segment_conditions=segments)
    if not alternatives:
        return shape
    rest = alternatives[0] if len(alternatives) == 1 else Or(tuple(alternatives))
    alone = read_share(rest) is not None or read_ramp(rest) is not None
    return _read_limits(shape, [rest] if alone else list(parts_of(rest)), elsewhere)


def _read_rule(condition: Condition) -> RuleShape:
    share = read_share(condition)
    if share is not None and whole(share) is not None:
        return RuleShape(None, share)
    parts = list(parts_of(condition))
    held = read_outside(parts[0])
    if held is not None and held.seed.startswith(HOLDOUT) and len(parts) > 1:
        del parts[0]
    else:
        held = None
    share = read_share(parts[-1])
    if share is not None and whole(share) is not None:
        del parts[-1]
    else:
        share = None
    return RuleShape(all_of(parts) if parts else None, share, held)


def _take_list(alternatives: list[Condition], key: str) -> tuple[str, ...]:
    values = listed(alternatives[0], key) if alternatives else None
    if values is None:
        return ()
    del alternatives[0]
    return values


def _read_limits(
    shape: VariantShape[RuledVariant], parts: list[Condition], elsewhere: Condition | None
) -> VariantShape[RuledVariant]:
    found: dict[str, Any] = {}
    share, segments = None, dict(shape.segment_conditions)
    unknown: list[Condition] = []
    for part in parts[1:] if len(parts) > 1 and parts[0] == elsewhere else parts:
        among = dict(_among(part))
        outside, ramp, span = read_outside(part), read_ramp(part), read_share(part)
        if among:
            found["among"] = tuple(among)
            segments |= among
        elif outside is not None and outside.seed.startswith(HOLDOUT):
            found["holdout"] = outside
        elif ramp is not None:
            found["ramp"] = ramp
        elif span is None:
            unknown.append(part)
        elif span.seed.startswith(LAYER):
            found["layer"] = span
        elif span.seed.endswith(EXPOSURE):
            found["exposure"] = span
        else:
            if share is not None:
                found["exposure"] = share  # who takes part stands before who gets which variant
            share = span
    if unknown:
        found["where"] = all_of(unknown)
    return replace(shape, limits=Limits(**found), share=share, segment_conditions=segments)


def _among(part: Condition) -> Iterator[tuple[str, Or]]:
    if name_of(part, SEGMENT) is not None:
        alternatives: tuple[Condition, ...] = (part,)
    else:
        alternatives = alternatives_of(part)
    found = [(name_of(condition, SEGMENT), condition) for condition in alternatives]
    if all(name is not None for name, _ in found):
        for name, condition in found:
            assert name is not None
            assert isinstance(condition, Or)
            yield name, condition


def common_limits(
    shapes: Sequence[VariantShape[RuledVariant]], *, alone: bool
) -> tuple[Limits, list[VariantShape[RuledVariant]]]:
    """Return the limits of a flag's percentages, and the variants that they hold for.

    Args:
        shapes: the ruled variants.
        alone: whether the flag has no variants but on and off.
    """
    shared = [shape for shape in shapes if _takes_part(shape, alone=alone)]
    return next((shape.limits for shape in shared if shape.limits is not None), Limits()), shared


def _takes_part(shape: VariantShape[RuledVariant], *, alone: bool) -> bool:
    if shape.limits is None:
        return False
    # A variant with nothing but a native rule, beside others, keeps it for itself.
    return alone or shape.rest is None or shape.share is not None or shape.limits.has_share


def whole(share: Share | None) -> int | None:
    """Return the size of a share that starts at 0 % and is one piece, in steps; None for all others."""
    if share is None or share.ranges[1:] or any(span.start for span in share.ranges):
        return None
    return share.ranges[0].end if share.ranges else 0
