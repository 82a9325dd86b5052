"""Paired probes of a canary: what the driver and its journal know of them, as streams. It sends and judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from canary.core.events import Measured
from canary.core.measurements import DataState, MinuteCounts, Stream, StreamKey
from canary.core.phases import Phase
from canary.core.plan import ProbesGate, StagePlan
from canary.core.state import CanaryState
from canary.ports import Target
from canary.runner.session import Session

Rows = dict[datetime, MinuteCounts]

UNATTENDED = frozenset({Phase.PAUSED, Phase.INCONCLUSIVE})
"""While a canary waits for a person no probes are sent: it may wait for days, and they cost money."""


def paired(state: CanaryState, targets: Sequence[Target], session: Session) -> tuple[Stream, ...]:
    """The streams of every probes gate: the minutes known so far, with what was answered since the last tick."""
    keys = _keys(state.stage)
    if not keys:
        return ()
    known = _known(state, session)
    fresh: tuple[Stream, ...] = ()
    if state.phase not in UNATTENDED:
        fresh = session.answer(
            "the probes",
            partial(session.ports.pairs.collect, state.stage, targets),
            lambda reason: tuple(Stream(key, state=DataState.FAILED, detail=reason) for key in keys),
        )
    answers = {stream.key: stream for stream in fresh}
    streams: list[Stream] = []
    for key in keys:
        answer = answers.get(key, Stream(key))
        rows = known.setdefault(key, {})
        for row in answer.minutes:
            rows[row.minute] = _sum(rows.get(row.minute), row)
        streams.append(replace(answer, minutes=tuple(rows[minute] for minute in sorted(rows)), history=()))
    return tuple(streams)


def stop_probes(session: Session) -> None:
    """No more probes: a version that is rolled back isn't called any longer."""
    session.answer("the probes", session.ports.pairs.stop, lambda _reason: None)


def recorded(state: CanaryState, session: Session) -> StagePlan:
    """The stage without the probes gates that the journal knows nothing of, for those who only look."""
    known = _known(state, session)
    gates = {
        name: gate
        for name, gate in state.stage.gates.items()
        if not isinstance(gate, ProbesGate) or all(known.get(key) for key in state.stage.keys(name))
    }
    return state.stage.model_copy(update={"gates": gates})


def _keys(stage: StagePlan) -> tuple[StreamKey, ...]:
    return tuple(key for name, gate in stage.gates.items() if isinstance(gate, ProbesGate) for key in stage.keys(name))


def _known(state: CanaryState, session: Session) -> dict[StreamKey, Rows]:
    """By stream what this driver knows: at its first look, what the journal has from drivers before it.

    CloudWatch doesn't have the pairs, so a journal that is lost takes their evidence along: fewer minutes, never wrong
    ones.
    """
    memory = session.ports.memory
    if state.canary_id not in memory.pairs:
        keys = set(_keys(state.stage))
        found = session.answer(
            "the journal", lambda: tuple(session.ports.journal.events(state.canary_id)), lambda _reason: ()
        )
        rows: dict[StreamKey, Rows] = {}
        for event in found:
            for stream in event.observations.streams if isinstance(event, Measured) else ():
                if stream.key in keys:
                    rows.setdefault(stream.key, {}).update((row.minute, row) for row in stream.minutes)
        memory.pairs = {state.canary_id: rows}
    return memory.pairs[state.canary_id]


def _sum(before: MinuteCounts | None, row: MinuteCounts) -> MinuteCounts:
    if before is None:
        return row
    return MinuteCounts(
        row.minute,
        before.candidate_requests + row.candidate_requests,
        before.candidate_bad + row.candidate_bad,
        before.baseline_requests + row.baseline_requests,
        before.baseline_bad + row.baseline_bad,
    )
