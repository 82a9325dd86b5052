"""Which users a native document gives to whom by percentages, and how many users an edit moves. Exact: no sampling.

Reads documents from any hand: ranges may overlap there, because the first variant that matches wins. Lists, conditions
and times are not percentages: who is on a list, or in a country, isn't known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise, product
from typing import TypeAlias

from flagkit.authoring.conditions import OFF, ON, Share
from flagkit.authoring.ranges import STEPS, Allocation, Allocations, BucketRange, show_percent, without
from flagkit.authoring.shape import VariantShape, read_shapes
from flagkit.core.documents import FlagDocument, FlagValue, Variant
from flagkit.core.shares import LAYER
from flagkit.errors import UnknownFlagError

EVERYBODY = (BucketRange(0, STEPS),)


@dataclass(frozen=True, slots=True)
class Move:
    """A share of all users that changes from one answer to another; None is nobody's share, the default variant."""

    source: str | None
    target: str | None
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Movement:
    """Everything that moves when one allocation replaces another.

    Attributes:
        moves: who moves where, the largest share first.
        is_exact: False if the seeds differ: then the two allocations are independent, all users are reassigned, and the
            percentages are the expected ones.
    """

    moves: tuple[Move, ...]
    is_exact: bool = True

    @property
    def percent(self) -> Decimal:
        """How many percent of all users get another answer."""
        total = sum((move.percent for move in self.moves), Decimal(0))
        return total.quantize(1) if total == int(total) else total.normalize()

    def to_text(self, default: str = "the default") -> str:
        """Return one line for each move, e.g. `12.5 % from red to blue`."""
        if not self.moves:
            return "no user moves"
        about = "" if self.is_exact else "about "
        lines = [f"{about}{self.percent} % of users get another answer"]
        lines += [
            f"  {move.percent} % from {_named(move.source, default)} to {_named(move.target, default)}"
            for move in self.moves
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class FlagAllocation:
    """How a flag's percentages share out the users.

    Attributes:
        seed: the bucketing seed of the variants; None if no variant has a percentage.
        by: the context key they split by.
        allocation: which variant owns which ranges.
        default: who gets the rest. A flag without variants is all `on` or all `off`.
        gates: other shares that a user must be in to take part: exposure, layer, holdout.
    """

    seed: str | None
    by: str
    allocation: Allocation
    default: str
    gates: tuple[Share, ...] = ()


def flag_allocation(document: FlagDocument, key: str) -> FlagAllocation | None:
    """Return how a flag's percentages share out the users.

    Returns:
        None if that isn't one answer: variants that split by different seeds or limits, or a growing share.

    Raises:
        UnknownFlagError: there is no such flag.
    """
    value = document.values.get(key)
    if value is None:
        message = f"there is no flag {key}"
        raise UnknownFlagError(message)
    if value.default_variant is None:
        return FlagAllocation(None, "userId", {}, ON if value.enabled else OFF)
    shapes = [shape for shape in read_shapes(value) if _is_drawn(shape)]
    seeds = {(shape.share.seed, shape.share.by) for shape in shapes if shape.share is not None}
    gates = {_gates(shape) for shape in shapes} or {()}
    if len(seeds) > 1 or len(gates) > 1 or None in gates:
        return None
    seed, by = next(iter(seeds), (None, "userId"))
    owned = ((shape.variant.name, EVERYBODY if shape.share is None else shape.share.ranges) for shape in shapes)
    return FlagAllocation(seed, by, _effective(owned), value.default_variant.name, gates.pop() or ())


def flag_movement(old: FlagDocument, new: FlagDocument, key: str) -> Movement | None:
    """Compute how many users get another variant by percentages when `new` replaces `old`.

    Shares with different seeds are independent, so the result is what is to be expected as soon as two take part;
    `is_exact` says which.

    Returns:
        The movement, or None where one of the documents has no single answer (`flag_allocation`).

    Raises:
        UnknownFlagError: one of the documents has no such flag.
    """
    before, after = flag_allocation(old, key), flag_allocation(new, key)
    if before is None or after is None:
        return None
    draws = {(found.seed, found.by) for found in (before, after)}
    draws |= {(gate.seed, gate.by) for found in (before, after) for gate in found.gates}
    shares: dict[tuple[str | None, str | None], Fraction] = defaultdict(Fraction)
    for states in product(*(_states(before, after, draw).items() for draw in draws)):
        size = Fraction(1)
        for _, part in states:
            size *= part
        first = _outcome(before, [state[0] for state, _ in states])
        second = _outcome(after, [state[1] for state, _ in states])
        shares[first, second] += size * STEPS
    return moved(shares, is_exact=sum(seed is not None for seed, _ in draws) <= 1)


def read_allocations(document: FlagDocument, keys: Collection[str] | None = None) -> Allocations:
    """Return the ranges in use in a document: of these flags (of all where None), and of all layers."""
    drawn: dict[tuple[str, str, str], list[tuple[str, tuple[BucketRange, ...]]]] = defaultdict(list)
    layers: dict[str, dict[str, tuple[BucketRange, ...]]] = defaultdict(dict)
    for key, value in sorted(document.values.items()):
        if keys is not None and key not in keys and not _names_layer(value):
            continue
        for shape in read_shapes(value):
            if shape.share is not None:
                drawn[key, shape.share.seed, shape.share.by].append((shape.variant.name, shape.share.ranges))
            if shape.limits is not None and shape.limits.layer is not None:
                layer = shape.limits.layer
                layers[layer.seed.removeprefix(LAYER)].setdefault(key, layer.ranges)
    return Allocations(
        {place: _effective(owned) for place, owned in drawn.items()},
        {name: _effective(members.items()) for name, members in layers.items()},
    )


def _names_layer(value: FlagValue) -> bool:
    return any(LAYER in (variant.rule or "") for variant in value.variants)


def _is_drawn(shape: VariantShape[Variant]) -> bool:
    """Whether percentages decide about a variant; a native rule or a list alone is none."""
    if shape.limits is None:
        return False
    return shape.share is not None or shape.rest is None or shape.limits.has_share


def _gates(shape: VariantShape[Variant]) -> tuple[Share, ...] | None:
    """Return what a user must be in; None for a ramp, which has no single size."""
    assert shape.limits is not None
    limits = shape.limits
    if limits.ramp is not None:
        return None
    gates = [gate for gate in (limits.exposure, limits.layer) if gate is not None]
    if limits.holdout is not None:
        held = limits.holdout
        free = [piece for span in EVERYBODY for piece in without(span, held.ranges)]
        gates.append(Share(held.seed, held.by, tuple(free)))
    return tuple(gates)


def _effective(shares: Iterable[tuple[str, tuple[BucketRange, ...]]]) -> dict[str, tuple[BucketRange, ...]]:
    """Return who owns what if the first owner wins."""
    taken: list[BucketRange] = []
    allocation: dict[str, tuple[BucketRange, ...]] = {}
    for name, owned in shares:
        own = [piece for span in owned for piece in without(span, taken)]
        allocation[name] = tuple(own)
        taken += own
    return allocation


_Draw: TypeAlias = tuple[str | None, str]
_State: TypeAlias = tuple[str | None, bool]
"""What one draw says about a user on one side: the variant it gives, and whether its gates let the user in."""


def _states(before: FlagAllocation, after: FlagAllocation, draw: _Draw) -> dict[tuple[_State, _State], Fraction]:
    """Return how large a part of one draw's line has the same state before and after."""
    edges = {0, STEPS}
    for found in (before, after):
        for span in _ranges(found, draw):
            edges |= {span.start, span.end}
    sizes: dict[tuple[_State, _State], Fraction] = defaultdict(Fraction)
    for start, end in pairwise(sorted(edges)):
        sizes[_state(before, draw, start), _state(after, draw, start)] += Fraction(end - start, STEPS)
    return sizes


def _ranges(found: FlagAllocation, draw: _Draw) -> Iterator[BucketRange]:
    if (found.seed, found.by) == draw:
        for ranges in found.allocation.values():
            yield from ranges
    for gate in found.gates:
        if (gate.seed, gate.by) == draw:
            yield from gate.ranges


def _state(found: FlagAllocation, draw: _Draw, position: int) -> _State:
    owner = None
    if (found.seed, found.by) == draw:
        owner = next((name for name, ranges in found.allocation.items() if _holds(ranges, position)), None)
    gates = [gate for gate in found.gates if (gate.seed, gate.by) == draw]
    return owner, all(_holds(gate.ranges, position) for gate in gates)


def _holds(ranges: Iterable[BucketRange], position: int) -> bool:
    return any(span.start <= position < span.end for span in ranges)


def _outcome(found: FlagAllocation, states: Iterable[_State]) -> str:
    owners, lets_in = zip(*states, strict=True)
    owner = next((owner for owner in owners if owner is not None), None)
    return found.default if owner is None or not all(lets_in) else owner


def moved(shares: Mapping[tuple[str | None, str | None], Fraction], *, is_exact: bool) -> Movement:
    """Gather who goes from where to where, in steps, into a movement; who stays is left out."""
    moves = [
        Move(source, target, _percent(share))
        for (source, target), share in shares.items()
        if source != target and _percent(share)
    ]
    return Movement(tuple(sorted(moves, key=_order)), is_exact)


def _order(move: Move) -> tuple[Decimal, str, str]:
    return -move.percent, move.source or "", move.target or ""


def _percent(steps: Fraction) -> Decimal:
    # Steps are whole for one seed; for two they are rounded to the nearest step.
    return show_percent(round(steps))


def _named(name: str | None, default: str) -> str:
    return default if name is None else name
