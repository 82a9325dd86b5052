"""Laws of the machine, over any sequence of verdicts, requests, waits, crashes between writes and foreign changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canary.core.alias import ALL_BP, AliasState
from canary.core.events import Effect, WriteAliases
from canary.core.machine import conclude, request, start_writes
from canary.core.phases import FINAL, FORWARD, RETURNING, TRANSITIONS, Phase, Signal
from canary.core.plan import StagePlan
from canary.core.recover import fingerprint, in_order, recover
from canary.core.state import CanaryState, FunctionState
from canary.core.verdict import Judgement, Rule, Verdict
from canary.errors import RefusedError
from tests.canary.stages import stage_of

pytestmark = pytest.mark.sweep

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
REQUESTS = (Signal.PAUSE, Signal.RESUME, Signal.PROMOTE, Signal.ROLLBACK, Signal.ABORT)
POLICIES = st.sampled_from(["hold", "rollback", "promote"])


@dataclass
class Journey:
    """A canary of two functions whose only memory are its aliases."""

    stage: StagePlan
    now: datetime = START
    aliases: dict[str, AliasState] = field(default_factory=dict)
    weights: list[dict[str, int]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    grew_on: list[tuple[Verdict | None, str]] = field(default_factory=list)
    is_unhealthy: bool = False
    was_unhealthy: bool = False
    state: CanaryState | None = None

    def __post_init__(self) -> None:
        for function in in_order(self.stage):
            self.aliases[function.key] = AliasState(function, "1", None, 0, f"text of {function}", "r")
        first = CanaryState(
            "id",
            self.stage,
            tuple(FunctionState(f, "1", "2", self.aliases[f.key].description) for f in in_order(self.stage)),
            Phase.STARTING,
            START,
            fingerprint(self.stage),
        )
        self.state = first
        self._write((start_writes(first),), None)

    def weight(self, key: str) -> int:
        alias = self.aliases[key]
        return ALL_BP if alias.version == "2" else alias.extra_bp

    def look(self) -> CanaryState | None:
        seen = recover(self.stage, [self.aliases[function.key] for function in in_order(self.stage)])
        if seen is not None:
            self.state = seen
        return seen

    def tick(self, verdict: Verdict, crash_after: int | None) -> None:
        seen = self.look()
        if seen is None:
            return
        if self.is_unhealthy:
            verdict = Verdict.UNHEALTHY  # the judge recomputes from all rows, so what was unhealthy stays unhealthy
        before = {key: self.weight(key) for key in self.aliases}
        written = len(self.weights)
        process = {Verdict.HEALTHY: Rule.SAFE, Verdict.UNHEALTHY: Rule.REGRESSION}.get(verdict, Rule.WAITING)
        after, _, effects = conclude(seen, Judgement(verdict, verdict.value, process, self.now), self.now)
        self._write(effects, crash_after)
        if verdict is Verdict.UNHEALTHY and seen.phase in FORWARD | {Phase.PROMOTING, Phase.POST_BAKE} and seen.ours:
            self.is_unhealthy = True
            self.was_unhealthy |= len(self.weights) > written
        if any(self.weight(key) > before[key] for key in self.aliases):
            self.grew_on.append((verdict, after.why if not seen.behind else "completed"))
        self.state = after

    def ask(self, signal: Signal, crash_after: int | None) -> None:
        seen = self.look()
        if seen is None or seen.foreign or seen.unstarted:
            return
        try:
            after, _, effects = request(seen, signal, "by hand", self.now)
        except RefusedError:
            return
        before = {key: self.weight(key) for key in self.aliases}
        self._write(effects, crash_after)
        if any(self.weight(key) > before[key] for key in self.aliases):
            self.grew_on.append((None, signal.value))
        self.state = after

    def _write(self, effects: tuple[Effect, ...], crash_after: int | None) -> None:
        """Writes as the runner does; a crash leaves the later writes undone."""
        left = crash_after
        for effect in effects:
            if not isinstance(effect, WriteAliases):
                continue
            for write in effect.writes:
                if left is not None:
                    if left == 0:
                        return
                    left -= 1
                key, spec = write.function.key, write.spec
                assert len(spec.description) <= 256
                self.aliases[key] = AliasState(
                    write.function, spec.version, spec.extra_version, spec.extra_bp, spec.description, "r"
                )
                self.weights.append({name: self.weight(name) for name in self.aliases})


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.sampled_from(list(Verdict)), st.sampled_from([None, None, None, 0, 1, 2])),
        st.tuples(st.just("tick"), st.just(Verdict.HEALTHY), st.sampled_from([None, None, 1])),
        st.tuples(st.just("ask"), st.sampled_from(REQUESTS), st.sampled_from([None, 1])),
        st.tuples(st.just("wait"), st.integers(1, 60), st.none()),
    ),
    max_size=40,
)


def travel(journey: Journey, steps: list[tuple[str, object, int | None]], check: Callable[[Journey], None]) -> None:
    for kind, what, crash_after in steps:
        if kind == "tick":
            assert isinstance(what, Verdict)
            journey.tick(what, crash_after)
        elif kind == "ask":
            assert isinstance(what, Signal)
            journey.ask(what, crash_after)
        else:
            assert isinstance(what, int)
            journey.now += timedelta(minutes=what)
        check(journey)


def plan(on_inconclusive: str, on_no_data: str) -> StagePlan:
    return stage_of("api:live", "worker:live", on_inconclusive=on_inconclusive, on_no_data=on_no_data)


@given(STEPS, POLICIES, POLICIES)
def test_once_unhealthy_only_weight_0_is_written(steps: list, inconclusive: str, no_data: str) -> None:
    journey = Journey(plan(inconclusive, no_data))
    unhealthy_from = -1

    def check(now: Journey) -> None:
        nonlocal unhealthy_from
        if now.was_unhealthy and unhealthy_from < 0:
            unhealthy_from = len(now.weights)
        if unhealthy_from >= 0:
            for earlier, later in zip(now.weights[unhealthy_from - 1 :], now.weights[unhealthy_from:], strict=False):
                assert all(later[key] <= earlier[key] for key in later)
                assert any(later[key] == 0 for key in later)

    travel(journey, steps, check)


@given(STEPS, POLICIES, POLICIES, st.sampled_from(["off", "last_safe"]))
def test_an_unhealthy_rollout_gains_no_users_and_rests_where_it_was_shown_healthy(
    steps: list, inconclusive: str, no_data: str, on_unhealthy: str
) -> None:
    plan = {"name": "checkout", "flag": "file:flags.json#a", "outcomes": "csv:a.csv", "on_unhealthy": on_unhealthy}
    policies = {"on_inconclusive": inconclusive, "on_no_data": no_data}
    journey = Journey(StagePlan.model_validate({**plan, **policies}))
    (key,) = journey.aliases
    shown_healthy, before, unhealthy_from = {0}, 0, -1

    def check(now: Journey) -> None:
        nonlocal before, unhealthy_from
        weight = now.weight(key)
        if weight > before and now.grew_on[-1][0] is Verdict.HEALTHY and on_unhealthy == "last_safe":
            shown_healthy.add(before)
        if now.was_unhealthy and unhealthy_from < 0:
            unhealthy_from = len(now.weights) - 1
        if unhealthy_from >= 0:
            assert weight in shown_healthy
            shares = [weights[key] for weights in now.weights[unhealthy_from:]]
            assert shares == sorted(shares, reverse=True)
        before = weight

    travel(journey, steps, check)


@given(STEPS, POLICIES, POLICIES)
def test_rolled_back_means_all_traffic_on_the_baseline_and_promoted_means_never_unhealthy(
    steps: list, inconclusive: str, no_data: str
) -> None:
    def check(now: Journey) -> None:
        state = now.state
        assert state is not None
        if recover(now.stage, list(now.aliases.values())) is not None:
            return  # not finished: a crash may have left an end half restored
        routes = {(alias.version, alias.extra_version) for alias in now.aliases.values()}
        if state.phase in {Phase.ROLLED_BACK, Phase.ABORTED}:
            assert routes == {("1", None)}
        if state.phase is Phase.PROMOTED:
            assert routes == {("2", None)}
            assert not now.was_unhealthy
        if state.phase in FINAL:
            assert {alias.description for alias in now.aliases.values()} == {
                f"text of {function}" for function in in_order(now.stage)
            }

    travel(Journey(plan(inconclusive, no_data)), steps, check)


@given(STEPS)
def test_a_weight_grows_only_on_a_healthy_verdict_or_on_request(steps: list) -> None:
    """With policies that don't promote. The first weight is the start itself; completing a step adds no decision."""

    def check(now: Journey) -> None:
        for verdict, why in now.grew_on:
            grown = (
                verdict is Verdict.HEALTHY or why == "completed" or why.startswith("canary started") or verdict is None
            )
            assert grown, (verdict, why)

    travel(Journey(plan("hold", "rollback")), steps, check)


