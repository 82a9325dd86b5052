"""Allocating the buckets of users to names in disjoint ranges, and reallocating them with least movement.

Positions are whole steps of 0.0001 %, from 0 to 1,000,000, so nothing is ever rounded. Knows neither rules nor flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from typing import TypeAlias

from flagkit.errors import EditError

STEPS = 1_000_000
STEPS_PER_PERCENT = 10_000


@dataclass(frozen=True, slots=True, order=True)
class BucketRange:
    """The users from `start` up to but without `end`, in steps of 0.0001 %."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= STEPS:
            span = f"{show_percent(self.start)} % to {show_percent(self.end)} %"
            message = f"a range from {span} is not valid: the start is below the end, from 0 to 100"
            raise EditError(message)

    @property
    def size(self) -> int:
        """How many steps it covers."""
        return self.end - self.start


Allocation: TypeAlias = Mapping[str, tuple[BucketRange, ...]]
"""Who owns which ranges. Ranges are disjoint and sorted; what nobody owns goes to the flag's default variant."""


def read_percent(value: Decimal | float | str) -> int:
    """Return a percentage in steps of 0.0001 %.

    Raises:
        EditError: not a number from 0 to 100, or finer than 0.0001 %.
    """
    # A float is read as it is printed: 33.3333 means 33.3333, not its nearest binary fraction.
    text = str(value)
    try:
        exact = Decimal(text)
    except DecimalException:
        exact = None
    if exact is None or not text.isascii() or "_" in text:
        message = f"{value!r} is not a valid percentage"
        raise EditError(message)
    if not (exact.is_finite() and 0 <= exact <= 100):
        message = f"{value} is not a percentage from 0 to 100"
        raise EditError(message)
    steps = exact * STEPS_PER_PERCENT
    if steps != steps.to_integral_value():
        message = f"{value} % is finer than 0.0001 %"
        raise EditError(message)
    return int(steps)


def show_percent(steps: int) -> Decimal:
    """Return steps as an exact percentage without trailing zeros: 250000 is 25, 333333 is 33.3333."""
    whole, rest = divmod(steps, STEPS_PER_PERCENT)
    return Decimal(whole) if rest == 0 else (Decimal(steps) / STEPS_PER_PERCENT).normalize()


def allocate(shares: Mapping[str, int]) -> dict[str, tuple[BucketRange, ...]]:
    """Allocation the line into one span for each share, in order from 0. Shares are in steps."""
    return reallocate({}, shares)


def reallocate(old: Allocation, shares: Mapping[str, int]) -> dict[str, tuple[BucketRange, ...]]:
    """Give everybody its new share and move as few users as possible.

    Only what somebody has too much changes hands, so the users that move are the sum of what shares lose: a fourth
    equal share takes 25 % of the users, and nobody moves between the other three. Ranges grow at their edges where they
    can, so a rising percentage stays one span.

    Args:
        old: the present allocation.
        shares: the wanted shares in steps; names without one lose their ranges.

    Raises:
        EditError: a share is negative, the shares are more than 100 %, or the old ranges overlap.
    """
    if negative := [name for name, share in shares.items() if share < 0]:
        message = f"the share of {negative[0]} is negative"
        raise EditError(message)
    if sum(shares.values()) > STEPS:
        message = f"the shares add up to {show_percent(sum(shares.values()))} %, more than 100 %"
        raise EditError(message)
    owner_of_rest = _rest(old)
    owned = {name: list(old.get(name, ())) for name in shares}
    freed = [span for name in old if name not in shares for span in old[name]]
    for name, share in shares.items():
        freed += _release(owned[name], _total(owned[name]) - share)
    _hand_out(sorted(freed), owned, shares)
    _hand_out(owner_of_rest, owned, shares)
    return {name: tuple(_merged(ranges)) for name, ranges in owned.items()}


def sizes(allocation: Allocation) -> dict[str, int]:
    """Return each share of an allocation in steps."""
    return {name: _total(ranges) for name, ranges in allocation.items()}


def ranges(allocation: Allocation) -> Iterator[tuple[BucketRange, str | None]]:
    """Yield the whole line in order, with who owns each piece; None is nobody.

    Raises:
        EditError: two ranges overlap.
    """
    position = 0
    for span, name in sorted((span, name) for name, ranges in allocation.items() for span in ranges):
        if span.start < position:
            message = f"two ranges overlap at {show_percent(span.start)} %"
            raise EditError(message)
        if span.start > position:
            yield BucketRange(position, span.start), None
        yield span, name
        position = span.end
    if position < STEPS:
        yield BucketRange(position, STEPS), None


