"""A stage as it is now: what its aliases serve and, where a canary is in progress, all that is known of it.

It reads through the ports and changes nothing; `canary status` and the releases panel show what it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from canary.core.alias import ALL_BP, AliasState
from canary.core.events import CanaryStarted, Event, Judged, Measured
from canary.core.phases import Phase
from canary.core.plan import HealthGate, Plan, StagePlan, format_duration
from canary.core.recover import fingerprint, in_order, recover
from canary.core.state import CanaryState, FunctionState
from canary.core.verdict import judge
from canary.core.words import EVERYBODY, shown
from canary.errors import CanaryError, ConflictError, RecordError
from canary.runner import Ports
from canary.runner.aliases import read_all
from canary.runner.observe import Watch, observe, watch_of
from canary.runner.pairing import recorded
from canary.runner.session import NoPairs, Session
from canary.view.build import ViewBuilder, view_of_events
from canary.view.model import CanaryView, FunctionView, Tone

Measure = Callable[[CanaryState, Ports], Iterable[Event]]
"""Answers with what was measured and judged."""


@dataclass(frozen=True, slots=True)
class Route:
    """A version that an alias serves.

    Attributes:
        role: `baseline` or `new`; empty where no canary is in progress.
    """

    version: str
    percent: float
    role: str = ""


@dataclass(frozen=True, slots=True)
class AliasNow:
    """What an alias serves, read now; the version with most of the plan's intent first."""

    key: str
    routes: tuple[Route, ...]
    text: str

    @property
    def name(self) -> str:
        """What people read for its key."""
        return shown(self.key)

    @property
    def percent(self) -> float:
        """Share of a flag's users that have it, in percent."""
        return next((route.percent for route in self.routes if route.version == EVERYBODY), 0.0)


@dataclass(frozen=True, slots=True)
class StageNow:
    """A stage at a moment.

    Attributes:
        at: the moment.
        state: the canary in progress, as its aliases say; None where there is none.
        canary: all that is shown of it.
        problem: why the records of the aliases can't be followed; what they serve is known all the same.
    """

    stage: StagePlan
    at: datetime
    aliases: tuple[AliasNow, ...]
    state: CanaryState | None = None
    canary: CanaryView | None = None
    problem: CanaryError | None = None

    @property
    def is_unwatched(self) -> bool:
        """Whether an alias has weights that no record explains."""
        return self.state is None and any(len(alias.routes) > 1 for alias in self.aliases)


def measured_now(state: CanaryState, ports: Ports) -> tuple[Event, ...]:
    """What the metrics and the evidence say now; health checks, hooks and probes are left to the driver."""
    reading = replace(ports, observers=(), hooks=None, pairs=NoPairs(), memory=replace(ports.memory, pairs={}))
    looking = Session(state.stage, reading, state.canary_id)
    stage = recorded(state, looking)
    gates = {name: gate for name, gate in stage.gates.items() if not isinstance(gate, HealthGate)}
    observations = observe(replace(state, stage=stage.model_copy(update={"gates": gates})), looking)
    now, name = ports.clock.now(), state.stage.name
    judgement = judge(stage, observations, state.weight_changes, now)
    return (
        Measured(state.canary_id, name, now, observations),
        Judged(state.canary_id, name, now, state.phase, state.weight_bp, judgement),
    )


def stage_now(
    stage: StagePlan, ports: Ports, *, measure: Measure = measured_now, trusts_driver: bool = False
) -> StageNow:
    """The stage as its aliases, its journal and its metrics say.

    Args:
        stage: the plan.
        ports: what it is read through.
        measure: asks the metrics.
        trusts_driver: ask them only where no driver evaluates the canary, as its journal shows.

    Raises:
        AwsError: an alias can't be read.
    """
    seen = read_all(in_order(stage), Session(stage, ports))
    now = ports.clock.now()
    try:
        state = recover(stage, list(seen.values()))
    except (ConflictError, RecordError) as error:
        return StageNow(stage, now, _aliases(seen, None), problem=error)
    if state is None:
        return StageNow(stage, now, _aliases(seen, None))
    events, failed = _events(state, ports)
    builder = ViewBuilder(state.stage).notify_all(events).agree_with(state)
    watch = None if failed else watch_of(state, events, now)
    if watch is None or not (trusts_driver and watch.is_driven):
        builder.notify_all(measure(state, ports))
    view = _as_it_is(builder.view(now), state, seen, watch)
    if failed:
        text = f"Whether a driver is running is not known, for the journal can't be read: {failed}"
        view = replace(view, cautions=(*view.cautions, text))
    return StageNow(stage, now, _aliases(seen, state), state, view)


