"""Unreachable variants, and percentages that don't mean what they seem to. It must not read documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from flagkit.core.bucketing import BUCKETS
from flagkit.core.lint.findings import Finding, Severity
from flagkit.core.lint.logic import FALSE, Logic, settle
from flagkit.core.rules.ast import Condition, Or, Rule, Split, walk
from flagkit.core.rules.buckets import BucketRanges

# Splits that don't select variants: exclusion groups, holdouts and the names that flagkit.authoring writes into rules.
_MARKS = ("layer:", "holdout:", "segment:", "requires:", "rule:")
_EXPOSURE = ":exposure"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class RuledVariant:
    """One variant with a rule that can be read: its name, location, text and tree."""

    name: str
    location: str
    text: str
    rule: Rule

    @property
    def key(self) -> str:
        """The flag's key."""
        return self.location.split(".")[1]


def reach(key: str, variants: Sequence[RuledVariant], now: datetime) -> Iterator[Finding]:
    """Yield the likely mistakes in which users get which variant of one flag."""
    logic = Logic(key)
    # A rule that is true for all users, key or not, is how a flag with variants is switched off (flagkit.admin.edits).
    variants = [variant for variant in variants if not logic.is_always(variant.rule)]
    earlier = _Earlier(logic)
    shadowed = False
    for variant in variants:
        settled = settle(variant.rule, now)
        found = _own(logic, variant, settled)
        if not logic.is_never(settled):
            found = _shadow(logic, variant, settled, earlier)
            shadowed = shadowed or found is not None
            earlier.add(variant, settled)
        if found is not None:
            yield found
    if not shadowed:
        yield from _weights(key, logic, variants)
    yield from _mixed(key, variants)


def split_lines(key: str, rules: Iterable[Rule]) -> frozenset[tuple[str, str]]:
    """Return the (key, seed) pairs by which some rules split users for their variants."""
    return frozenset(
        (part.by.name, seed)
        for rule in rules
        for part in walk(rule)
        if isinstance(part, Split) and 0 < part.percent.value < 100
        for seed in [key if part.seed is None else part.seed.value]
        if not seed.startswith(_MARKS) and not seed.endswith(_EXPOSURE)
    )


def _own(logic: Logic, variant: RuledVariant, settled: Condition) -> Finding | None:
    """Report a rule that can't be true, independent of the other variants."""
    if settled == FALSE and not logic.is_never_on_purpose(variant.rule):
        message = f"variant {variant.name} has expired: its rule can no longer become true"
        return _warning("expired", variant, message, "Remove the variant, or change its end.")
    if logic.is_never(settled) and not logic.is_never_on_purpose(settled):
        message = f"variant {variant.name} is unreachable: parts of its rule exclude each other"
        return _warning("unreachable", variant, message, f"`flagkit explain {variant.key} --verbose` shows its parts.")
    return None


@dataclass(slots=True)
class _Earlier:
    """The variants before one that some user can get."""

    logic: Logic
    rules: list[tuple[RuledVariant, Condition]] = field(default_factory=list)
    taken: dict[object, Condition] = field(default_factory=dict)
    """Their rules as alternatives; those on one bucket line are joined to one, whose ranges are known."""

    def add(self, variant: RuledVariant, rule: Condition) -> None:
        ranges = self.logic.ranges(rule)
        line = len(self.rules) if ranges is None else (ranges.by, ranges.seed)
        self.taken[line] = self.logic.joined(self.taken[line], rule) if line in self.taken else rule
        self.rules.append((variant, rule))


def _shadow(logic: Logic, variant: RuledVariant, settled: Condition, earlier: _Earlier) -> Finding | None:
    """Report a variant without users, because the variants before it match them all."""
    alternatives = tuple(earlier.taken.values())
    if not alternatives:
        return None
    if not logic.implies(settled, alternatives[0] if len(alternatives) == 1 else Or(alternatives)):
        return None
    before = earlier.rules
    taking = [other.name for other, rule in before if len(before) == 1 or _overlaps(logic, settled, rule)]
    names = _names(taking or [other.name for other, _ in before])
    if isinstance(variant.rule, Split):
        message = f"variant {variant.name} gets 0 %, not {_shown(variant.rule)} %: those users already get {names}"
        hint = f"Write ranges that don't overlap: `flagkit split` does; by hand, {variant.name} needs the sum of both."
        return _warning("shadowed-split", variant, message, hint)
    message = f"variant {variant.name} is unreachable: all its users already get {names}"
    return _warning("unreachable", variant, message, "Variants are evaluated in order: put the narrower one first.")


