"""What a native flag says, for showing it: read without pydantic and without proof. Edits use `decompiler`.

Lists of thousands of flags are read this way. A flag that flagkit compiled reads the same in both ways, which
tests/flagkit/authoring/test_reading.py holds; a rule by somebody else is shown as the rule it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from flagkit.authoring.conditions import OFF, OFF_RULE, ON, parsed
from flagkit.authoring.language import written_condition
from flagkit.authoring.shape import Gates, VariantShape, common_limits, read_ruled, whole
from flagkit.core.definitions import SWITCHED_OFF, FlagDefinition, VariantDefinition
from flagkit.core.rules.printer import print_rule
from flagkit.core.shares import HOLDOUT, LAYER


@dataclass(frozen=True, slots=True)
class ShownStep:
    """One step of a ramp."""

    at: dt.datetime
    percent: int


@dataclass(frozen=True, slots=True)
class ShownLayer:
    """An exclusion layer, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class ShownRuleOf:
    """One rule of a variant."""

    when: str | None
    percent: int | None


@dataclass(frozen=True, slots=True)
class ShownVariant:
    """A variant with its audience; percentages are in steps of 0.0001 %."""

    name: str
    enabled: bool
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    weight: int | None = None
    rules: tuple[ShownRuleOf, ...] = ()
    rule: str | None = None
    ranges: None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody is named, by a list or a rule."""
        return not (self.users or self.groups or self.segments or self.rules)


@dataclass(frozen=True, slots=True)
class ShownFlag:
    """A flag with its audience; percentages are in steps of 0.0001 %."""

    is_off: bool
    is_targeted: bool = False
    requires: tuple[str, ...] = ()
    starts: dt.datetime | None = None
    ends: dt.datetime | None = None
    among: tuple[str, ...] = ()
    where: str | None = None
    holdout: str | None = None
    layer: ShownLayer | None = None
    percent: int | None = None
    ramp: tuple[ShownStep, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    variants: tuple[ShownVariant, ...] = ()
    by: str = "userId"
    seed: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody is named."""
        return not (self.users or self.groups or self.segments)

    @property
    def has_share(self) -> bool:
        """Whether anything is said about which share of the users takes part."""
        limited = self.among or self.where or self.holdout or self.layer or self.ramp
        return bool(limited) or self.percent is not None


def read_shown(flag: FlagDefinition) -> ShownFlag:
    """Read a flag of a native document.

    Raises:
        RuleError: a rule is not valid.
    """
    variants = flag.variants
    if not variants:
        return ShownFlag(is_off=not flag.enabled)
    off = _is_switched_off(variants)
    if off:
        variants = variants[1:]
    shapes = read_ruled(variants[:-1])
    switch = not off and _is_switch(variants) and not shapes[0].rules
    limits, shared = common_limits(shapes, alone=switch)
    gates = shapes[0].gates if shapes else Gates()
    percent = limits.exposure
    if switch:
        percent = shapes[0].share or percent
    return ShownFlag(
        is_off=off or not any(variant.enabled for variant in variants),
        is_targeted=True,
        requires=gates.requires,
        starts=gates.starts,
        ends=gates.ends,
        among=limits.among,
        where=None if limits.where is None else print_rule(limits.where),
        holdout=next((it.holdout.seed.removeprefix(HOLDOUT) for it in shapes if it.holdout is not None), None),
        layer=None if limits.layer is None else ShownLayer(limits.layer.seed.removeprefix(LAYER)),
        percent=None if percent is None else whole(percent) or 0,
        ramp=() if limits.ramp is None else tuple(ShownStep(at, size) for at, size in limits.ramp[1]),
        variants=() if switch else (*(_shown(shape, shape in shared) for shape in shapes), _plain(variants[-1])),
        users=shapes[0].users if switch else (),
        groups=shapes[0].groups if switch else (),
        segments=shapes[0].segments if switch else (),
    )


def _is_switched_off(variants: Sequence[VariantDefinition]) -> bool:
    first = variants[0]
    if len(variants) == 1 or first.name != SWITCHED_OFF or first.enabled:
        return False
    return parsed(first.rule or "") == OFF_RULE


def _is_switch(variants: Sequence[VariantDefinition]) -> bool:
    return [variant.name for variant in variants] == [ON, OFF] and not variants[1].enabled


def _shown(shape: VariantShape[VariantDefinition], takes_part: bool) -> ShownVariant:
    variant = shape.variant
    if not takes_part and shape.limits is not None and shape.rest is not None:
        # Gates are said of the whole flag; what is left is the rule as it was written.
        rule = variant.rule if shape.gates == Gates() else print_rule(shape.rest)
        return ShownVariant(variant.name, variant.enabled, rule=rule)
    weight = None if shape.share is None else sum(span.size for span in shape.share.ranges)
    rules = tuple(
        ShownRuleOf(
            None if rule.when is None else written_condition(rule.when),
            None if rule.share is None else whole(rule.share),
        )
        for rule in shape.rules
    )
    return ShownVariant(variant.name, variant.enabled, shape.users, shape.groups, shape.segments, weight, rules)


def _plain(variant: VariantDefinition) -> ShownVariant:
    return ShownVariant(variant.name, variant.enabled)
