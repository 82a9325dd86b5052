"""Builds the one view model from a canary's events; it must not render, fetch, judge or ask for the time.

`ViewBuilder` is an observer: the live view gets events as they happen, a report gets the same events from the journal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from canary.core.alias import ALL_BP, basis_points
from canary.core.events import (
    CallRetried,
    CanaryEnded,
    CanaryStarted,
    Event,
    FunctionMove,
    Judged,
    Measured,
    Noticed,
    PhaseChanged,
    TrafficShifted,
)
from canary.core.machine import NOT_WATCHED
from canary.core.measurements import MINUTE, WeightChange
from canary.core.phases import AFTER_PROMOTION, Phase, Signal
from canary.core.plan import ProbesGate, StagePlan, ThrottlesGate
from canary.core.state import CanaryState
from canary.core.verdict import Judgement, Verdict
from canary.core.verdict.arms import steps_of
from canary.core.words import Words, words_of
from canary.view.labels import (
    PHASE_TONES,
    as_sentence,
    headline,
    next_action,
    percent,
    phase_name,
    phase_note,
    span_text,
)
from canary.view.model import (
    CanaryView,
    FunctionView,
    Note,
    StepState,
    StepView,
    StreamView,
    Tone,
    WeightPoint,
)
from canary.view.planned import plan_lines
from canary.view.streams import StreamHistory, minutes_between
from flagkit.channels.text import printable


@dataclass(slots=True)
class _Times:
    """When the turning points were."""

    started: datetime | None = None
    latest: datetime | None = None
    rollback_began: datetime | None = None
    rollback_ended: datetime | None = None


@dataclass(slots=True)
class ViewBuilder:
    """Takes in the events of one canary and shows it at any moment.

    Args:
        stage: the plan the canary runs under, for bake times and gate titles; a report may lack it.
    """

    stage: StagePlan | None = None
    _start: CanaryStarted | None = None
    _phase: Phase = Phase.STARTING
    _why: str = ""
    _judgement: Judgement | None = None
    _healthy: Judgement | None = None
    _times: _Times = field(default_factory=_Times)
    _weights: list[tuple[datetime, int]] = field(default_factory=list)
    _notes: list[tuple[datetime, Tone, str, str, bool]] = field(default_factory=list)
    _streams: StreamHistory = field(default_factory=StreamHistory)

    def notify(self, event: Event) -> None:
        """Takes one event in."""
        self._times.latest = event.at
        match event:
            case CanaryStarted():
                self._start = event
                self._times.started = event.at
                self._note(event.at, Tone.PLAIN, "starting", _start_text(event))
            case TrafficShifted():
                self._shifted(event)
            case PhaseChanged():
                self._changed(event)
            case Judged():
                self._phase, self._judgement = event.phase, event.judgement
                if event.judgement.verdict is Verdict.HEALTHY:
                    self._healthy = event.judgement
                self._streams.judged(event.judgement)
            case Measured():
                self._streams.measured(event.observations)
            case CanaryEnded():
                self._ended(event)
            case CallRetried():
                text = f"{event.action} failed ({event.error}), attempt {event.attempt + 1} in {event.wait_s:.1f} s"
                self._note(event.at, Tone.WARN, "retried", text)
            case Noticed():
                tone, title = (Tone.PLAIN, "notice") if event.is_planned else (Tone.WARN, "warning")
                self._note(event.at, tone, title, event.text)

    def begin(self, state: CanaryState) -> ViewBuilder:
        """Starts from the record in the aliases, where the first events aren't at hand; returns itself."""
        self._start = CanaryStarted(
            canary_id=state.canary_id,
            stage=state.stage.name,
            at=state.started_at,
            functions=_moves(state),
            steps_bp=tuple(basis_points(step.weight) for step in state.stage.steps),
            fingerprint=state.fingerprint,
            hotfix=state.stage.hotfix,
        )
        self.stage = state.stage
        self._times.started = self._times.latest = state.started_at
        self._phase, self._why = state.phase, state.why
        self._weights = [(shift.at, shift.weight_bp) for shift in state.shifts]
        weights = [(at, Tone.PLAIN, "weight", _share(weight_bp), False) for at, weight_bp in self._weights]
        self._notes = sorted([*weights, *(n for n in self._notes if n[2] != "canary started")], key=lambda n: n[0])
        return self

    def agree_with(self, state: CanaryState) -> ViewBuilder:
        """Takes the aliases' word where the events say less, or something else; returns itself."""
        if self._start is None:
            return self.begin(state)
        self.stage = state.stage
        self._start = replace(self._start, functions=_moves(state))
        if self._phase is not state.phase:
            self._phase, self._why = state.phase, state.why
        self._weights = [(shift.at, shift.weight_bp) for shift in state.shifts] or self._weights
        return self

    @property
    def begun(self) -> bool:
        """True once there is a canary to show."""
        return self._start is not None

    def notify_all(self, events: Iterable[Event]) -> ViewBuilder:
        """Takes many events in and returns itself."""
        for event in events:
            self.notify(event)
        return self

    @property
    def phase(self) -> Phase:
        """Where the canary stands."""
        return self._phase

    @property
    def judgement(self) -> Judgement | None:
        """The latest judgement."""
        return self._judgement

    @property
    def rollback_min(self) -> float | None:
        """Minutes from the first traffic to the decision to roll back; None while there is none."""
        if self._times.rollback_began is None or not self._weights:
            return None
        return minutes_between(self._weights[0][0], self._times.rollback_began)

    @property
    def rollback_s(self) -> float | None:
        """Seconds from that decision until every alias was verified on the baseline."""
        turned, back = self._times.rollback_began, self._times.rollback_ended
        return None if turned is None or back is None else (back - turned).total_seconds()

    def view(self, now: datetime | None = None) -> CanaryView:
        """The canary as it stands after the events so far.

        Args:
            now: shown as the end of the timeline while the canary runs; the last event's time where None.
        """
        start = self._start
        if start is None or self._times.latest is None:
            message = "a view needs the event that started the canary"
            raise ValueError(message)
        end = self._times.latest if now is None else max(now, self._times.latest)
        weight_bp = self._weights[-1][1] if self._weights else 0
        streams = self._streams.views(start.at, self.stage)
        evidence = self._evidence()
        return CanaryView(
            stage=start.stage,
            canary_id=start.canary_id,
            phase=phase_name(self._phase) + (", not watched" if self._is_unwatched else ""),
            tone=Tone.WARN if self._is_unwatched else PHASE_TONES.get(self._phase, Tone.PLAIN),
            headline=printable(self._headline(weight_bp, evidence), 2_000),
            evidence=printable(as_sentence(evidence), 2_000),
            started_at=start.at,
            elapsed_min=minutes_between(start.at, end),
            weight_percent=weight_bp / 100,
            functions=tuple(
                FunctionView(*move.function.rpartition(":")[::2], move.baseline, move.candidate, weight_bp / 100)
                for move in start.functions
            ),
            steps=self._steps(start, weight_bp),
            weights=tuple(WeightPoint(minutes_between(start.at, at), bp / 100) for at, bp in self._weights),
            streams=streams,
            notes=tuple(
                Note(minutes_between(start.at, at), at, tone, title, text, marks)
                for at, tone, title, text, marks in self._notes
            ),
            facts=self._facts(streams),
            bound_log10=self._streams.bound_log10(self.stage),
            decision_min=self._judgement.minutes_to_decision if self._judgement else None,
            next_action=next_action(self._phase, start.stage, self.stage, self._weights, end, self._words),
            origin=start.origin,
            plan=tuple(plan_lines(self.stage)) if self.stage else (),
            verdict=self._judgement.verdict.value.replace("_", " ") if self._judgement else "",
            reasons=_sentences(self._judgement.reasons if self._judgement else ()),
            cautions=_sentences(self._judgement.warnings if self._judgement else ()),
            warnings=sum(title in {"retried", "warning"} for _, _, title, _, _ in self._notes),
        )

    def _headline(self, weight_bp: int, evidence: str) -> str:
        sentence = headline(self._phase, weight_bp, "" if self._why == evidence else self._why, self._words)
        return f"{sentence} {as_sentence(self._why)}" if self._is_unwatched else sentence

    @property
    def _words(self) -> Words:
        return words_of(self._start.functions[0].function if self._start and self._start.functions else "")

    @property
    def _is_unwatched(self) -> bool:
        """Whether it was promoted without a measured minute at 100 %: that is no success."""
        return self._phase is Phase.PROMOTED and self._why.startswith(NOT_WATCHED)

    def _evidence(self) -> str:
        """The sentence that counts: of a promoted version the last that found it healthy, otherwise the latest."""
        promoted = self._phase in AFTER_PROMOTION and self._healthy is not None
        judgement = self._healthy if promoted else self._judgement
        return judgement.sentence if judgement else ""

    def _note(self, at: datetime, tone: Tone, title: str, text: str, *, marks: bool = False) -> None:
        self._notes.append((at, tone, title, printable(text, 2_000), marks))

    def _shifted(self, event: TrafficShifted) -> None:
        first, is_lower = not self._weights, any(event.weight_bp < bp for _, bp in self._weights[-1:])
        self._weights.append((event.at, event.weight_bp))
        if is_lower or not event.weight_bp:
            return  # the rollback is a note of its own
        if first:
            count = len(self._start.functions) if self._start else 0
            where = self._words.started_on(count) if count else ""
            self._note(event.at, Tone.PLAIN, "canary started", f"{_share(event.weight_bp)}{where}")
        else:
            reason = event.why.removeprefix(f"advanced to {_share(event.weight_bp)}: ")
            self._note(event.at, Tone.PLAIN, f"advanced to {_share(event.weight_bp)}", reason)

    def _changed(self, event: PhaseChanged) -> None:
        self._phase, self._why = event.after, event.why
        if event.after in {Phase.ROLLING_BACK, Phase.ABORTING} and self._times.rollback_began is None:
            self._times.rollback_began = event.at
        note = phase_note(event.after)
        if note is not None:
            tone, title = note
            if event.after is Phase.ROLLING_BACK and event.signal is not Signal.UNHEALTHY:
                title = "rolling back"
            self._note(event.at, tone, title, event.why, marks=event.after is not Phase.POST_BAKE)

    def _ended(self, event: CanaryEnded) -> None:
        self._phase, self._why = event.outcome, event.why
        if event.outcome in {Phase.ROLLED_BACK, Phase.ABORTED}:
            self._times.rollback_ended = event.at
        tone = PHASE_TONES.get(event.outcome, Tone.PLAIN)
        if event.outcome is Phase.ROLLED_BACK:
            took = "" if self.rollback_s is None else f" in {_seconds(self.rollback_s)}"
            rests = _share(self._weights[-1][1] if self._weights else 0)
            self._note(event.at, tone, f"rolled back to {rests}", f"{self._words.back}{took}", marks=True)
            return
        known = self._judgement is not None and event.why == self._judgement.sentence
        text = "" if known else event.why
        self._note(event.at, tone, phase_name(event.outcome), text, marks=True)

    def _steps(self, start: CanaryStarted, weight_bp: int) -> tuple[StepView, ...]:
        bakes = [step.bake.total_seconds() / 60 for step in self.stage.steps] if self.stage else []
        failed = PHASE_TONES.get(self._phase) is Tone.BAD
        reached = max((bp for _, bp in self._weights), default=0)
        steps = []
        for index, step_bp in enumerate(start.steps_bp):
            if step_bp == reached and weight_bp < ALL_BP:
                state = StepState.FAILED if failed else StepState.CURRENT
            else:
                state = StepState.DONE if step_bp < reached else StepState.AHEAD
            bake = bakes[index] if len(bakes) == len(start.steps_bp) else 0.0
            steps.append(StepView(step_bp / 100, bake, state))
        return tuple(steps)

    def _facts(self, streams: tuple[StreamView, ...]) -> tuple[tuple[str, str], ...]:
        facts: list[tuple[str, str]] = []
        judgement = self._judgement
        if self._start is not None and self.rollback_min is not None:
            facts.append(("Rollback decided", f"after {span_text(self.rollback_min)}"))
            if judgement is not None and judgement.first_seen is not None:
                facts.append(("First bad minute", f"{judgement.first_seen:%H:%M} UTC"))
        if streams:
            served: dict[str, int] = {}
            for stream in filter(self._counts_requests, streams):
                served[stream.function] = max(served.get(stream.function, 0), stream.candidate.requests)
            users = [stream for stream in streams if stream.unit in ("users", "means")]
            if served or not users:
                facts.append((self._words.counted_title, f"{sum(served.values()):,}"))
            if users:
                counts = max((stream.candidate.requests, stream.baseline.requests) for stream in users)
                facts.append((self._words.arms_title, f"{counts[0]:,} and {counts[1]:,}"))
        if ratio := self._sample_ratio():
            facts.append(("Sample ratio", ratio))
        if judgement is not None:
            facts += self._failed(streams, judgement)
        if self.rollback_s is not None:
            facts.append(("Rollback took", _seconds(self.rollback_s)))  # records carry whole seconds
        return tuple(facts)

    def _failed(self, streams: tuple[StreamView, ...], judgement: Judgement) -> list[tuple[str, str]]:
        if not any(stream.unit in ("users", "means") for stream in streams):
            shown = (stream.candidate.bad for stream in streams if stream.is_dry_run and "failed" in stream.title)
            return [("Failed requests", f"{max((judgement.failed_requests, *shown)):,}")]
        failing = next((stream for stream in streams if stream.unit == "users" and "failed" in stream.title), None)
        if failing is None:
            return []
        new, old = self._words.counted_at("", "")
        return [("Failed users", f"{failing.candidate.bad:,} {new}, {failing.baseline.bad:,} {old}")]

    def _sample_ratio(self) -> str:
        """The share of the users of the last step who have the flag, beside the share that should."""
        users = self._streams.users(self.stage)
        if self.stage is None or not users:
            return ""
        changes = [WeightChange(at, Decimal(weight_bp) / 100) for at, weight_bp in self._weights]
        counted = steps_of(users, changes, self.stage.window, max(users) + MINUTE)
        step = next((step for step in reversed(counted) if step.exposed + step.others), None)
        if step is None:
            return ""
        total = step.exposed + step.others
        return f"{percent(step.exposed / total)} of {total:,} first exposures, {percent(step.share)} expected"

    def _counts_requests(self, stream: StreamView) -> bool:
        """Whether it counts what users sent to the new version: no minutes, no probes, no sums of both versions."""
        gate = self.stage.gates.get(stream.gate) if self.stage else None
        is_apart = getattr(gate, "by_version", not isinstance(gate, ThrottlesGate))
        return stream.unit == "requests" and is_apart and not isinstance(gate, ProbesGate)


def view_of_events(events: Iterable[Event], stage: StagePlan | None = None) -> ViewBuilder:
    """The builder that recorded events tell."""
    return ViewBuilder(stage).notify_all(events)


def _moves(state: CanaryState) -> tuple[FunctionMove, ...]:
    return tuple(
        FunctionMove(item.function.key, item.baseline, item.candidate, item.description) for item in state.functions
    )


def _sentences(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(printable(as_sentence(text), 2_000) for text in texts)


def _start_text(event: CanaryStarted) -> str:
    moves = ", ".join(
        words_of(move.function).move(move.function, move.baseline, move.candidate) for move in event.functions
    )
    steps = ", ".join(f"{bp / 100:g}" for bp in event.steps_bp)
    return f"{moves}; steps {steps} %{'; hotfix' if event.hotfix else ''}"


def _seconds(value: float) -> str:
    """Aliases' records carry whole seconds."""
    return f"{value:.0f} s" if value >= 1 else "under 1 s"


def _share(weight_bp: int) -> str:
    return f"{weight_bp / 100:g} %"