def past_view(events: Sequence[Event], plan: Plan | None = None) -> CanaryView:
    """A canary as its journal tells it, with the plan's names of gates if the plan is still the same.

    Raises:
        ValueError: the events have no start.
    """
    started = next((event for event in events if isinstance(event, CanaryStarted)), None)
    stage = plan.stages.get(started.stage) if plan is not None and started is not None else None
    if stage is not None and started is not None and fingerprint(stage) != started.fingerprint:
        stage = None
    return view_of_events(events, stage).view()


def _events(state: CanaryState, ports: Ports) -> tuple[tuple[Event, ...], str]:
    """The journal of the canary, or why it can't be read: what the aliases say is known all the same."""
    try:
        return tuple(ports.journal.events(state.canary_id)), ""
    except (CanaryError, OSError) as error:
        return (), error.message if isinstance(error, CanaryError) else str(error)


def _aliases(seen: Mapping[str, AliasState], state: CanaryState | None) -> tuple[AliasNow, ...]:
    versions = {} if state is None else {f.function.key: (f.baseline, f.candidate) for f in state.functions}
    return tuple(
        AliasNow(key, tuple(_routes(alias, *versions.get(key, ("", "")))), alias.routes_text)
        for key, alias in seen.items()
    )


def _routes(alias: AliasState, baseline: str, candidate: str) -> Iterable[Route]:
    roles = {candidate: "new", baseline: "baseline"}
    extra_bp = alias.extra_bp if alias.extra_version else 0
    yield Route(alias.version, (ALL_BP - extra_bp) / 100, roles.get(alias.version, ""))
    if alias.extra_version:
        yield Route(alias.extra_version, extra_bp / 100, roles.get(alias.extra_version, ""))


def _as_it_is(view: CanaryView, state: CanaryState, seen: Mapping[str, AliasState], watch: Watch | None) -> CanaryView:
    """The view with what the aliases serve, and without calling a canary watched that no driver evaluates."""
    name = state.stage.name
    view = replace(
        view,
        functions=tuple(
            _with_routes(shown, function, state, seen)
            for shown, function in zip(view.functions, state.functions, strict=True)
        ),
        last_look_at=watch.last_look_at if watch else None,
        last_look_by=watch.last_look_by if watch else "",
        is_driven=(watch.is_driven or state.phase is Phase.STARTING) if watch else None,
    )
    if state.foreign:
        return replace(
            view,
            tone=Tone.WARN,
            headline=f"{'; '.join(change.text for change in state.foreign)}.",
            next_action=state.stage.words.rest_back(name),
        )
    if watch is None or view.is_driven:
        return view
    if watch.last_look_at is None:
        since = "the journal has no evaluation of it"
    else:
        since = f"the last evaluation was {format_duration(_whole_seconds(view.now - watch.last_look_at))} ago"
    return replace(
        view,
        tone=Tone.WARN,
        headline=f"Not watched: {since}, and no driver is running.",
        next_action=f"`canary resume {name}` to continue, or `canary rollback {name}`",
    )


def _with_routes(
    view: FunctionView, function: FunctionState, state: CanaryState, seen: Mapping[str, AliasState]
) -> FunctionView:
    """The function with what its alias serves, and since when as far as the record knows it."""
    shifts, key = state.shifts_of(function), function.function.key
    known = shifts and key not in {*state.behind, *(change.function for change in state.foreign)}
    since = shifts[-1].at if known else None
    return replace(view, serves=seen[key].routes_text, serves_since=since)


def _whole_seconds(duration: timedelta) -> timedelta:
    return timedelta(seconds=round(duration.total_seconds()))
