"""Random counts, exactly distributed, in pure Python; it knows nothing of requests."""

from __future__ import annotations

import math
from random import Random


def poisson(mean: float, rng: Random) -> int:
    """A Poisson count.

    Below a mean of 10 Knuth's product of uniforms, above it Hörmann's transformed rejection PTRS (W. Hörmann, "The
    transformed rejection method for generating Poisson random variables", 1993), exact at any mean and as fast at
    10,000 as at 10.
    """
    if mean <= 0.0:
        return 0
    if mean < 10.0:
        return _knuth(mean, rng)
    return _ptrs(mean, rng)


def _knuth(mean: float, rng: Random) -> int:
    limit = math.exp(-mean)
    count = 0
    product = rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def _ptrs(mean: float, rng: Random) -> int:
    log_mean = math.log(mean)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u = rng.random() - 0.5
        v = rng.random()
        us = 0.5 - abs(u)
        count = math.floor((2.0 * a / us + b) * u + mean + 0.43) if us > 0.0 else -1
        if us >= 0.07 and v <= v_r:
            return count
        if count < 0 or (us < 0.013 and v > us):
            continue
        accept = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if accept <= count * log_mean - mean - math.lgamma(count + 1.0):
            return count
