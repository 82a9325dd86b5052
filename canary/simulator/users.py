"""Synthetic users of a flag's rollout: some broken in both arms, few of them very active, most of them returning.

Requests are drawn one by one; which user counts where is decided by the rules that the stores have
(`flagkit.core.outcomes`). Nothing here judges or waits.
"""

# ruff: noqa: S311 - synthetic users need no secret randomness

from __future__ import annotations

import itertools
from bisect import bisect
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from canary.errors import UsageError
from canary.simulator.ports import Requests
from flagkit.core.outcomes import FAILED, SLOW, Exposed, Outcome, Row, Unit, expose, report

ON, OFF = "on", "off"
_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Users:
    """Who uses the feature.

    Attributes:
        number: users that may come during the rollout.
        broken: share for whom every request fails, in both arms alike.
        broken_by_variant: share for whom every request fails with the variant, besides.
        spread: standard deviation of the logarithm of a user's activity; 1.5 makes the most active percent of the users
            send a fifth of the requests.
        lost: share of users with the variant who are never seen: a redirect that fails.
    """

    number: int = 5000
    broken: float = 0.02
    broken_by_variant: float = 0.0
    spread: float = 1.5
    lost: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.number <= _MOST:
            raise UsageError(f"{self.number:,} users can't be simulated", hint=f"1 to {_MOST:,}.")
        if not all(0.0 <= share <= 1.0 for share in (self.broken, self.broken_by_variant, self.lost)):
            raise UsageError("shares of users must lie between 0 % and 100 %")
        if not 0.0 <= self.spread <= 3.0:
            raise UsageError("the spread of the activity must lie between 0 and 3")


class UserTraffic:
    """Requests of synthetic users, minute by minute, in order.

    Args:
        users: who they are.
        seed: the same seed gives the same users, and the same requests whatever the shares are.
        window: how long outcomes count after the first exposure.
    """

    def __init__(self, users: Users, seed: str, window: timedelta = timedelta(minutes=5)) -> None:
        rng = Random(f"{seed}/users")
        self._rng, self._window_s = Random(f"{seed}/requests"), window.total_seconds()
        self._activity = list(itertools.accumulate(rng.lognormvariate(0.0, users.spread) for _ in range(users.number)))
        self._bucket = [rng.random() for _ in range(users.number)]
        self._broken = [rng.random() < users.broken for _ in range(users.number)]
        self._with_variant = [rng.random() < users.broken_by_variant for _ in range(users.number)]
        self._lost = [rng.random() < users.lost for _ in range(users.number)]
        self._units: dict[int, Unit] = {}
        self._rows: dict[int, list[Row]] = defaultdict(list)
        self._minute = 0
        self.requests = Requests(), Requests()

    def serve(self, requests: int, share: float, failing: tuple[float, float], slow: tuple[float, float]) -> None:
        """One more minute.

        Args:
            requests: how many.
            share: of the users who get the variant.
            failing: share of failing requests with the variant and without it.
            slow: share of slow requests with the variant and without it.
        """
        rng, base = self._rng, self._minute * 60.0
        total, last = self._activity[-1], len(self._activity) - 1
        counts = [[0, 0, 0], [0, 0, 0]]
        for index in range(requests):
            # Three numbers for each request, used or not: other shares don't change the users.
            user = min(last, bisect(self._activity, rng.random() * total))
            fails, slows = rng.random(), rng.random()
            has = self._bucket[user] < share
            if has and self._lost[user]:
                continue
            at_s = base + 60.0 * (index + 0.5) / max(1, requests)
            broken = self._broken[user] or (has and self._with_variant[user])
            failed = broken or fails < failing[0 if has else 1]
            is_slow = slows < slow[0 if has else 1]
            count = counts[0 if has else 1]
            count[0] += 1
            count[1] += failed
            count[2] += is_slow
            unit = self._units.get(user)
            if unit is None:
                unit, row = expose(None, Exposed("simulated", str(user), ON if has else OFF, at_s), self._window_s)
                self._add(row)
            for metric, happened in ((FAILED, failed), (SLOW, is_slow)):
                if happened:
                    unit, row = report(unit, Outcome("simulated", str(user), metric, at_s), self._window_s)
                    self._add(row)
            self._units[user] = unit
        self.requests = Requests(*counts[0]), Requests(*counts[1])
        self._minute += 1

    def closed(self, minute: int) -> tuple[Requests, Requests]:
        """The users whose windows closed in a minute since the start, as counts with the variant and without it."""
        found = []
        for arm in (ON, OFF):
            rows = [row for row in self._rows[minute] if row.arm == arm]
            failed, slow = (sum(row.bad.get(metric, 0) for row in rows) for metric in (FAILED, SLOW))
            found.append(Requests(sum(row.users for row in rows), failed, slow))
        return found[0], found[1]

    def _add(self, row: Row | None) -> None:
        if row is not None:
            self._rows[row.minute].append(row)
