"""Means of two arms compared at any time: Robbins' normal mixture on estimated variances (statistics.md §4.19).

Numbers in, numbers out. The guarantee is asymptotic (I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics, 2024), hence the least
number of users before it says anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

LEAST_USERS = 200
"""Of each arm: below, the variance is too badly known, and the process stays at 1."""
SHARPEST_USERS = 500.0
"""The mixture is sharpest at so many users (n_c n_b / (n_c + n_b)); elsewhere it loses little."""


class Sums(NamedTuple):
    """One minute: users of candidate and baseline, the sums of their values, and of the squares."""

    n_c: int
    s_c: float
    q_c: float
    n_b: int
    s_b: float
    q_b: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How the candidate's mean differs from the baseline's, minute by minute compared.

    Attributes:
        users: of candidate and baseline, in all minutes.
        means: of candidate and baseline, over all minutes.
        effect: the mean over minutes of the candidate's mean minus `share` times the baseline's.
        variance: of `effect`; infinite while nothing can be said.
        weight: n_c n_b / (n_c + n_b), summed over minutes.
    """

    users: tuple[int, int]
    means: tuple[float, float]
    effect: float
    variance: float
    weight: float

    def half_width(self, alpha: float) -> float:
        """Half the width of the interval of `effect` that holds at all times together with 1 - alpha."""
        if math.isinf(self.variance):
            return math.inf
        r = self.weight / SHARPEST_USERS
        return math.sqrt(self.variance * (1.0 + r) / r * (math.log1p(r) - 2.0 * math.log(alpha)))

    def ln_e(self, *, lower_is_bad: bool) -> float:
        """Ln E against "the effect is at least 0" (or at most 0, where more is bad): the one-sided normal mixture."""
        if math.isinf(self.variance) or self.variance == 0.0:
            return 0.0
        z = self.effect / math.sqrt(self.variance) * (-1.0 if lower_is_bad else 1.0)
        r = self.weight / SHARPEST_USERS
        tail = math.erfc(-z * math.sqrt(r / (1.0 + r) / 2.0))  # 2 Phi
        if tail < 1e-300:
            return -600.0
        return z * z * r / (2.0 * (1.0 + r)) - 0.5 * math.log1p(r) + math.log(tail)


class _Arm:
    """Users, sum, and what the variance is estimated from: deviations from each minute's own mean."""

    def __init__(self) -> None:
        self.n, self.s, self._within, self._free = 0, 0.0, 0.0, 0

    def add(self, n: int, s: float, q: float) -> None:
        self.n += n
        self.s += s
        self._within += max(0.0, q - s * s / n)
        self._free += n - 1

    @property
    def variance(self) -> float:
        return self._within / self._free if self._free >= LEAST_USERS // 2 else math.inf


class Comparison:
    """Adds minutes up. Minutes with users of one arm only say nothing: a day's course is no effect.

    Args:
        share: the candidate's mean is compared with so many times the baseline's: 0.9 leaves a tenth of its size, also
            below 0, where it is compared with 1.1 times.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._candidate, self._baseline = _Arm(), _Arm()
        self._of_candidate = self._of_baseline = self._weight = self._candidate_part = self._baseline_part = 0.0

    def add(self, minute: Sums) -> None:
        """Adds a minute."""
        n_c, s_c, q_c, n_b, s_b, q_b = minute
        if n_c < 1 or n_b < 1:
            return
        self._candidate.add(n_c, s_c, q_c)
        self._baseline.add(n_b, s_b, q_b)
        weight = n_c * n_b / (n_c + n_b)
        self._of_candidate += weight * s_c / n_c
        self._of_baseline += weight * s_b / n_b
        self._weight += weight
        self._candidate_part += weight * weight / n_c
        self._baseline_part += weight * weight / n_b

    def difference(self) -> Difference:
        """What the minutes so far say."""
        candidate, baseline = self._candidate, self._baseline
        users = candidate.n, baseline.n
        if not all(users):
            return Difference(users, (0.0, 0.0), 0.0, math.inf, 0.0)
        # By the sign of all minutes: by each minute's own, the noise around 0 would be room.
        share = self._share if self._of_baseline >= 0.0 else 2.0 - self._share
        variance = math.inf
        if min(users) >= LEAST_USERS:
            # The larger one for both: few users without a single order have no variance by luck.
            of_users = max(candidate.variance, baseline.variance)
            variance = of_users * (self._candidate_part + share**2 * self._baseline_part) / self._weight**2
        means = candidate.s / candidate.n, baseline.s / baseline.n
        effect = (self._of_candidate - share * self._of_baseline) / self._weight
        return Difference(users, means, effect, variance, self._weight)


def difference(minutes: Sequence[Sums], share: float = 1.0) -> Difference:
    """What these minutes say."""
    compared = Comparison(share)
    for minute in minutes:
        compared.add(minute)
    return compared.difference()


def mean_path(minutes: Sequence[Sums], share: float, *, lower_is_bad: bool) -> tuple[float, ...]:
    """Ln E after each minute against "the candidate's mean is at least (at most) `share` times the baseline's"."""
    compared = Comparison(share)
    path: list[float] = []
    for minute in minutes:
        compared.add(minute)
        path.append(compared.difference().ln_e(lower_is_bad=lower_is_bad))
    return tuple(path)


def users_needed(variance: float, effect: float, alpha: float, share: float = 0.5) -> int | None:
    """How many users show an effect of this size, if it is true and `share` of them get the candidate.

    Args:
        variance: of one user's value.
        effect: the difference of the means.
        alpha: error probability of the interval.
        share: of the users.
    """
    if effect == 0.0 or not 0.0 < share < 1.0:
        return None
    low, high = 1.0, 1e12

    def shows(users: float) -> bool:
        weight = users * share * (1.0 - share)
        found = Difference((0, 0), (0.0, 0.0), effect, variance / weight, weight)
        return found.half_width(alpha) <= abs(effect)

    if not shows(high):
        return None
    while high - low > max(1.0, low * 0.001):
        middle = (low + high) / 2.0
        low, high = (low, middle) if shows(middle) else (middle, high)
    return math.ceil(high)
