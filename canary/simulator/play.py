"""One release with synthetic traffic: the shipped judge and machine, without ports and without idle ticks.

A tick at which nothing can happen isn't judged: before a step may end, or while there can't be enough evidence of
health. What rolls a canary back is found at the next tick that is judged, and dated: a late tick tells the same as a
punctual one (statistics.md §4.14). A test holds endings to those of the shipped runner with the same traffic.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from canary.core.alias import ALL_BP
from canary.core.baseline import unhealthy_baselines
from canary.core.machine import conclude, ready_to_advance, request
from canary.core.measurements import MINUTE, FunctionVersions, MinuteCounts, Observations, Stream, StreamKey
from canary.core.phases import FINAL, Phase, Signal
from canary.core.plan import CountingGate, OutcomesGate, ProbesGate, RatioGate, StagePlan, ThrottlesGate
from canary.core.recover import fingerprint
from canary.core.schedule import history_start, next_look, settle, settled_until, whole_minute
from canary.core.state import CanaryState, FunctionState
from canary.core.stats.processes import Counts, not_worse_ln_e
from canary.core.stats.safe import safe_ln_e
from canary.core.verdict import Judgement, Verdict, judge
from canary.core.verdict.scoring import is_by_version, limit_of, warm_up_of
from canary.simulator.counts import BASELINE, CANDIDATE, Scenario, SyntheticTraffic, poisson
from canary.simulator.ports import Requests, minutes_between
from canary.simulator.users import Users, UserTraffic

_PER_JUDGEMENT = 100
"""A judgement of a stream costs as much as so many of its minutes, besides those it looks at."""
TIMEOUT_S = 3
"""Of the synthetic functions."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How one release ended.

    Attributes:
        outcome: `promoted`, `rolled_back` or `inconclusive`.
        minutes: minutes from the first traffic to the end.
        failed_requests: requests that failed on the new version until then, of all functions together.
        in_time: promoted without a hold.
        work: what it cost to play, in minutes of a stream that were drawn or judged; a user costs as much, and a
            request of a user half.
    """

    outcome: str
    minutes: float
    failed_requests: float
    in_time: bool = False
    work: int = field(default=0, compare=False)


Past = dict[StreamKey, tuple[MinuteCounts, ...]]
"""What each stream counted before the start."""


def play(stage: StagePlan, scenario: Scenario, seed: str, past: Past | None = None) -> Ending:
    """Plays one release; whoever waits for a person gets the answer at once.

    Args:
        stage: a plan whose gates all count requests (`releases.playable`).
        scenario: what is assumed.
        seed: the same seed gives the same traffic, whatever the plan does with it.
        past: the history of this seed where it is known (`past_of`); another new version doesn't change it.
    """
    return _Release(stage, scenario, seed, past).ending()


def past_of(stage: StagePlan, scenario: Scenario, seed: str) -> Past:
    """The history with which the release of this seed begins."""
    traffic = SyntheticTraffic(scenario, seed)
    count = (traffic.start - history_start(traffic.start, stage.evidence.history)) // MINUTE
    past = {f.key: traffic.history(f.key, count) for f in stage.functions}
    return {
        key: ()  # before the rollout nobody was exposed
        if isinstance(gate, OutcomesGate)
        else tuple(_row(gate, minute, served) for minute, served in _together(past, key))
        for name, gate in stage.gates.items()
        if isinstance(gate, CountingGate)
        for key in stage.keys(name)
    }


def is_refused(stage: StagePlan, scenario: Scenario, seed: str) -> bool:
    """Whether the start is refused, because the baseline is unhealthy by itself."""
    return bool(unhealthy_baselines(stage, _Release(stage, scenario, seed).streams()))


class _Row:
    """One gate of one function, minute by minute, with what the question "may it be healthy?" needs."""

    def __init__(self, key: StreamKey, gate: CountingGate, history: tuple[MinuteCounts, ...]) -> None:
        self.key, self.gate, self.history = key, gate, history
        self.minutes: list[MinuteCounts] = []
        self._limit = limit_of(gate)
        self._counts: list[Counts] = []
        self._sums: list[tuple[int, int]] = [(0, 0)]
        self.against_limit = 0.0
        """No alternative has more evidence against the limit itself (as in `scoring`): below the bound no incident."""

    def add(self, row: MinuteCounts) -> None:
        n, x = row.candidate_requests, row.candidate_bad
        self.minutes.append(row)
        self._counts.append(Counts(n, x, row.baseline_requests, row.baseline_bad))
        before = self._sums[-1]
        self._sums.append((before[0] + n, before[1] + x))
        if x > self._limit * n:
            good = n - x
            best = x * math.log(x / (n * self._limit))
            self.against_limit += best + (good * math.log(good / (n * (1.0 - self._limit))) if good else 0.0)

    def may_be_healthy(self, since: int, needed: float, factor: float) -> bool:
        """Whether the minutes from `since` on could show it: tempering only makes the proof weaker."""
        warm = since + -(-warm_up_of(self.gate) // MINUTE)
        if any(self._below_limit(begin) >= needed for begin in {since, min(warm, len(self.minutes))}):
            return True
        return is_by_version(self.gate) and not_worse_ln_e(self._counts[warm:], factor) >= needed

    def _below_limit(self, begin: int) -> float:
        (n_1, x_1), (n_0, x_0) = self._sums[-1], self._sums[begin]
        return safe_ln_e(self._limit, n_1 - n_0, x_1 - x_0)


class _Release:
    def __init__(self, stage: StagePlan, scenario: Scenario, seed: str, past: Past | None = None) -> None:
        self._stage, self._traffic = stage, SyntheticTraffic(scenario, seed)
        self._began = self._traffic.start
        self._settle = settle(stage.settle, TIMEOUT_S)
        functions = tuple(FunctionState(function, BASELINE, CANDIDATE) for function in stage.functions)
        self._state = CanaryState("simulated", stage, functions, Phase.STARTING, self._began, fingerprint(stage))
        self._versions = tuple(FunctionVersions(f.key, CANDIDATE, BASELINE) for f in stage.functions)
        before = past_of(stage, scenario, seed) if past is None else past
        self._rows = [
            _Row(key, gate, before[key])
            for name, gate in stage.gates.items()
            if isinstance(gate, CountingGate)
            for key in stage.keys(name)
        ]
        self._deciding = [row for row in self._rows if not row.gate.dry_run and _wants_proof(row.gate)]
        self._users: UserTraffic | None = None
        if any(isinstance(row.gate, OutcomesGate) for row in self._rows):
            self._users = UserTraffic(scenario.users or Users(), seed, stage.window)
            self._arrivals = Random(f"{seed}/arrivals")  # noqa: S311 - synthetic users need no secret randomness
        self._scenario = scenario
        self._served_users: dict[datetime, Served] = {}
        self._resumed = 0
        self._work = sum(len(row.history) for row in self._rows)
        if self._users is not None:
            self._work += (scenario.users or Users()).number
        self._seen = Observations()

    def ending(self) -> Ending:
        now, looks, held = self._began, [self._began], False
        while self._state.phase not in FINAL and self._state.phase is not Phase.INCONCLUSIVE:
            judgement = self._look(now)
            if judgement is not None and judgement.verdict is Verdict.UNHEALTHY:
                return self._ended("rolled_back", self._known_at(judgement, looks))
            if judgement is not None or self._state.phase in {Phase.STARTING, Phase.PROMOTING}:
                self._state = conclude(self._state, judgement, now, self._seen).state
                self._answer(now)
            held = held or self._state.phase is Phase.HOLDING
            following = None if self._state.phase is Phase.INCONCLUSIVE else next_look(self._state, now, self._settle)
            if following is not None:
                now = following
                looks.append(now)
        if self._state.phase is Phase.PROMOTED:
            shifted = next(shift.at for shift in self._state.shifts if shift.weight_bp == ALL_BP)
            return self._ended("promoted", shifted, in_time=not held)
        return self._ended("inconclusive", now)

    def streams(self) -> tuple[Stream, ...]:
        """What was counted up to now."""
        return tuple(Stream(row.key, tuple(row.minutes), row.history) for row in self._rows)

    def _look(self, now: datetime) -> Judgement | None:
        """The judgement, where one could change anything."""
        if not self._state.shifts:
            return None
        self._measure(settled_until(now, self._settle))
        if not self._must_judge(now):
            return None
        self._work += sum(_PER_JUDGEMENT + len(row.minutes) for row in self._rows)
        self._seen = Observations(
            streams=self.streams(),
            versions=self._versions,
            settled_until=settled_until(now, self._settle),
        )
        return judge(self._stage, self._seen, self._state.weight_changes, now)

    def _must_judge(self, now: datetime) -> bool:
        state, step = self._state, self._state.step
        if state.phase is Phase.POST_BAKE:
            return now >= state.step_at + self._stage.post_bake
        if state.phase not in {Phase.BAKING, Phase.HOLDING} or step is None:
            return False
        due = state.step_at + step.bake if state.phase is Phase.BAKING else state.deadline
        if due is not None and now >= due:
            return True
        return not ready_to_advance(state, now) and self._may_be_healthy()

    def _may_be_healthy(self) -> bool:
        evidence = self._stage.evidence
        if any(row.against_limit >= -math.log(evidence.alpha_rollback) for row in self._rows):
            return True  # an incident that has passed starts the proof anew: the judge knows where
        since = -(-(self._state.step_at - whole_minute(self._began)) // MINUTE)
        needed, factor = -math.log(evidence.alpha_safe), float(evidence.not_worse_than)
        return all(len(row.minutes) > since and row.may_be_healthy(since, needed, factor) for row in self._deciding)

    def _answer(self, now: datetime) -> None:
        """What a person who is asked does at once: goes on."""
        while self._state.phase is Phase.PAUSED:
            step, number = self._state.step, self._state.step_number
            is_pause = step is not None and step.pause and self._resumed < number
            self._resumed = number
            signal = Signal.RESUME if is_pause else Signal.PROMOTE
            self._state = request(self._state, signal, "answered at once", now).state

    def _known_at(self, judgement: Judgement, looks: list[datetime]) -> datetime:
        """The first look at which what rolls back was settled."""
        if judgement.first_seen is None:
            return looks[-1]
        settled = judgement.first_seen + MINUTE + self._settle
        return looks[min(bisect_left(looks, settled), len(looks) - 1)]

    def _measure(self, until: datetime) -> None:
        """The minutes up to here, of every gate."""
        done = len(self._rows[0].minutes) if self._rows else 0
        for index in range(done, (until - whole_minute(self._began)) // MINUTE):
            minute = whole_minute(self._began) + MINUTE * index
            share = self._share_in(minute)
            if self._users is not None:
                self._serve_users(self._users, minute, share)
            served = {
                f.key: (
                    self._served(f.key, CANDIDATE, minute, share),
                    self._served(f.key, BASELINE, minute, 1.0 - share),
                )
                for f in self._stage.functions
            }
            for row in self._rows:
                if isinstance(row.gate, ProbesGate):
                    pairs = row.gate.per_minute
                    candidate, baseline = self._traffic.probed(row.key.function, minute, pairs)
                    row.add(MinuteCounts(minute, pairs, candidate, pairs, baseline))
                elif isinstance(row.gate, OutcomesGate) and self._users is not None:
                    on, off = self._users.closed(index)
                    metric = row.gate.metric
                    row.add(MinuteCounts(minute, on.requests, on.bad(metric), off.requests, off.bad(metric)))
                else:
                    row.add(_row(row.gate, minute, _of(served, row.key)))
            self._work += len(self._rows)

    def _serve_users(self, users: UserTraffic, minute: datetime, share: float) -> None:
        since_min = (minute - self._traffic.start) / MINUTE
        on, off = (self._scenario.mix(since_min, candidate=candidate) for candidate in (True, False))
        requests = poisson(self._scenario.requests_per_s * 60.0, self._arrivals)
        users.serve(requests, share, (on[0], off[0]), (on[1], off[1]))
        self._work += requests // 2
        self._served_users[minute] = users.requests

    def _served(self, key: str, version: str, minute: datetime, share: float) -> Requests:
        if minute in self._served_users:
            return self._served_users[minute][0 if version == CANDIDATE else 1]
        return self._traffic.served(key, version, minute, share) if share > 0.0 else Requests()

    def _share_in(self, minute: datetime) -> float:
        """The mean share of the new version in a minute."""
        end, total, before = minute + MINUTE, 0.0, 0.0
        for shift in self._state.shifts:
            if shift.at >= end:
                break
            if shift.at > minute:
                total -= before * ((end - shift.at) / MINUTE)
                total += shift.weight_bp / ALL_BP * ((end - shift.at) / MINUTE)
            else:
                total = shift.weight_bp / ALL_BP
            before = shift.weight_bp / ALL_BP
        return total

    def _ended(self, outcome: str, at: datetime, *, in_time: bool = False) -> Ending:
        began = self._state.shifts[0].at
        failed = 0.0
        for function in self._stage.functions:
            for minute in minutes_between(whole_minute(began), at):
                served = self._served(function.key, CANDIDATE, minute, self._share_in(minute))
                failed += served.failed * min(1.0, (at - minute) / MINUTE)
        return Ending(outcome, (at - self._began) / MINUTE, failed, in_time, self._work)


Served = tuple[Requests, Requests]


def _wants_proof(gate: CountingGate) -> bool:
    return not isinstance(gate, (ProbesGate, ThrottlesGate, RatioGate))


def _of(served: Mapping[str, Served], key: StreamKey) -> Served:
    """What a stream counts: one function's requests, or those of all."""
    if key.function:
        return served[key.function]
    candidates, baselines = zip(*served.values(), strict=True)
    return _sum(candidates), _sum(baselines)


def _sum(parts: Iterable[Requests]) -> Requests:
    rows = tuple(parts)
    return Requests(sum(r.requests for r in rows), sum(r.failed for r in rows), sum(r.slow for r in rows))


def _together(
    past: Mapping[str, Sequence[tuple[datetime, Requests]]], key: StreamKey
) -> Iterator[tuple[datetime, Served]]:
    for rows in zip(*past.values(), strict=True):
        served = dict(zip(past, ((Requests(), row[1]) for row in rows), strict=True))
        yield rows[0][0], _of(served, key)


def _row(gate: CountingGate, minute: datetime, served: Served) -> MinuteCounts:
    """A minute as a gate counts it; where versions can't be told apart, all of it stands as the candidate's."""
    new, old = served
    if is_by_version(gate):
        return MinuteCounts(minute, new.requests, new.bad(gate.kind), old.requests, old.bad(gate.kind))
    return MinuteCounts(minute, new.requests + old.requests, new.bad(gate.kind) + old.bad(gate.kind))
