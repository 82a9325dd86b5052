"""The alternatives that a process bets on, and their weights (statistics.md §4.2). Constants of a run.

A process is a mixture over alternatives: betting on a grid of them loses at most a constant factor against betting on
the best one (T. M. Cover, "Universal portfolios", Mathematical Finance, 1991; H. Robbins, "Statistical methods
related to the law of the iterated logarithm", Annals of Mathematical Statistics, 1970).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

ALTERNATIVES = 24
"""Eight are too coarse (statistics.md §3.2)."""
_GAP = 0.15
_TOP = 0.98
_BOTTOM = 0.0001
_RATIO_TOP = 60.0


def logit(p: float) -> float:
    """ln(p / (1 - p))."""
    return math.log(p) - math.log1p(-p)


def expit(x: float) -> float:
    """Inverse of `logit`."""
    return 1.0 / (1.0 + math.exp(-x))


def _even(first: float, last: float) -> tuple[float, ...]:
    step = (last - first) / (ALTERNATIVES - 1)
    return tuple(first + step * i for i in range(ALTERNATIVES))


@lru_cache(maxsize=512)
def above(limit: float) -> tuple[float, ...]:
    """Failure probabilities above `limit`, evenly spaced in log-odds up to 0.98.

    Raises:
        ValueError: nothing lies above: `limit` is 0.976 or more, or not a probability.
    """
    if not limit > 0.0 or logit(_TOP) <= (logit(limit) + _GAP if limit < 1.0 else math.inf):
        raise ValueError(f"a limit must lie above 0 and below 97.6 %, not at {limit:.4%}")
    return tuple(map(expit, _even(logit(limit) + _GAP, logit(_TOP))))


@lru_cache(maxsize=512)
def below(limit: float) -> tuple[float, ...]:
    """Failure probabilities below `limit`, evenly spaced in log-odds from 0.0001.

    Raises:
        ValueError: nothing lies below: `limit` is 0.000117 or less, or not a probability.
    """
    if not limit < 1.0 or logit(_BOTTOM) >= (logit(limit) - _GAP if limit > 0.0 else -math.inf):
        raise ValueError(f"a limit must lie above 0.0117 % and below 100 %, not at {limit:.4%}")
    return tuple(map(expit, _even(logit(_BOTTOM), logit(limit) - _GAP)))


@lru_cache(maxsize=64)
def ratios(kappa: float) -> tuple[float, ...]:
    """Ratios of failure probabilities above `kappa`, evenly spaced in logarithm up to 60.

    Raises:
        ValueError: nothing lies above: `kappa` is 51.6 or more, or not positive.
    """
    if not kappa > 0.0 or math.log(kappa) + _GAP >= math.log(_RATIO_TOP):
        raise ValueError(f"a ratio limit must be positive and below 51.6, not {kappa:g}")
    return tuple(map(math.exp, _even(math.log(kappa) + _GAP, math.log(_RATIO_TOP))))


def _falling() -> tuple[float, ...]:
    raw = [math.exp(-3.0 * i / ALTERNATIVES) for i in range(ALTERNATIVES)]
    total = math.fsum(raw)
    return tuple(value / total for value in raw)


FALLING = _falling()
"""Weights of the absolute, floor and attribution-aware processes."""
EQUAL = (1.0 / ALTERNATIVES,) * ALTERNATIVES
"""Weights of the ratio and safe processes."""


NEAR = (0.15, 0.3)
"""Log-odds above the limit of the alternatives for regressions just above it."""
PAIRS = 10
"""Alternatives of the regression process, the near ones included; 24 find nothing sooner (statistics.md §4.5)."""
_NEAR_WEIGHT = 0.08
_FAR_GAP, _PAIR_TOP = 0.5, 0.5
_FAR_RATIO = 1.35
"""The baseline's rate is typically that much below the limit of a regression."""
NOT_WORSE = 12
"""Alternatives of the process that shows a version to be not worse than its baseline."""


