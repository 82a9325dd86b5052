"""Re-cutting a line of users on which some pieces are fixed and others are in use already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flagkit.authoring.bands import Band, Cut, recut
from flagkit.errors import EditError


@dataclass(frozen=True, slots=True)
class Cuts:
    """The bands that are in use already: they are re-cut with least movement instead of cut anew. Since 0.1.

    Attributes:
        flags: by flag, seed and key: who owns what.
        layers: by layer: which flag owns what.
    """

    flags: Mapping[tuple[str, str, str], Cut] = field(default_factory=dict)
    layers: Mapping[str, Cut] = field(default_factory=dict)


def fixed_recut(
    members: Mapping[str, tuple[int | None, tuple[Band, ...] | None]], old: Cut, place: str
) -> dict[str, tuple[Band, ...]]:
    """Re-cut for members with shares; given bands stay exactly where they are."""
    given = {name: bands for name, (_, bands) in members.items() if bands is not None}
    shares = {name: share for name, (share, bands) in members.items() if share is not None and bands is None}
    if not given and not shares:
        return {}
    present: dict[str, tuple[Band, ...]] = dict(given)
    taken = [band for bands in given.values() for band in bands]
    for name in old:
        if name not in given:
            present[name] = tuple(piece for band in old[name] for piece in without(band, taken))
    sizes = {name: sum(band.size for band in bands) for name, bands in given.items()} | shares
    wanted = {name: sizes[name] for name in members if name in sizes}
    try:
        return recut(present, wanted)
    except EditError as error:
        message = f"{place}: {error.message}"
        raise EditError(message) from None


def without(band: Band, taken: Sequence[Band]) -> list[Band]:
    """Return what is left of a band when others are taken out."""
    pieces = [band]
    for other in taken:
        pieces = [
            Band(start, end)
            for piece in pieces
            for start, end in ((piece.start, min(piece.end, other.start)), (max(piece.start, other.end), piece.end))
            if start < end
        ]
    return pieces
