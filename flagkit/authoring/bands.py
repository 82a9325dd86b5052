"""Cutting the line of users into disjoint bands, one share for each name, and re-cutting it with least movement.

Positions are whole steps of 0.0001 %, from 0 to 1,000,000, so nothing is ever rounded. Knows neither rules nor flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import TypeAlias

from flagkit.errors import EditError

STEPS = 1_000_000
STEPS_PER_PERCENT = 10_000


@dataclass(frozen=True, slots=True, order=True)
class Band:
    """The users from `start` up to but without `end`, in steps of 0.0001 %. Since 0.1."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= STEPS:
            message = f"a band from {show_percent(self.start)} % to {show_percent(self.end)} % makes no sense"
            raise EditError(message)

    @property
    def size(self) -> int:
        """How many steps it covers."""
        return self.end - self.start


Cut: TypeAlias = Mapping[str, tuple[Band, ...]]
"""Who owns which bands. Bands are disjoint and sorted; what nobody owns goes to the flag's default variant."""


def read_percent(value: Decimal | float | str) -> int:
    """Return a percentage in steps of 0.0001 %.

    Raises:
        EditError: not a number from 0 to 100, or finer than 0.0001 %.

    Since 0.1.
    """
    try:
        # A float is read as it is printed: 33.3333 means 33.3333, not its nearest binary fraction.
        exact = Decimal(str(value))
    except DecimalException:
        message = f"{value!r} is not a percentage"
        raise EditError(message) from None
    if not (exact.is_finite() and 0 <= exact <= 100):
        message = f"{value} is not a percentage from 0 to 100"
        raise EditError(message)
    steps = exact * STEPS_PER_PERCENT
    if steps != steps.to_integral_value():
        message = f"{value} % is finer than 0.0001 %"
        raise EditError(message)
    return int(steps)


def show_percent(steps: int) -> Decimal:
    """Return steps as an exact percentage without trailing zeros: 250000 is 25, 333333 is 33.3333. Since 0.1."""
    whole, rest = divmod(steps, STEPS_PER_PERCENT)
    return Decimal(whole) if rest == 0 else (Decimal(steps) / STEPS_PER_PERCENT).normalize()


def equal_weights(names: Sequence[str]) -> dict[str, Decimal]:
    """Share 100 % as equally as steps allow; the first ones get the odd steps. Since 0.1."""
    if not names:
        message = "there is nobody to share between"
        raise EditError(message)
    base, odd = divmod(STEPS, len(names))
    return {name: show_percent(base + (index < odd)) for index, name in enumerate(names)}


def cut(shares: Mapping[str, int]) -> dict[str, tuple[Band, ...]]:
    """Cut the line into one band for each share, in order from 0. Shares are in steps. Since 0.1."""
    return recut({}, shares)


def recut(old: Cut, shares: Mapping[str, int]) -> dict[str, tuple[Band, ...]]:
    """Give everybody its new share and move as few users as possible.

    Only what somebody has too much changes hands, so the users that move are the sum of what shares lose: a fourth
    equal share takes 25 % of the users, and nobody moves between the other three. Bands grow at their edges where they
    can, so a rising percentage stays one band.

    Args:
        old: the present cut.
        shares: the wanted shares in steps; names without one lose their bands.

    Raises:
        EditError: a share is negative, the shares are more than 100 %, or the old bands overlap.

    Since 0.1.
    """
    if negative := [name for name, share in shares.items() if share < 0]:
        message = f"the share of {negative[0]} is negative"
        raise EditError(message)
    if sum(shares.values()) > STEPS:
        message = f"the shares add up to {show_percent(sum(shares.values()))} %, more than 100 %"
        raise EditError(message)
    owner_of_rest = _rest(old)
    owned = {name: list(old.get(name, ())) for name in shares}
    freed = [band for name in old if name not in shares for band in old[name]]
    for name, share in shares.items():
        freed += _release(owned[name], _total(owned[name]) - share)
    _hand_out(sorted(freed), owned, shares)
    _hand_out(owner_of_rest, owned, shares)
    return {name: tuple(_merged(bands)) for name, bands in owned.items()}


def sizes(cut: Cut) -> dict[str, int]:
    """Return each share of a cut in steps. Since 0.1."""
    return {name: _total(bands) for name, bands in cut.items()}


def segments(cut: Cut) -> Iterator[tuple[Band, str | None]]:
    """Yield the whole line in order, with who owns each piece; None is nobody.

    Raises:
        EditError: two bands overlap.

    Since 0.1.
    """
    position = 0
    for band, name in sorted((band, name) for name, bands in cut.items() for band in bands):
        if band.start < position:
            message = f"two bands overlap at {show_percent(band.start)} %"
            raise EditError(message)
        if band.start > position:
            yield Band(position, band.start), None
        yield band, name
        position = band.end
    if position < STEPS:
        yield Band(position, STEPS), None


def _rest(cut: Cut) -> list[Band]:
    return [band for band, name in segments(cut) if name is None]


def _total(bands: Iterable[Band]) -> int:
    return sum(band.size for band in bands)


def _release(bands: list[Band], surplus: int) -> Iterator[Band]:
    bands.sort()
    while surplus > 0:
        last = bands.pop()
        kept = max(last.size - surplus, 0)
        if kept:
            bands.append(Band(last.start, last.start + kept))
        yield Band(last.start + kept, last.end)
        surplus -= last.size - kept


def _hand_out(free: list[Band], owned: Mapping[str, list[Band]], shares: Mapping[str, int]) -> None:
    """Give free pieces to those who lack something: first where they touch, then from the lowest on."""
    for touching in (True, False):
        for name, share in shares.items():
            bands, left = owned[name], list[Band]()
            for piece in free:
                lacking = share - _total(bands)
                taken = _take(piece, lacking, bands, touching=touching) if lacking > 0 else None
                if taken is None:
                    left.append(piece)
                else:
                    bands.append(taken)
                    left += _without(piece, taken)
            free[:] = left


def _take(piece: Band, lacking: int, bands: Iterable[Band], *, touching: bool) -> Band | None:
    size = min(lacking, piece.size)
    if not touching or any(band.end == piece.start for band in bands):
        return Band(piece.start, piece.start + size)
    if any(band.start == piece.end for band in bands):
        return Band(piece.end - size, piece.end)
    return None


def _without(piece: Band, taken: Band) -> list[Band]:
    pairs = ((piece.start, taken.start), (taken.end, piece.end))
    return [Band(start, end) for start, end in pairs if start < end]


def _merged(bands: Iterable[Band]) -> Iterator[Band]:
    current: Band | None = None
    for band in sorted(bands):
        if current is not None and current.end == band.start:
            current = Band(current.start, band.end)
            continue
        if current is not None:
            yield current
        current = band
    if current is not None:
        yield current