@given(STEPS)
@example([("tick", Verdict.HEALTHY, 1), ("ask", Signal.PAUSE, None)])
def test_an_unhealthy_tick_and_quiet_ones_end_with_the_baseline_or_after_the_end(steps: list) -> None:
    """Paused, held, inconclusive, half written: the rollback is always open, and leads to the end."""
    journey = Journey(plan("hold", "hold"))
    travel(journey, steps, lambda now: None)
    state = journey.look()
    if state is None or state.phase in RETURNING | {Phase.PROMOTED}:
        return
    for _ in range(3):
        journey.tick(Verdict.UNHEALTHY, None)
    assert journey.look() is None
    assert {(alias.version, alias.extra_version) for alias in journey.aliases.values()} == {("1", None)}


@given(STEPS, st.integers(0, 39))
@settings(max_examples=60)
def test_a_foreign_change_stops_every_write_until_a_rollback_of_what_is_ours(steps: list, at: int) -> None:
    journey = Journey(plan("hold", "hold"))
    travel(journey, steps[:at], lambda now: None)
    state = journey.look()
    if state is None or state.phase not in FORWARD or journey.is_unhealthy:
        return
    journey.aliases["worker:live"] = replace(
        journey.aliases["worker:live"], version="12", extra_version=None, extra_bp=0
    )
    before = dict(journey.aliases)
    for verdict in (Verdict.HEALTHY, Verdict.INCONCLUSIVE, Verdict.NO_DATA):
        journey.tick(verdict, None)
        assert journey.state is not None
        assert journey.state.phase is Phase.CONFLICT
    assert journey.aliases == before
    journey.tick(Verdict.UNHEALTHY, None)
    assert journey.aliases["worker:live"] != before["worker:live"] or journey.aliases["api:live"] != before["api:live"]


@given(st.sampled_from(list(Phase)), st.sampled_from(list(Signal)))
def test_a_signal_either_follows_the_table_or_changes_nothing(phase: Phase, signal: Signal) -> None:
    state = replace(Journey(plan("hold", "hold")).state, phase=phase)  # type: ignore[type-var]
    if phase not in {Phase.STARTING, *FINAL}:
        state = request(replace(state, phase=Phase.BAKING), Signal.NEXT_STEP, "", START)[0]
        state = replace(state, phase=phase)
    if signal not in TRANSITIONS[phase]:
        try:
            request(state, signal, "", START)
        except RefusedError:
            return
        raise AssertionError
    if signal is Signal.NEXT_STEP or (signal is Signal.BEGIN and phase is not Phase.STARTING):
        return
    assert request(state, signal, "", START)[0].phase is TRANSITIONS[phase][signal]