def _rest(allocation: Allocation) -> list[BucketRange]:
    return [span for span, name in ranges(allocation) if name is None]


def _total(ranges: Iterable[BucketRange]) -> int:
    return sum(span.size for span in ranges)


def _release(ranges: list[BucketRange], surplus: int) -> Iterator[BucketRange]:
    ranges.sort()
    while surplus > 0:
        last = ranges.pop()
        kept = max(last.size - surplus, 0)
        if kept:
            ranges.append(BucketRange(last.start, last.start + kept))
        yield BucketRange(last.start + kept, last.end)
        surplus -= last.size - kept


def _hand_out(free: list[BucketRange], owned: Mapping[str, list[BucketRange]], shares: Mapping[str, int]) -> None:
    """Give free pieces to those who lack something: first where they touch, then from the lowest on."""
    for touching in (True, False):
        for name, share in shares.items():
            ranges, left = owned[name], list[BucketRange]()
            for piece in free:
                lacking = share - _total(ranges)
                taken = _take(piece, lacking, ranges, touching=touching) if lacking > 0 else None
                if taken is None:
                    left.append(piece)
                else:
                    ranges.append(taken)
                    left += _without(piece, taken)
            free[:] = left


def _take(piece: BucketRange, lacking: int, ranges: Iterable[BucketRange], *, touching: bool) -> BucketRange | None:
    size = min(lacking, piece.size)
    if not touching or any(span.end == piece.start for span in ranges):
        return BucketRange(piece.start, piece.start + size)
    if any(span.start == piece.end for span in ranges):
        return BucketRange(piece.end - size, piece.end)
    return None


def _without(piece: BucketRange, taken: BucketRange) -> list[BucketRange]:
    pairs = ((piece.start, taken.start), (taken.end, piece.end))
    return [BucketRange(start, end) for start, end in pairs if start < end]


def _merged(ranges: Iterable[BucketRange]) -> Iterator[BucketRange]:
    current: BucketRange | None = None
    for span in sorted(ranges):
        if current is not None and current.end == span.start:
            current = BucketRange(current.start, span.end)
            continue
        if current is not None:
            yield current
        current = span
    if current is not None:
        yield current


@dataclass(frozen=True, slots=True)
class Allocations:
    """The ranges that are in use already: they are reallocated with least movement.

    Attributes:
        flags: by flag, seed and key: who owns what.
        layers: by layer: which flag owns what.
    """

    flags: Mapping[tuple[str, str, str], Allocation] = field(default_factory=dict)
    layers: Mapping[str, Allocation] = field(default_factory=dict)


def reallocate_with_fixed(
    members: Mapping[str, tuple[int | None, tuple[BucketRange, ...] | None]], old: Allocation, place: str
) -> dict[str, tuple[BucketRange, ...]]:
    """Reallocate for members with shares; given ranges stay exactly where they are."""
    given = {name: ranges for name, (_, ranges) in members.items() if ranges is not None}
    shares = {name: share for name, (share, ranges) in members.items() if share is not None and ranges is None}
    if not given and not shares:
        return {}
    present: dict[str, tuple[BucketRange, ...]] = dict(given)
    taken = [span for ranges in given.values() for span in ranges]
    for name in old:
        if name not in given:
            present[name] = tuple(piece for span in old[name] for piece in without(span, taken))
    sizes = {name: sum(span.size for span in ranges) for name, ranges in given.items()} | shares
    wanted = {name: sizes[name] for name in members if name in sizes}
    try:
        return reallocate(present, wanted)
    except EditError as error:
        message = f"{place}: {error.message}"
        raise EditError(message) from None


def without(span: BucketRange, taken: Sequence[BucketRange]) -> list[BucketRange]:
    """Return what is left of a span when others are taken out."""
    pieces = [span]
    for other in taken:
        pieces = [
            BucketRange(start, end)
            for piece in pieces
            for start, end in ((piece.start, min(piece.end, other.start)), (max(piece.start, other.end), piece.end))
            if start < end
        ]
    return pieces
