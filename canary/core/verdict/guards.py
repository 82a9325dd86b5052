"""Hard guards: what rolls a canary back at once (statistics.md §3.9). Looks, never waits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from canary.core.measurements import AlarmReading, AlarmState, DataState, Observations, Probe, StreamKey
from canary.core.plan import AlarmsGate, HealthGate, StagePlan
from canary.core.stats.processes import Counts, ratio_path
from canary.core.verdict.model import Rule
from canary.core.verdict.scoring import Score, counts_failures
from canary.core.verdict.timeline import Timeline

CRASH_REQUESTS = 20
CRASH_RATIO = 0.5
CRASH_MINUTES = 2
CRASH_KAPPA = 1.1
CRASH_EVIDENCE = 20.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a rule found: which rule, in words, whom it blames and since when."""

    rule: Rule
    sentence: str
    first_seen: datetime | None = None
    blamed: tuple[StreamKey, ...] = ()


def _earliest(found: Iterable[Finding | None]) -> Finding | None:
    """What was seen first, so that a late look finds the same; the first of equals, those without a time last."""
    known = [finding for finding in found if finding is not None]
    timed = [finding for finding in known if finding.first_seen is not None]
    return min(timed or known, key=lambda finding: finding.first_seen or datetime.max.replace(tzinfo=UTC), default=None)


def _of(probe: Probe) -> str:
    return f"{probe.key}: {probe.detail}" if probe.detail else str(probe.key)


def _probes_by_key(observations: Observations) -> dict[StreamKey, list[Probe]]:
    ordered = sorted(observations.probes, key=lambda probe: (str(probe.key), probe.at))
    return {key: list(probes) for key, probes in groupby(ordered, key=lambda probe: probe.key)}


def failed_probe(stage: StagePlan, observations: Observations) -> Finding | None:
    """So many health checks in a row failed on the new version. Those of unknown version are passed over."""
    return _earliest(_failed(stage, key, probes) for key, probes in _probes_by_key(observations).items())


def _failed(stage: StagePlan, key: StreamKey, probes: Sequence[Probe]) -> Finding | None:
    gate = stage.gates.get(key.gate)
    needed = gate.failures if isinstance(gate, HealthGate) else 1
    row = 0
    for probe in probes:
        row = 0 if probe.ok else row + (probe.ok is False)
        if row >= needed:
            times = f"{row} times in a row" if row > 1 else "once"
            return Finding(Rule.PROBE, f"the health check failed {times}, {_of(probe)}", probe.at, (key,))
    return None


def is_new(alarm: AlarmReading, start: datetime | None) -> bool:
    """Whether the alarm went into ALARM after the start; one that was before may have been OK in between."""
    if alarm.since is None or start is None:
        return not alarm.red_at_start
    return alarm.since >= start


def failed_alarm(observations: Observations, start: datetime | None) -> Finding | None:
    """An alarm of the plan went into ALARM after the start; the state at the start does not count (SAM#716)."""
    return _earliest(
        Finding(
            Rule.ALARM,
            f'alarm "{alarm.name}" is in ALARM{f": {alarm.detail}" if alarm.detail else ""}',
            alarm.since,
            (StreamKey("", alarm.gate),),
        )
        for alarm in observations.alarms
        if alarm.state is AlarmState.ALARM and is_new(alarm, start)
    )


def _baseline_is_better(minutes: Sequence[Counts]) -> bool:
    """Whether the baseline doesn't fail as much in the same minutes: evidence of 20:1, or nothing to compare with."""
    both = Counts(
        n_c=sum(minute.n_c for minute in minutes),
        x_c=sum(minute.x_c for minute in minutes),
        n_b=sum(minute.n_b for minute in minutes),
        x_b=sum(minute.x_b for minute in minutes),
    )
    return not both.n_b or ratio_path([both], CRASH_KAPPA, 1)[-1] >= math.log(CRASH_EVIDENCE)


def crash(scores: Sequence[Score], line: Timeline) -> Finding | None:
    """Half of many requests failed in two consecutive minutes, and the baseline is better in the same minutes."""
    return _earliest(_crashed(score, line) for score in scores if counts_failures(score.gate))


def _crashed(score: Score, line: Timeline) -> Finding | None:
    row = 0
    for index, (n_c, x_c, _, _, _, _) in enumerate(score.counts):
        row = row + 1 if n_c >= CRASH_REQUESTS and x_c >= CRASH_RATIO * n_c else 0
        if row >= CRASH_MINUTES and _baseline_is_better(score.counts[index + 1 - CRASH_MINUTES : index + 1]):
            minute = line.minutes[index]
            what = f"at least half of them in each of {CRASH_MINUTES} consecutive minutes"
            return Finding(Rule.CRASH, f"{what}, the second at {minute:%H:%M} UTC", minute, (score.key,))
    return None


def blind(
    stage: StagePlan, observations: Observations, scores: Sequence[Score], start: datetime | None, now: datetime
) -> Finding | None:
    """Metrics unknown for minutes, and the latest health check failed: back to the version known to be good."""
    failing = [probes[-1] for probes in _probes_by_key(observations).values() if probes[-1].ok is False]
    if not failing or start is None:
        return None
    since = now - stage.unknown_after - stage.settle - timedelta(minutes=1)
    for score in scores:
        known = score.last_known or start - timedelta(minutes=1)
        if score.state not in (DataState.COMPLETE, DataState.NO_DATA) and known < since:
            sentence = (
                f"{score.key} has been unknown since {known:%H:%M} UTC and a health check failed, {_of(failing[0])}"
            )
            return Finding(Rule.BLIND, sentence, failing[0].at, (failing[0].key, score.key))
    return None


def hard_guards(
    stage: StagePlan,
    observations: Observations,
    scores: Sequence[Score],
    line: Timeline,
    start: datetime | None,
    now: datetime,
) -> tuple[Finding, ...]:
    """The hard guards that strike."""
    found = (
        failed_probe(stage, observations),
        failed_alarm(observations, start),
        crash(scores, line),
        blind(stage, observations, scores, start, now),
    )
    return tuple(finding for finding in found if finding is not None)


def unclear(stage: StagePlan, observations: Observations, start: datetime | None) -> tuple[Finding, ...]:
    """Alarms and health checks that nobody can read: reasons to hold, never a success."""
    found: list[Finding] = []
    readings = {(alarm.gate, alarm.name): alarm for alarm in observations.alarms}
    for name, gate in stage.gates.items():
        if not isinstance(gate, AlarmsGate):
            continue
        for alarm_name in gate.names:
            alarm = readings.get((name, alarm_name))
            if alarm is None or alarm.state is AlarmState.UNKNOWN:
                detail = f": {alarm.detail}" if alarm is not None and alarm.detail else ""
                found.append(Finding(Rule.ALARM, f'alarm "{alarm_name}" could not be read{detail}'))
            elif alarm.state is AlarmState.ALARM and not is_new(alarm, start) and gate.already_red == "refuse":
                found.append(Finding(Rule.ALARM, f'alarm "{alarm_name}" was in ALARM before the start'))
    for probes in _probes_by_key(observations).values():
        if probes[-1].ok is None:
            found.append(
                Finding(Rule.PROBE, f"it is unknown which version answered the health check, {_of(probes[-1])}")
            )
        elif probes[-1].ok is False:
            found.append(Finding(Rule.PROBE, f"the latest health check failed, {_of(probes[-1])}"))
    return tuple(found)
