"""Which users a native document gives to whom by percentages: what a re-cut starts from and a movement compares.

Reads documents from any hand: bands may overlap there, because the first variant that matches wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flagkit.authoring.bands import Band, Cut
from flagkit.authoring.conditions import LAYER
from flagkit.authoring.cuts import Cuts, without
from flagkit.authoring.movement import Movement, movement
from flagkit.authoring.shape import VariantShape, read_shapes
from flagkit.core.documents import FlagDocument
from flagkit.errors import UnknownFlagError


@dataclass(frozen=True, slots=True)
class FlagCut:
    """How a flag's percentages cut the line of users. Since 0.1.

    Attributes:
        seed: what they are drawn with; None if the flag has no percentages.
        by: the context key they split by.
        cut: who owns which bands.
        default: who gets the rest: the default variant, or None for a flag without variants.
    """

    seed: str | None
    by: str
    cut: Cut
    default: str | None


def flag_cut(document: FlagDocument, key: str) -> FlagCut | None:
    """Return how a flag's percentages cut the users, or None if its variants split by different seeds or keys.

    Raises:
        UnknownFlagError: there is no such flag.

    Since 0.1.
    """
    value = document.values.get(key)
    if value is None:
        message = f"there is no flag {key}"
        raise UnknownFlagError(message)
    shares = [(shape.variant.name, shape.share) for shape in read_shapes(value) if shape.share is not None]
    default = None if value.default_variant is None else value.default_variant.name
    if len({(share.seed, share.by) for _, share in shares}) > 1:
        return None
    seed, by = (shares[0][1].seed, shares[0][1].by) if shares else (None, "userId")
    return FlagCut(seed, by, _effective((name, share.bands) for name, share in shares), default)


def flag_movement(old: FlagDocument, new: FlagDocument, key: str) -> Movement | None:
    """Compute how many users get another variant by percentages when `new` replaces `old`.

    Lists, conditions and times are not counted: who is on a list isn't known here.

    Returns:
        The movement, or None if one of the two splits by different seeds or keys at once.

    Raises:
        UnknownFlagError: one of the documents has no such flag.

    Since 0.1.
    """
    before, after = flag_cut(old, key), flag_cut(new, key)
    if before is None or after is None:
        return None
    same = before.seed is None or after.seed is None or (before.seed, before.by) == (after.seed, after.by)
    return movement(before.cut, after.cut, same_seed=same)


def read_cuts(document: FlagDocument) -> Cuts:
    """Return all bands in use in a document, for `compile_document(…, cuts=…)`. Since 0.1."""
    flags: dict[tuple[str, str, str], Cut] = {}
    layers: dict[str, dict[str, tuple[Band, ...]]] = {}
    for key, value in sorted(document.values.items()):
        found = flag_cut(document, key)
        if found is not None and found.seed is not None:
            flags[key, found.seed, found.by] = found.cut
        for shape in read_shapes(value):
            place = _layer(shape)
            if place is not None:
                layers.setdefault(place[0], {}).setdefault(key, place[1])
    return Cuts(flags, {name: _effective(members.items()) for name, members in layers.items()})


def _layer(shape: VariantShape) -> tuple[str, tuple[Band, ...]] | None:
    if shape.limits is None or shape.limits.layer is None:
        return None
    return shape.limits.layer.seed.removeprefix(LAYER), shape.limits.layer.bands


def _effective(shares: Iterable[tuple[str, tuple[Band, ...]]]) -> dict[str, tuple[Band, ...]]:
    taken: list[Band] = []
    cut: dict[str, tuple[Band, ...]] = {}
    for name, bands in shares:
        own = [piece for band in bands for piece in without(band, taken)]
        cut[name] = tuple(own)
        taken += own
    return cut
