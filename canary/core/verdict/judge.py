"""The order in which evidence becomes a verdict (statistics.md §4.14). Decides; changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from canary.core.measurements import MINUTE, DataState, Observations, WeightChange
from canary.core.plan import MetricGate, QueueGate, StagePlan, ThrottlesGate
from canary.core.stats.mixture import first_crossing, mean_path
from canary.core.verdict import holds
from canary.core.verdict.evidence import Examiner, asks_for_proof
from canary.core.verdict.guards import Finding, hard_guard, unclear
from canary.core.verdict.incident import Incident, find_incident
from canary.core.verdict.model import Judgement, Rule, SharedIncident, StreamEvidence, Verdict
from canary.core.verdict.scoring import Path, Score, is_by_version, score_all
from canary.core.verdict.sentences import limit, odds
from canary.core.verdict.timeline import timeline

_AGAINST = {
    Rule.ATTRIBUTED: "evidence {odds} against",
    Rule.RELATIVE: "evidence {odds} that it is worse than {base}",
}


def judge(stage: StagePlan, observations: Observations, weights: Sequence[WeightChange], now: datetime) -> Judgement:
    """Judge a canary from all settled minutes since its first weight change.

    Recomputed from minute 1 at every tick, so it is idempotent and takes late corrections. The same arguments always
    give the same judgement. Once unhealthy, it stays unhealthy as long as the rows stay.

    Args:
        stage: the plan the canary runs under.
        observations: everything measured; minutes that are not settled at `now` are ignored.
        weights: every weight written since the start, oldest first; the first is the start. Empty before the start,
            when only health checks and alarms can speak.
        now: aware UTC time of the tick.
    """
    return _Case(stage, observations, weights, now).judgement()


@dataclass(frozen=True, slots=True)
class _Ruling:
    verdict: Verdict
    finding: Finding
    incident: SharedIncident | None = None


class _Case:
    """One judgement in the making: what every rule looks at, computed once."""

    def __init__(
        self, stage: StagePlan, observations: Observations, weights: Sequence[WeightChange], now: datetime
    ) -> None:
        self._stage, self._observations, self._now = stage, observations, now
        self._start = weights[0].at if weights else None
        self._line = timeline(weights, min(now - stage.settle, observations.settled_until or now))
        self._scores = score_all(stage, observations, weights, self._line)
        self._blaming = [score for score in self._scores if score.processes.attributed is not None]
        self._attributed = mean_path([score.processes.attributed or () for score in self._blaming])
        self._bound = -math.log(stage.evidence.alpha_attributed)
        self._incident = self._find_incident()
        self._examiner = Examiner(stage, self._line, observations.versions, self._incident.recovered)

    def judgement(self) -> Judgement:
        """The verdict with everything that goes with it."""
        evidence = tuple(self._examiner.evidence(score) for score in self._scores)
        objections = self._reasons_to_hold()
        missing = self._missing()
        unproven = self._unproven(evidence)
        ruling = (
            self._unhealthy()
            or self._frozen()
            or next((_Ruling(Verdict.NO_DATA, finding) for finding in missing), None)
            or next((_Ruling(Verdict.INCONCLUSIVE, finding) for finding in (*objections, *unproven)), None)
            or _Ruling(Verdict.HEALTHY, self._healthy(evidence))
        )
        reasons = [ruling.finding, *missing, *objections, *unproven] if ruling.verdict is not Verdict.HEALTHY else []
        harm = holds.failures(self._scores)
        return Judgement(
            verdict=ruling.verdict,
            sentence=ruling.finding.sentence,
            deciding=ruling.finding.rule,
            at=self._now,
            evidence=evidence,
            blamed=ruling.finding.blamed,
            reasons=tuple(dict.fromkeys(finding.sentence for finding in reasons)),
            warnings=(*holds.bypasses(self._observations, self._scores, self._line), *self._observations.notes),
            first_seen=ruling.finding.first_seen,
            minutes_scored=len(self._line.minutes),
            failed_requests=harm.failed,
            excess_failures=harm.excess,
            shared_incident=ruling.incident,
            ln_attributed_by_minute=self._attributed,
            minutes_to_decision=_minutes_to_decision(evidence, self._scores),
        )

    # 1 and 2: what takes the canary back

    def _unhealthy(self) -> _Ruling | None:
        finding = self._guard() or self._earlier_rule() or self._incident_finding()
        return _Ruling(Verdict.UNHEALTHY, finding) if finding else None

    def _earlier_rule(self) -> Finding | None:
        """Of the two rules the one that fired first: a late tick tells the same story as one in time."""
        fired = [found for found in (self._attributed_finding(), self._relative_finding()) if found is not None]
        return min(fired, key=lambda found: found.first_seen or self._now, default=None)

    def _guard(self) -> Finding | None:
        guard = hard_guard(self._stage, self._observations, self._scores, self._line, self._start, self._now)
        if guard is None or guard.rule is not Rule.CRASH:
            return guard
        crashed = next(score for score in self._scores if score.key in guard.blamed)
        return replace(guard, sentence=f"{self._examiner.sentence(crashed, bounds=True)}; {guard.sentence}")

    def _attributed_finding(self) -> Finding | None:
        minute = first_crossing(self._attributed, self._bound)
        if minute is None:
            return None
        paths = [(score, score.processes.attributed or ()) for score in self._blaming]
        return self._verdict_of(Rule.ATTRIBUTED, minute, paths, self._attributed, self._bound)

    def _relative_finding(self) -> Finding | None:
        """One stream: ratio and floor latched separately; several: mean of the smaller of both (§4.4, §4.9)."""
        bound = -math.log(self._stage.evidence.alpha_relative)
        paths = [(score, path) for score in self._scores if (path := score.processes.relative) is not None]
        mean = mean_path([path for _, path in paths])
        alone = paths[0][0].processes if len(paths) == 1 else None
        minute = alone.relative_crossing(bound) if alone else first_crossing(mean, bound)
        return None if minute is None else self._verdict_of(Rule.RELATIVE, minute, paths, mean, bound)

    def _verdict_of(
        self, rule: Rule, minute: int, paths: Sequence[tuple[Score, Path]], mean: Path, bound: float
    ) -> Finding:
        ranked = sorted(paths, key=lambda pair: -pair[1][minute])
        blamed = [score for score, path in ranked if path[minute] >= bound] or [ranked[0][0]]
        worst = blamed[0]
        strength = max(mean[minute], bound)
        against = _AGAINST[rule].format(odds=odds(strength), base=self._examiner.names(worst)[1])
        numbers = self._examiner.sentence(worst, bounds=True)
        return Finding(
            rule,
            f"{numbers}; {against}, seen in minute {minute + 1}",
            self._line.minutes[minute],
            tuple(score.key for score in blamed),
        )

    # 3: a shared incident

    def _find_incident(self) -> Incident:
        literal = [
            score
            for score in self._scores
            if score.processes.literal is not None and not isinstance(score.gate, ThrottlesGate)
        ]
        if self._stage.shared_incident == "ignore":
            return Incident()
        at_once = self._stage.shared_incident == "rollback"
        grace = 0 if at_once else max(1, self._stage.shared_incident_grace // MINUTE)
        return find_incident(literal, self._bound, grace, self._stage.horizon_minutes)

    def _incident_sentence(self) -> str:
        worst = self._incident.hot[0]
        who = "both versions break it" if is_by_version(worst.gate) else "the versions can't be told apart"
        return f"{self._examiner.sentence(worst)}; the limit is {limit(worst.limit)} %, {who}"

    def _incident_finding(self) -> Finding | None:
        minute = self._incident.persisted
        if minute is None:
            return None
        keys = tuple(score.key for score in self._incident.hot)
        sentence = f"{self._incident_sentence()}, seen in minute {minute + 1}"
        return Finding(Rule.LITERAL, sentence, self._line.minutes[minute], keys)

    def _frozen(self) -> _Ruling | None:
        incident = self._incident
        if incident.began is None:
            return None
        since = self._line.minutes[incident.began]
        shared = SharedIncident(since, len(self._line.minutes) - 1 - incident.began, incident.above)
        still = "still above" if incident.above else "not clear whether it lasts"
        sentence = f"frozen since {since:%H:%M} UTC by a shared incident, {still}: {self._incident_sentence()}"
        keys = tuple(score.key for score in incident.hot)
        return _Ruling(Verdict.INCONCLUSIVE, Finding(Rule.LITERAL, sentence, since, keys), shared)

    # 4 to 6: not known, not safe, safe

    def _missing(self) -> tuple[Finding, ...]:
        if not any(score.schedule.step_from < len(self._line.minutes) for score in self._scores):
            return (Finding(Rule.NO_DATA, "no whole minute of the present weight is settled yet"),)
        found: list[Finding] = []
        for score in self._scores:
            if not score.is_shifted:
                continue
            if score.state is not DataState.COMPLETE:
                found.append(Finding(Rule.NO_DATA, self._examiner.sentence(score), blamed=(score.key,)))
            elif not score.seen and not isinstance(score.gate, ThrottlesGate):
                what = "has no value" if isinstance(score.gate, (MetricGate, QueueGate)) else "counted no request"
                name = self._examiner.names(score)[0]
                sentence = f"{score.key} {what} for {name} under the present weight"
                found.append(Finding(Rule.NO_DATA, sentence, blamed=(score.key,)))
        return tuple(found)

    def _reasons_to_hold(self) -> tuple[Finding, ...]:
        return (
            *unclear(self._stage, self._observations, self._start),
            *holds.wrong_share(self._stage, self._scores),
            *holds.lost_requests(self._observations, self._scores, self._line),
            *holds.throttled(self._scores),
            *holds.harm(self._stage, self._scores),
        )

    def _unproven(self, evidence: Sequence[StreamEvidence]) -> tuple[Finding, ...]:
        """Streams that don't let the canary go on, the slowest first."""
        found: list[tuple[float, Finding]] = []
        for score, said in zip(self._scores, evidence, strict=True):
            if said.is_safe:
                continue
            more = ""
            if said.requests_needed is not None and said.minutes_needed is not None:
                wait = math.ceil(said.minutes_needed)
                more = f"; about {said.requests_needed:,} more requests ({wait} min) would show it safe"
            elif asks_for_proof(score):
                more = f"; at this rate it can't be shown to stay below {limit(score.limit)} %"
            slowness = math.inf if said.minutes_needed is None else said.minutes_needed
            sentence = self._examiner.recent(score) + more
            found.append((slowness, Finding(Rule.WAITING, sentence, blamed=(score.key,))))
        return tuple(finding for _, finding in sorted(found, key=lambda pair: -pair[0]))

    def _healthy(self, evidence: Sequence[StreamEvidence]) -> Finding:
        pairs = zip(evidence, self._scores, strict=True)
        proven = [(said.ln_safe, index, score) for index, (said, score) in enumerate(pairs) if said.ln_safe is not None]
        narrowest = min(proven)[2]
        numbers = self._examiner.recent(narrowest, bounds=True)
        return Finding(Rule.SAFE, f"{numbers}; shown to stay below {limit(narrowest.limit)} %")


def _minutes_to_decision(evidence: Sequence[StreamEvidence], scores: Sequence[Score]) -> float | None:
    """Until the slowest stream can be shown safe; None when one can't, or nobody knows."""
    waits = [
        0.0 if said.is_safe else said.minutes_needed
        for said, score in zip(evidence, scores, strict=True)
        if asks_for_proof(score) and score.is_shifted
    ]
    return None if None in waits else max((wait for wait in waits if wait is not None), default=None)
