"""How many users an edit moves, computed before it is published. Exact: no sampling."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from flagkit.authoring.bands import STEPS, Cut, segments, show_percent


@dataclass(frozen=True, slots=True)
class Move:
    """A share of all users that changes from one answer to another; None is nobody's share, the default variant."""

    source: str | None
    target: str | None
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Movement:
    """Everything that moves when one cut replaces another.

    Attributes:
        moves: who moves where, the largest share first.
        is_exact: False if the seeds differ: then the two cuts are independent, everybody is dealt anew, and the
            percentages are the expected ones.

    Since 0.1.
    """

    moves: tuple[Move, ...]
    is_exact: bool = True

    @property
    def percent(self) -> Decimal:
        """How many percent of all users get another answer."""
        return sum((move.percent for move in self.moves), Decimal(0))

    def to_text(self, default: str = "the default") -> str:
        """Return one line for each move, e.g. `12.5 % from red to blue`. Since 0.1."""
        if not self.moves:
            return "nobody moves"
        about = "" if self.is_exact else "about "
        lines = [f"{about}{self.percent} % of users get another answer"]
        lines += [
            f"  {move.percent} % from {_named(move.source, default)} to {_named(move.target, default)}"
            for move in self.moves
        ]
        return "\n".join(lines)


def movement(old: Cut, new: Cut, *, same_seed: bool = True) -> Movement:
    """Compute who moves when `new` replaces `old`. Since 0.1."""
    shares: dict[tuple[str | None, str | None], Fraction] = defaultdict(Fraction)
    for first, source in segments(old):
        for second, target in segments(new):
            if same_seed:
                overlap = Fraction(max(min(first.end, second.end) - max(first.start, second.start), 0))
            else:
                overlap = Fraction(first.size * second.size, STEPS)
            shares[source, target] += overlap
    return moved(shares, is_exact=same_seed)


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
