"""The view model says what the events say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from canary import runner
from canary.core.events import (
    CallRetried,
    CanaryEnded,
    Event,
    Judged,
    Measured,
    Noticed,
    PhaseChanged,
    TrafficShifted,
)
from canary.core.measurements import Gauge, StreamKey
from canary.core.phases import Phase
from canary.core.plan import Plan, StagePlan, ThrottlesGate
from canary.core.verdict import Verdict
from canary.simulator import Scenario
from canary.simulator.releases import simulated
from canary.view.build import ViewBuilder, view_of_events
from canary.view.html import canary_report, page
from canary.view.model import StepState, Tone
from canary.view.plain import markdown, status_lines, stream_text, summary_lines


def first_traffic(events: tuple[Event, ...]) -> list[Event]:
    """The start of a canary and its first weight."""
    shifted = next(event for event in events if isinstance(event, TrafficShifted))
    return [events[0], shifted]


NOW = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def test_a_promoted_canary_is_shown_with_all_traffic_and_every_step_done(
    promoted: tuple[Event, ...], stage: StagePlan
) -> None:
    view = view_of_events(promoted, stage).view()
    assert (view.phase, view.tone, view.weight_percent) == ("promoted", Tone.GOOD, 100)
    assert [point.percent for point in view.weights] == [10, 50, 100]
    assert [step.state for step in view.steps] == [StepState.DONE, StepState.DONE]
    assert "shown to stay below" in view.evidence
    assert view.headline == "The new version serves all traffic."
    assert (view.baseline_name, view.candidate_name) == ("version 1 (baseline)", "version 2 (new)")


def test_a_rolled_back_canary_shows_when_why_and_how_long(rolled_back: tuple[Event, ...], stage: StagePlan) -> None:
    builder = view_of_events(rolled_back, stage)
    view = builder.view()
    assert (view.phase, view.tone, view.weight_percent) == ("rolled back", Tone.BAD, 0)
    assert view.steps[0].state is StepState.FAILED
    assert ":1 against the new version" in view.evidence
    assert builder.rollback_min is not None
    assert builder.rollback_s is not None
    assert dict(view.facts).keys() >= {"Rollback decided", "First bad minute", "Failed requests", "Rollback took"}
    assert [note.title for note in view.notes if note.marks] == ["unhealthy", "rolled back to 0 %"]


def test_the_streams_carry_minutes_intervals_and_evidence(rolled_back: tuple[Event, ...], stage: StagePlan) -> None:
    errors = next(stream for stream in view_of_events(rolled_back, stage).view().streams if stream.gate == "errors")
    assert errors.title == "failed requests"
    assert errors.limit_ratio == 0.05
    assert [point.at_min for point in errors.minutes] == [float(n + 1) for n in range(len(errors.minutes))]
    last = errors.minutes[-1].candidate_so_far
    assert last.ratio is not None
    assert last.low_ratio < last.ratio < last.high_ratio
    assert errors.against_log10 is not None
    assert errors.against_log10 >= 2.3


def test_minutes_of_a_gauge_and_sums_of_both_versions_are_no_requests_on_the_new_version(
    rolled_back: tuple[Event, ...], stage: StagePlan
) -> None:
    """A release without any traffic once had as many requests as its queue had minutes."""
    key, more = StreamKey("", "dlq"), StreamKey("api:live", "throttles")
    plan = stage.model_copy(update={"gates": {**stage.gates, "throttles": ThrottlesGate()}})

    def widened(event: Event) -> Event:
        if isinstance(event, Measured):
            return replace(event, observations=replace(event.observations, gauges=(Gauge(key),)))
        if isinstance(event, Judged) and event.judgement.evidence:
            many = replace(event.judgement.evidence[0], key=key, candidate_requests=10**9)
            evidence = (*event.judgement.evidence, many, replace(many, key=more))
            return replace(event, judgement=replace(event.judgement, evidence=evidence))
        return event

    before, after = (view_of_events(events, plan).view() for events in (rolled_back, map(widened, rolled_back)))
    requests = "Requests on the new version"
    assert dict(after.facts)[requests] == dict(before.facts)[requests]
    assert {stream.gate: stream.unit for stream in after.streams}["dlq"] == "minutes"


def test_a_minute_measured_again_replaces_the_earlier_count(rolled_back: tuple[Event, ...], stage: StagePlan) -> None:
    once = view_of_events(rolled_back, stage).view()
    twice = view_of_events((*rolled_back, *rolled_back), stage).view()
    assert [stream.minutes for stream in twice.streams] == [stream.minutes for stream in once.streams]


def test_a_canary_that_waits_says_for_whom(held: tuple[Event, ...], stage: StagePlan) -> None:
    view = view_of_events(held, stage).view()
    assert (view.phase, view.tone) == ("inconclusive", Tone.WARN)
    assert view.headline.startswith("Inconclusive at 10 %: promote it or roll it back.")
    assert view.next_action == "`canary promote staging` or `canary rollback staging`"
    assert StepState.CURRENT in {step.state for step in view.steps}


def test_a_dry_run_gate_is_named_so_and_what_it_counts_is_counted(rolled_back: tuple[Event, ...]) -> None:
    plan = Plan.parse(
        '[stages.staging]\nfunctions = ["api:live"]\nsteps = [10, 50]\ngates.errors.dry_run = true\ngates.latency = {}'
    ).stage("staging")
    events = [
        replace(event, judgement=replace(event.judgement, failed_requests=0)) if isinstance(event, Judged) else event
        for event in rolled_back
    ]
    view = view_of_events(events, plan).view()
    errors = next(stream for stream in view.streams if stream.gate == "errors")
    assert (errors.label, errors.title) == ("errors (dry run)", "failed requests (dry run)")
    assert dict(view.facts)["Failed requests"] == str(errors.candidate.bad) != "0"
    assert stream_text(errors).startswith("errors (dry run) ")


def test_what_a_dry_run_gate_would_do_is_shown(promoted: tuple[Event, ...], stage: StagePlan) -> None:
    last = [event for event in promoted if isinstance(event, Judged)][-1]
    warned = replace(last.judgement, warnings=("a dry-run gate would roll back: 9 % of 400 requests failed",))
    view = view_of_events([*promoted, replace(last, judgement=warned, phase=Phase.PROMOTED)], stage).view()
    assert view.cautions == ("A dry-run gate would roll back: 9 % of 400 requests failed.",)
    assert view.verdict == last.judgement.verdict.value.replace("_", " ")
    caution = f"  warning: {view.cautions[0]}"
    assert caution in list(status_lines(view))
    assert caution in list(summary_lines(view))
    assert f"⚠️ {view.cautions[0]}" in markdown(view)
    assert view.cautions[0] in page(canary_report(view))


def test_a_report_needs_no_plan(rolled_back: tuple[Event, ...]) -> None:
    view = view_of_events(rolled_back).view()
    assert view.steps[0].bake_min == 0
    assert {stream.title for stream in view.streams} == {"errors", "latency"}


def test_a_driver_that_takes_over_shows_what_the_aliases_say(stage: StagePlan) -> None:
    simulation = simulated(stage, Scenario(0.01, 0.01, 10.0), "takeover")
    state = runner.start(stage, simulation.ports(), versions={"": "2"})
    simulation.clock.sleep(60)
    state = runner.tick(stage, simulation.ports(), state).state
    view = ViewBuilder(stage).begin(state).view()
    assert view.phase == "baking"
    assert view.weight_percent == 10
    assert view.functions[0].name == "api"
    assert view.functions[0].alias == "live"
    simulation.clock.sleep(60)
    taking_over = ViewBuilder(stage)
    state = runner.promote(stage, simulation.ports(observers=(taking_over,)))
    titles = [(note.title, note.text) for note in taking_over.begin(state).view().notes]
    assert titles[:2] == [("weight", "10 %"), ("weight", "100 %")]


def test_there_is_nothing_to_show_before_the_start() -> None:
    assert not ViewBuilder().begun
    with pytest.raises(ValueError, match="needs the event that started"):
        ViewBuilder().view()


def test_faults_during_a_canary_are_noted(rolled_back: tuple[Event, ...]) -> None:
    builder = view_of_events(first_traffic(rolled_back))
    builder.notify(CallRetried("k3f9a2c1", "staging", NOW, "UpdateAlias api:live", 1, 0.5, "Rate exceeded"))
    builder.notify(Noticed("k3f9a2c1", "staging", NOW, "the plan has changed"))
    builder.notify(Noticed("k3f9a2c1", "staging", NOW, "hook smoke succeeded", is_planned=True))
    builder.notify(PhaseChanged("k3f9a2c1", "staging", NOW, Phase.BAKING, Phase.PAUSED, "a person said wait"))
    titles = {note.title: note.text for note in builder.view().notes}
    assert titles["retried"] == "UpdateAlias api:live failed (Rate exceeded), attempt 2 in 0.5 s"
    assert titles["warning"] == "the plan has changed"
    assert titles["notice"] == "hook smoke succeeded"
    assert builder.view().warnings == 2, "what went as it should is none"
    assert builder.view().headline == (
        "Paused at 10 %. Evaluation continues; an unhealthy version is rolled back. A person said wait."
    )


def test_the_clock_of_a_running_canary_goes_on(rolled_back: tuple[Event, ...]) -> None:
    builder = view_of_events(first_traffic(rolled_back))
    began = builder.view().started_at
    assert builder.view(began + timedelta(minutes=9)).elapsed_min == 9
    assert builder.view(began - timedelta(minutes=9)).elapsed_min == builder.view().elapsed_min


def test_several_functions_with_different_versions_have_no_common_name(rolled_back: tuple[Event, ...]) -> None:
    started = rolled_back[0]
    assert started.event == "canary_started"
    move = started.functions[0]
    both = replace(started, functions=(move, replace(move, function="web:live", baseline="7", candidate="9")))
    view = view_of_events((both, *rolled_back[1:])).view()
    assert (view.baseline_name, view.candidate_name) == ("baseline", "new version")


def test_an_abort_ends_at_the_base(rolled_back: tuple[Event, ...]) -> None:
    builder = view_of_events(first_traffic(rolled_back))
    began = builder.view().started_at
    builder.notify(PhaseChanged("k", "staging", began + timedelta(minutes=1), Phase.BAKING, Phase.ABORTING, "by hand"))
    builder.notify(
        CanaryEnded("k", "staging", began + timedelta(minutes=1, seconds=2), Phase.ABORTED, "by hand", started_at=began)
    )
    assert builder.rollback_s == 2.0
    assert builder.phase is Phase.ABORTED
    assert builder.judgement is None


def test_a_promotion_that_was_not_watched_is_no_success(promoted: tuple[Event, ...], stage: StagePlan) -> None:
    *before, ended = promoted
    assert isinstance(ended, CanaryEnded)
    why = "not watched: no measured minute with traffic in 5m at 100 %"
    view = view_of_events((*before, replace(ended, why=why)), stage).view()
    assert (view.phase, view.tone) == ("promoted, not watched", Tone.WARN)
    assert view.headline == f"The new version serves all traffic. {why[:1].upper()}{why[1:]}."


def test_only_the_verdict_makes_a_gate_unhealthy(rolled_back: tuple[Event, ...], stage: StagePlan) -> None:
    builder = ViewBuilder(stage)
    for event in rolled_back:
        builder.notify(event)
        unhealthy = {stream.gate for stream in builder.view().streams if stream.status == "unhealthy"}
        judged = builder.judgement
        assert bool(unhealthy) is (judged is not None and judged.verdict is Verdict.UNHEALTHY)
