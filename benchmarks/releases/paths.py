"""The processes of one stream by themselves, without plan and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from canary.core.stats.grids import EQUAL, FALLING
from canary.core.stats.mixture import restart_path
from canary.core.stats.processes import Counts, absolute_factors, attributed_factors, ratio_factors


def attributed_path(
    minutes: Sequence[Counts], limit: float, kappa: float, horizon: int, *, absolute_when_silent: bool = False
) -> tuple[float, ...]:
    """Ln E of the attribution-aware process after every minute (§4.5), the default rollback rule."""
    absolute, ratio = absolute_factors(minutes, limit), ratio_factors(minutes, kappa)
    factors = attributed_factors(absolute, ratio, absolute_when_silent=absolute_when_silent)
    return restart_path(factors, FALLING, horizon)


class Paths(NamedTuple):
    """Ln E after every minute of the processes that one counting stream feeds."""

    literal: tuple[float, ...]
    attributed: tuple[float, ...]
    ratio: tuple[float, ...]
    floor: tuple[float, ...]


def all_paths(minutes: Sequence[Counts], limit: float, kappa: float, floor: float, horizon: int) -> Paths:
    """All four processes over the same minutes; factors that two of them need are computed once."""
    absolute, ratio = absolute_factors(minutes, limit), ratio_factors(minutes, kappa)
    attributed = attributed_factors(absolute, ratio, absolute_when_silent=True)
    return Paths(
        literal=restart_path(absolute, FALLING, horizon),
        attributed=restart_path(attributed, FALLING, horizon),
        ratio=restart_path(ratio, EQUAL, horizon),
        floor=restart_path(absolute_factors(minutes, floor), FALLING, horizon),
    )
