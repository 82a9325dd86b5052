"""The judge's rules over many canaries at once, minute by minute, with numpy.

The grids, weights and constants are the shipped ones; `tests/benchmarks/test_engine.py` holds the two together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from canary.core.stats import dispersion as shipped
from canary.core.stats.grids import EQUAL, FALLING, binomial_above, binomial_below, pairs, ratios
from canary.core.stats.mixture import onset_weight, unspent_weight
from canary.core.stats.processes import BLOCK_FAILURES, BLOCK_MINUTES
from canary.core.verdict.guards import CRASH_EVIDENCE, CRASH_KAPPA, CRASH_RATIO, CRASH_REQUESTS
from canary.core.verdict.incident import LEAST_FAILURES
from canary.core.verdict.scoring import WARM_UP_CEILING

Array = np.ndarray
LIMIT = 0.05
LN_BOUND = math.log(100)
LN_SAFE = math.log(20)


@dataclass(frozen=True)
class Settings:
    """What a plan may set, as far as the battery needs it."""

    shared: str = "grace"
    grace: int = 3
    warm_up: int = 0
    kappa: float = 1.1
    from_history: float = 1.5
    floor: float = 0.001
    not_worse_than: float = 2.5
    horizon: int = 67


@dataclass
class History:
    """The dispersion and the rate of each run."""

    rate: Array
    phi: Array
    rho: Array
    upper: Array


def read_history(n: Array, x: Array) -> History:
    """`estimate_dispersion` for every run; minutes without traffic count with a term of 0."""
    minutes = n.shape[1]
    window = shipped.OUTAGE_MINUTES

    def terms(rate: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(n > 0, (x - n * rate[:, None]) ** 2 / (n * (rate * (1 - rate))[:, None]), 0.0)

    def sums(values: Array) -> Array:
        whole = np.cumsum(np.pad(values, ((0, 0), (1, 0))), 1)
        return whole[:, window:] - whole[:, :-window]

    rate = np.clip(x.sum(1) / np.maximum(n.sum(1), 1), 1e-7, 1 - 1e-7)
    worst = sums(terms(rate)).argmax(1)
    index = np.arange(minutes)[None]
    outside = ~((index >= worst[:, None]) & (index < worst[:, None] + window))
    kept = (n * outside).sum(1)
    rate = np.clip((x * outside).sum(1) / np.maximum(kept, 1), 1e-7, 1 - 1e-7)
    values = terms(rate)
    windows = sums(values)
    begins = np.arange(windows.shape[1])[None]
    second = np.where(np.abs(begins - worst[:, None]) < window, -1.0, windows).max(1)
    outage = (values * ~outside).sum(1)
    with_traffic = (n > 0).sum(1)
    mean = n.sum(1) / np.maximum(with_traffic, 1)
    usable = (with_traffic >= shipped.MINIMUM_MINUTES) & (mean > 1)
    pearson = (values * outside).sum(1) + np.minimum(outage, np.maximum(second, 0))
    phi = np.where(usable, np.maximum(1.0, pearson / np.maximum(with_traffic - 1, 1)), 1.0)
    rho = np.where(usable, np.clip((phi - 1) / np.maximum(mean - 1, 1e-9), 0, 1), 0.0)
    z, m = 1.6449, np.maximum(kept, 1) / phi
    spread = z * np.sqrt(rate * (1 - rate) / m + z * z / (4 * m * m))
    upper = np.where(usable, (rate + z * z / (2 * m) + spread) / (1 + z * z / m), np.nan)
    return History(rate, phi, rho, upper)


class Judge:
    """The state of every run's processes; `see` takes the next minute of all of them."""

    def __init__(self, history: History, settings: Settings) -> None:
        self.settings, self.history = settings, history
        runs = len(history.phi)
        worse = np.maximum(settings.from_history * history.rate, 1.1 * history.upper)
        limit = np.clip(worse, settings.floor, LIMIT)
        digits = 10.0 ** (1 - np.floor(np.log10(limit)))
        self.limit = np.where(np.isnan(limit), 0.01, np.minimum(LIMIT, np.ceil(np.round(limit * digits, 6)) / digits))
        self.kappa = np.where(np.isnan(limit), 1.5, settings.kappa)
        values, which = np.unique(np.stack([self.limit, self.kappa]), axis=1, return_inverse=True)
        grids = [pairs(float(limit), float(kappa)) for limit, kappa in values.T]
        self._bad, self._good, self._ratio, self._ln_ratio = (
            np.array([getattr(grid, name) for grid in grids])[which.ravel()]
            for name in ("bad", "good", "ratio", "ln_ratio")
        )
        self._weights = np.array(grids[0].weights)
        zeros = np.zeros((runs, len(self._weights)))
        self._held, self._against = zeros.copy(), zeros.copy()
        self._sum_bad, self._sum_good = np.zeros(runs), np.zeros(runs)
        self._waiting, self._expected = np.zeros(runs), np.zeros(runs)
        self._age = np.zeros(runs, int)
        self.minute = 0
        grid = binomial_above(LIMIT)
        self._lit_bad, self._lit_good = np.array(grid.bad), np.array(grid.good)
        self._literal = np.zeros((runs, len(FALLING)))
        self._lit_minute = np.zeros(runs, int)
        self.began = np.full(runs, -1)
        self.crashing = np.zeros(runs, bool)
        self._last = np.zeros((runs, 4))
        self.ln_e = np.zeros(runs)
        self.restart_proof()

    def restart_proof(self, mask: Array | None = None) -> None:
        """Proof of health starts anew: at a weight, after an incident."""
        runs = len(self.limit)
        below = binomial_below(LIMIT)
        if mask is None:
            self._safe_bad, self._safe_good = np.array(below.bad), np.array(below.good)
            null = 1 / self.settings.not_worse_than
            self._equal = np.exp(np.linspace(math.log(null) + 0.15, math.log(2.0), 12))
            self._ln_safe, self._ln_equal = np.zeros((runs, 24)), np.zeros((runs, 12))
            return
        self._ln_safe[mask] = 0.0
        self._ln_equal[mask] = 0.0

    def dispersion(self, n: Array) -> Array:
        h = self.history
        return np.maximum(1 + np.maximum(n - 1, 0) * h.rho, np.minimum(h.phi, shipped.CLUSTER_REQUESTS))

    def see(self, counts: tuple[Array, Array, Array, Array], warming: Array) -> tuple[Array, Array, Array]:
        """The next minute: who is unhealthy by evidence, who by crash, who because of an incident that lasts."""
        n_c, x_c, n_b, x_b = counts
        self.minute += 1
        d_a = self.dispersion(n_c)
        share = n_c / np.maximum(n_c + n_b, 1)
        d_r = np.maximum(1.0, (1 - share) * d_a + share * self.dispersion(n_b))
        regressed = self._regression(counts, d_a, d_r, warming)
        crashed = self._crash(counts)
        lasting = self._incident(counts, d_a, warming)
        self._ln_safe += (x_c[:, None] * self._safe_bad + (n_c - x_c)[:, None] * self._safe_good) / d_a[:, None]
        null = 1 / self.settings.not_worse_than
        self._ln_equal += ratio_logs(n_b, x_b, n_c, x_c, null, self._equal[None]) / d_r[:, None]
        self._last = np.stack(counts, 1)
        return regressed, crashed, lasting

    def healthy(self) -> Array:
        safe = np.logaddexp.reduce(self._ln_safe, 1) - math.log(24)
        equal = np.logaddexp.reduce(self._ln_equal, 1) - math.log(12)
        return ((safe >= LN_SAFE) | (equal >= LN_SAFE)) & (self.began < 0)

    def _regression(self, counts: tuple[Array, Array, Array, Array], d_a: Array, d_r: Array, warming: Array) -> Array:
        n_c, x_c, n_b, x_b = counts
        onset = onset_weight(self.minute, self.settings.horizon)
        fresh = self._age == 0
        self._held += np.where(fresh, onset, 0.0)[:, None]
        self._waiting += np.where(fresh, 0.0, onset)
        self._age += 1
        self._expected += n_c * self.limit
        self._sum_bad += x_c / d_a
        self._sum_good += (n_c - x_c) / d_a
        self._against += ratio_logs(n_c, x_c, n_b, x_b, self.kappa[:, None], self._ratio, self._ln_ratio) / d_r[:, None]
        logs = np.minimum(self._sum_bad[:, None] * self._bad + self._sum_good[:, None] * self._good, self._against)
        values = self._held * np.exp(np.clip(logs, -600, 300))
        total = values @ self._weights
        if self.settings.warm_up:
            excess = np.where(warming, np.maximum(1.0, total / math.exp(WARM_UP_CEILING)), 1.0)
            self._held /= excess[:, None]
            values /= excess[:, None]
            total = total / excess
        rest = self._waiting + unspent_weight(self.minute, self.settings.horizon)
        self.ln_e = np.log(np.maximum(total + rest, 1e-300))
        full = (self._expected >= BLOCK_FAILURES) | (self._age >= BLOCK_MINUTES)
        self._held = np.where(full[:, None], np.minimum(values + self._waiting[:, None], 1e150), self._held)
        for name in ("_waiting", "_expected", "_sum_bad", "_sum_good"):
            setattr(self, name, np.where(full, 0.0, getattr(self, name)))
        self._against = np.where(full[:, None], 0.0, self._against)
        self._age = np.where(full, 0, self._age)
        return self.ln_e >= LN_BOUND

    def _crash(self, counts: tuple[Array, Array, Array, Array]) -> Array:
        n_c, x_c, _, _ = counts
        broken = (n_c >= CRASH_REQUESTS) & (x_c >= CRASH_RATIO * n_c)
        both = [now + before for now, before in zip(counts, self._last.T, strict=True)]
        logs = ratio_logs(*both, CRASH_KAPPA, np.array(ratios(CRASH_KAPPA))[None])
        evidence = 0.675 * np.exp(np.clip(logs, -500, 500)) @ np.array(EQUAL) + 0.325
        crashed = broken & self.crashing & ((both[2] == 0) | (evidence >= CRASH_EVIDENCE))
        self.crashing = broken
        return crashed

    def _incident(self, counts: tuple[Array, Array, Array, Array], d_a: Array, warming: Array) -> Array:
        n_c, x_c, _, _ = counts
        active = self.began >= 0
        self._lit_minute += ~active
        onset = np.array([onset_weight(int(max(1, m)), self.settings.horizon) for m in self._lit_minute])
        logs = (x_c[:, None] * self._lit_bad + (n_c - x_c)[:, None] * self._lit_good) / d_a[:, None]
        grown = np.minimum((self._literal + onset[:, None]) * np.exp(np.clip(logs, -600, 300)), 1e150)
        self._literal = np.where(active[:, None], self._literal, grown)
        total = self._literal @ np.array(FALLING)
        if self.settings.warm_up:
            excess = np.where(warming, np.maximum(1.0, total / math.exp(WARM_UP_CEILING)), 1.0)
            self._literal /= excess[:, None]
            total = total / excess
        begins = ~active & (total >= math.exp(LN_BOUND))
        window = [now + before for now, before in zip(counts, self._last.T, strict=True)]
        bad, requests = window[1] + window[3], window[0] + window[2]
        within = (requests > 0) & (bad <= LIMIT * requests)
        above = (requests > 0) & ~within & (window[1] >= LEAST_FAILURES) & (window[1] > LIMIT * window[0])
        over = active & within
        lasting = active & ~over & above & (self.minute - self.began >= self.settings.grace)
        self.began = np.where(begins, self.minute, np.where(over, -1, self.began))
        self._literal[over] = 0.0
        self._lit_minute[over] = 0
        self.restart_proof(over)
        if self.settings.shared == "rollback":
            return begins
        return lasting if self.settings.shared == "grace" else np.zeros(len(n_c), bool)


def ratio_logs(
    n_c: Array, x_c: Array, n_b: Array, x_b: Array, kappa: Array | float, ratio: Array, ln_ratio: Array | None = None
) -> Array:
    """LR_i of statistics.md §4.4 without d; 0 where a side is silent."""
    null = kappa * n_c[:, None] + n_b[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = x_c[:, None] * (np.log(ratio / kappa) if ln_ratio is None else ln_ratio)
        logs = logs + (x_c + x_b)[:, None] * (np.log(null) - np.log(ratio * n_c[:, None] + n_b[:, None]))
    return np.where(((n_c > 0) & (n_b > 0))[:, None], logs, 0.0)
