"""The processes as statistics.md §4 writes them, onset by onset, in plain loops: slow, and nothing shared with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from canary.core.stats.processes import Counts

Factor = Callable[[Counts, int], float]


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def even(first: float, last: float, count: int) -> list[float]:
    return [first + (last - first) * i / (count - 1) for i in range(count)]


def above(limit: float, top: float = 0.98, count: int = 24) -> list[float]:
    return [1 / (1 + math.exp(-x)) for x in even(logit(limit) + 0.15, logit(top), count)]


def falling(decay: float, count: int) -> list[float]:
    raw = [math.exp(-decay * i / count) for i in range(count)]
    return [value / sum(raw) for value in raw]


def weight_of_onset(minute: int, horizon: int) -> float:
    if minute == 1:
        return 0.9 * (0.75 if horizon > 1 else 1.0)
    if minute <= horizon:
        return 0.9 * 0.25 / (horizon - 1)
    block = math.ceil(minute / horizon)
    return 0.1 / ((block - 1) * block) / horizon


def absolute(limit: float) -> Factor:
    grid = above(limit)

    def factor(m: Counts, i: int) -> float:
        p = grid[i]
        return (m.x_c * math.log(p / limit) + (m.n_c - m.x_c) * math.log((1 - p) / (1 - limit))) / m.d_a

    return factor


def ratio_against(kappa: float, alternatives: Sequence[float]) -> Factor:
    def factor(m: Counts, i: int) -> float:
        if not m.n_c or not m.n_b:
            return 0.0
        r = alternatives[i]
        null, bet = (rate * m.n_c / (rate * m.n_c + m.n_b) for rate in (kappa, r))
        return (m.x_c * math.log(bet / null) + m.x_b * math.log((1 - bet) / (1 - null))) / m.d_r

    return factor


def ratio(kappa: float) -> Factor:
    return ratio_against(kappa, [math.exp(x) for x in even(math.log(kappa) + 0.15, math.log(60), 24)])


def path(minutes: Sequence[Counts], factor: Factor, weights: Sequence[float], horizon: int) -> list[float]:
    """Ln E_t = ln( sum over onsets s <= t of w_s sum over i of pi_i prod of factors + what is unspent )."""
    values = []
    for t in range(1, len(minutes) + 1):
        total = 1 - sum(weight_of_onset(s, horizon) for s in range(1, t + 1))
        for onset in range(1, t + 1):
            for i, pi in enumerate(weights):
                product = math.exp(sum(factor(minutes[s - 1], i) for s in range(onset, t + 1)))
                total += weight_of_onset(onset, horizon) * pi * product
        values.append(math.log(total))
    return values


def regression(minutes: Sequence[Counts], limit: float, kappa: float, horizon: int) -> list[float]:
    """§4.5: onsets begin with a block; within a block the smaller of both products."""
    far = even(logit(limit) + 0.5, logit(0.5), 8)
    grid = [1 / (1 + math.exp(-x)) for x in (logit(limit) + 0.15, logit(limit) + 0.3, *far)]
    factors = [1.0, 1.0, *[1.35] * 8]
    alternatives = [min(60.0, max(kappa * math.exp(0.15), f * p / limit)) for p, f in zip(grid, factors, strict=True)]
    weights = [0.04, 0.04, *(0.92 * weight for weight in falling(2.5, 8))]
    by_limit = [
        lambda m, p=p: (m.x_c * math.log(p / limit) + (m.n_c - m.x_c) * math.log((1 - p) / (1 - limit))) / m.d_a
        for p in grid
    ]
    by_ratio = ratio_against(kappa, alternatives)
    blocks: list[list[int]] = [[]]
    allowed = 0.0
    for index, m in enumerate(minutes):
        blocks[-1].append(index)
        allowed += m.n_c * limit
        if allowed >= 3 or len(blocks[-1]) == 10:
            blocks.append([])
            allowed = 0.0
    values = []
    for t in range(len(minutes)):
        total = 1.0
        for number, block in enumerate(blocks):
            if not block or block[0] > t:
                continue
            # the stake of every onset after the begin of the block before rests until this one begins
            since = blocks[number - 1][0] + 1 if number else 0
            stake = sum(weight_of_onset(s + 1, horizon) for s in range(since, block[0] + 1))
            total -= stake
            for i, pi in enumerate(weights):
                log = 0.0
                for later in blocks[number:]:
                    seen = [minutes[index] for index in later if index <= t]
                    log += min(sum(by_limit[i](m) for m in seen), sum(by_ratio(m, i) for m in seen))
                total += stake * pi * math.exp(log)
        values.append(math.log(total))
    return values