@dataclass(frozen=True, slots=True)
class PairGrid:
    """Alternatives of the regression process: a failure probability with the ratio to the baseline it stands for.

    Attributes:
        bad: ln(p/limit), the log factor of a bad request against the limit.
        good: ln((1-p)/(1-limit)), that of a good one.
        ratio: r, at least kappa exp(0.15): p/limit, and 1.35 times that for the far ones.
        ln_ratio: ln(r/kappa).
        weights: falling, sum 1.
    """

    bad: tuple[float, ...]
    good: tuple[float, ...]
    ratio: tuple[float, ...]
    ln_ratio: tuple[float, ...]
    weights: tuple[float, ...]


@lru_cache(maxsize=512)
def pairs(limit: float, kappa: float) -> PairGrid:
    """The alternatives above `limit` and `kappa`.

    Raises:
        ValueError: nothing lies above one of them.
    """
    above(limit)
    ratios(kappa)
    at_limit, far = logit(limit), PAIRS - len(NEAR)
    top = logit(_PAIR_TOP) if at_limit + 1.5 < logit(_PAIR_TOP) else logit(_TOP)
    first = min(at_limit + _FAR_GAP, (at_limit + _GAP + top) / 2.0)
    steps = [first + (top - first) * i / (far - 1) for i in range(far)]
    alternatives = [expit(min(at_limit + gap, first)) for gap in NEAR] + [expit(step) for step in steps]
    factors = [1.0] * len(NEAR) + [_FAR_RATIO] * far
    ratio = tuple(
        min(_RATIO_TOP, max(kappa * math.exp(_GAP), factor * p / limit))
        for p, factor in zip(alternatives, factors, strict=True)
    )
    raw = [math.exp(-2.5 * i / far) for i in range(far)]
    total = math.fsum(raw) / (1.0 - _NEAR_WEIGHT)
    return PairGrid(
        bad=tuple(math.log(p / limit) for p in alternatives),
        good=tuple(math.log1p(-p) - math.log1p(-limit) for p in alternatives),
        ratio=ratio,
        ln_ratio=tuple(math.log(r / kappa) for r in ratio),
        weights=(*(_NEAR_WEIGHT / len(NEAR) for _ in NEAR), *(value / total for value in raw)),
    )


@lru_cache(maxsize=16)
def below_ratio(kappa: float) -> tuple[float, ...]:
    """Ratios from 0.5 to just below `kappa`, as seen from the baseline: 1/kappa exp(0.15) up to 2, even in logarithm.

    Raises:
        ValueError: `kappa` is below 1.2, next to which equal versions can't be told apart.
    """
    if kappa < 1.2:
        raise ValueError(f"not_worse_than must be at least 1.2, not {kappa:g}")
    first, last = -math.log(kappa) + _GAP, math.log(2.0)
    return tuple(math.exp(first + (last - first) * i / (NOT_WORSE - 1)) for i in range(NOT_WORSE))


@dataclass(frozen=True, slots=True)
class BinomialGrid:
    """Per alternative p the log factor of a bad and of a good request: ln(p/limit), ln((1-p)/(1-limit))."""

    bad: tuple[float, ...]
    good: tuple[float, ...]


def _binomial(limit: float, alternatives: tuple[float, ...]) -> BinomialGrid:
    return BinomialGrid(
        bad=tuple(math.log(p / limit) for p in alternatives),
        good=tuple(math.log1p(-p) - math.log1p(-limit) for p in alternatives),
    )


@lru_cache(maxsize=512)
def binomial_above(limit: float) -> BinomialGrid:
    """The log factors of `above(limit)`."""
    return _binomial(limit, above(limit))


@lru_cache(maxsize=512)
def binomial_below(limit: float) -> BinomialGrid:
    """The log factors of `below(limit)`."""
    return _binomial(limit, below(limit))
