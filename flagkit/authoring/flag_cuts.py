"""Which users a native document gives to whom by percentages: what a re-cut starts from and a movement compares.

Reads documents from any hand: bands may overlap there, because the first variant that matches wins. Lists, conditions
and times are not percentages: who is on a list, or in a country, isn't known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from typing import TypeAlias

from flagkit.authoring.bands import STEPS, Band, Cut
from flagkit.authoring.compiler import OFF, ON
from flagkit.authoring.conditions import LAYER, Share
from flagkit.authoring.cuts import Cuts, without
from flagkit.authoring.movement import Movement, moved
from flagkit.authoring.shape import VariantShape, read_shapes
from flagkit.core.documents import FlagDocument
from flagkit.errors import UnknownFlagError

EVERYBODY = (Band(0, STEPS),)


@dataclass(frozen=True, slots=True)
class FlagCut:
    """How a flag's percentages share out the users. Since 0.1.

    Attributes:
        seed: what variants are drawn with; None if no variant has a percentage.
        by: the context key they split by.
        cut: which variant owns which bands.
        default: who gets the rest. A flag without variants is all `on` or all `off`.
        gates: other draws that a user must be in to take part: exposure, layer, holdout.
    """

    seed: str | None
    by: str
    cut: Cut
    default: str
    gates: tuple[Share, ...] = ()


def flag_cut(document: FlagDocument, key: str) -> FlagCut | None:
    """Return how a flag's percentages share out the users.

    Returns:
        None if that isn't one answer: variants that split by different seeds or limits, or a growing share.

    Raises:
        UnknownFlagError: there is no such flag.

    Since 0.1.
    """
    value = document.values.get(key)
    if value is None:
        message = f"there is no flag {key}"
        raise UnknownFlagError(message)
    if value.default_variant is None:
        return FlagCut(None, "userId", {}, ON if value.enabled else OFF)
    shapes = [shape for shape in read_shapes(value) if _is_drawn(shape)]
    seeds = {(shape.share.seed, shape.share.by) for shape in shapes if shape.share is not None}
    gates = {_gates(shape) for shape in shapes} or {()}
    if len(seeds) > 1 or len(gates) > 1 or None in gates:
        return None
    seed, by = next(iter(seeds), (None, "userId"))
    owned = ((shape.variant.name, EVERYBODY if shape.share is None else shape.share.bands) for shape in shapes)
    return FlagCut(seed, by, _effective(owned), value.default_variant.name, gates.pop() or ())


def flag_movement(old: FlagDocument, new: FlagDocument, key: str) -> Movement | None:
    """Compute how many users get another variant by percentages when `new` replaces `old`.

    Draws with different seeds are independent, so the result is what is to be expected as soon as two take part;
    `is_exact` says which.

    Returns:
        The movement, or None where one of the documents has no single answer (`flag_cut`).

    Raises:
        UnknownFlagError: one of the documents has no such flag.

    Since 0.1.
    """
    before, after = flag_cut(old, key), flag_cut(new, key)
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


def read_cuts(document: FlagDocument) -> Cuts:
    """Return all bands in use in a document, for `compile_document(…, cuts=…)`. Since 0.1."""
    drawn: dict[tuple[str, str, str], list[tuple[str, tuple[Band, ...]]]] = defaultdict(list)
    layers: dict[str, dict[str, tuple[Band, ...]]] = defaultdict(dict)
    for key, value in sorted(document.values.items()):
        for shape in read_shapes(value):
            if shape.share is not None:
                drawn[key, shape.share.seed, shape.share.by].append((shape.variant.name, shape.share.bands))
            if shape.limits is not None and shape.limits.layer is not None:
                layer = shape.limits.layer
                layers[layer.seed.removeprefix(LAYER)].setdefault(key, layer.bands)
    return Cuts(
        {place: _effective(owned) for place, owned in drawn.items()},
        {name: _effective(members.items()) for name, members in layers.items()},
    )


def _is_drawn(shape: VariantShape) -> bool:
    """Whether percentages decide about a variant; a native rule or a list alone is none."""
    if shape.limits is None:
        return False
    return shape.share is not None or shape.rest is None or shape.limits.has_share


def _gates(shape: VariantShape) -> tuple[Share, ...] | None:
    """Return what a user must be in; None for a ramp, which has no single size."""
    assert shape.limits is not None
    limits = shape.limits
    if limits.ramp is not None:
        return None
    gates = [gate for gate in (limits.exposure, limits.layer) if gate is not None]
    if limits.holdout is not None:
        held = limits.holdout
        free = [piece for band in EVERYBODY for piece in without(band, held.bands)]
        gates.append(Share(held.seed, held.by, tuple(free)))
    return tuple(gates)


def _effective(shares: Iterable[tuple[str, tuple[Band, ...]]]) -> dict[str, tuple[Band, ...]]:
    """Return who owns what if the first owner wins."""
    taken: list[Band] = []
    cut: dict[str, tuple[Band, ...]] = {}
    for name, bands in shares:
        own = [piece for band in bands for piece in without(band, taken)]
        cut[name] = tuple(own)
        taken += own
    return cut


_Draw: TypeAlias = tuple[str | None, str]
_State: TypeAlias = tuple[str | None, bool]
"""What one draw says about a user on one side: the variant it gives, and whether its gates let the user in."""


def _states(before: FlagCut, after: FlagCut, draw: _Draw) -> dict[tuple[_State, _State], Fraction]:
    """Return how large a part of one draw's line has the same state before and after."""
    edges = {0, STEPS}
    for found in (before, after):
        for band in _bands(found, draw):
            edges |= {band.start, band.end}
    sizes: dict[tuple[_State, _State], Fraction] = defaultdict(Fraction)
    for start, end in pairwise(sorted(edges)):
        sizes[_state(before, draw, start), _state(after, draw, start)] += Fraction(end - start, STEPS)
    return sizes


def _bands(found: FlagCut, draw: _Draw) -> Iterator[Band]:
    if (found.seed, found.by) == draw:
        for bands in found.cut.values():
            yield from bands
    for gate in found.gates:
        if (gate.seed, gate.by) == draw:
            yield from gate.bands


def _state(found: FlagCut, draw: _Draw, position: int) -> _State:
    owner = None
    if (found.seed, found.by) == draw:
        owner = next((name for name, bands in found.cut.items() if _holds(bands, position)), None)
    gates = [gate for gate in found.gates if (gate.seed, gate.by) == draw]
    return owner, all(_holds(gate.bands, position) for gate in gates)


def _holds(bands: Iterable[Band], position: int) -> bool:
    return any(band.start <= position < band.end for band in bands)


def _outcome(found: FlagCut, states: Iterable[_State]) -> str:
    owners, lets_in = zip(*states, strict=True)
    owner = next((owner for owner in owners if owner is not None), None)
    return found.default if owner is None or not all(lets_in) else owner