def _names(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return " and ".join(names) if more <= 1 else f"{', '.join(names[:_SHOWN])} and {more} more"


def _overlaps(logic: Logic, settled: Condition, other: Condition) -> bool:
    first, second = logic.ranges(settled), logic.ranges(other)
    if first is None or second is None:
        return logic.implies(settled, other)
    return any(first.at(bound) and second.at(bound) for bound in (0, *first.bounds, *second.bounds) if bound < BUCKETS)


def _weights(key: str, logic: Logic, variants: Sequence[RuledVariant]) -> Iterator[Finding]:
    plain = [variant for variant in variants if isinstance(variant.rule, Split)]
    lines = [ranges for variant in variants if (ranges := logic.ranges(variant.rule)) is not None]
    if len(lines) < 2 or len({(ranges.by, ranges.seed) for ranges in lines}) > 1 or len(lines) < len(variants):
        return
    owned = _owned(variants, lines)
    left = BUCKETS - sum(owned.values())
    first = variants[0]
    if len(plain) == len(variants) and sum(_percent(variant.rule) for variant in plain) == 100 and left:
        shares = ", ".join(f"{name} {_ratio(size)} %" for name, size in owned.items())
        wanted = " ".join(f"{variant.name}={_shown(variant.rule)}" for variant in plain)
        message = f"the percentages read like weights, but give {shares} and the default {_ratio(left)} %"
        yield _warning("weights", first, message, f"`flagkit split {key} {wanted}` gives these weights.")
    elif 0 < left < BUCKETS // 50 and len(plain) < len(variants):  # less than 2 % is likely a mistake
        message = f"the shares add up to {_ratio(BUCKETS - left)} %; the default gets the other {_ratio(left)} %"
        yield _warning("weights", first, message, f"To distribute all users, run `flagkit split {key} …`.")


def _owned(variants: Sequence[RuledVariant], lines: Sequence[BucketRanges]) -> Mapping[str, int]:
    """Return how many buckets each variant gets: the first that matches wins."""
    edges = sorted({0, BUCKETS, *(bound for ranges in lines for bound in ranges.bounds)})
    owned = dict.fromkeys((variant.name for variant in variants), 0)
    for start, end in pairwise(edges):
        winner = next((variant.name for variant, ranges in zip(variants, lines, strict=True) if ranges.at(start)), None)
        if winner is not None:
            owned[winner] += end - start
    return owned


def _mixed(key: str, variants: Sequence[RuledVariant]) -> Iterator[Finding]:
    known: tuple[RuledVariant, frozenset[tuple[str, str]]] | None = None
    for variant in variants:
        # The percentage of a rule of its own has a seed of its own on purpose (flagkit.admin.edits.rules).
        lines = frozenset() if _is_own_rule(variant.rule) else split_lines(key, [variant.rule])
        if lines and known is not None and not lines & known[1]:
            message = (
                f"variant {variant.name} splits by another seed or key than {known[0].name}: "
                f"its percentage applies to the users that {known[0].name} does not get"
            )
            yield _warning("mixed-draws", variant, message, "Use one seed and one key for all splits of a flag.")
            return
        known = (variant, lines) if lines and known is None else known


def _is_own_rule(rule: Rule) -> bool:
    return any(
        isinstance(part, Split) and part.seed is not None and part.seed.value.startswith("rule:") for part in walk(rule)
    )


def _warning(code: str, variant: RuledVariant, message: str, hint: str) -> Finding:
    return Finding(code, Severity.WARNING, variant.location, message, hint)


def _percent(rule: Rule) -> Decimal:
    assert isinstance(rule, Split)
    return Decimal(str(rule.percent.value))


def _shown(rule: Rule) -> str:
    return f"{_percent(rule).normalize():f}"


def _ratio(buckets: int) -> str:
    # Thresholds are cut off to whole buckets, so four decimals are what a percentage can say.
    return f"{(Decimal(buckets) * 100 / BUCKETS).quantize(Decimal('0.0001')).normalize():f}"
