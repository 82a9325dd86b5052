"""The order in which evidence becomes a verdict (statistics.md §4.14). Decides; changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from canary.core.measurements import MINUTE, DataState, Observations, WeightChange
from canary.core.plan import QueueGate, StagePlan, ThrottlesGate
from canary.core.plan.gates import ValueGate
from canary.core.stats.mixture import first_crossing, mean_path
from canary.core.verdict import holds
from canary.core.verdict.evidence import Examiner, asks_for_proof
from canary.core.verdict.guards import Finding, hard_guards, unclear
from canary.core.verdict.incident import WINDOW, Incident, find_incident
from canary.core.verdict.model import Judgement, Rule, SharedIncident, StreamEvidence, Verdict
from canary.core.verdict.scoring import Score, is_by_version, score_all
from canary.core.verdict.sentences import evidence_text, limit, unit_of
from canary.core.verdict.timeline import timeline

_FROM_METRICS = frozenset({Rule.CRASH, Rule.REGRESSION, Rule.LITERAL})
"""Rules that see a minute only once it has settled."""


def judge(stage: StagePlan, observations: Observations, weights: Sequence[WeightChange], now: datetime) -> Judgement:
    """Judge a canary from all settled minutes since its first weight change.

    Recomputed from minute 1 at every tick, so it is idempotent and takes late corrections. The same arguments always
    give the same judgement. Once unhealthy, it stays unhealthy as long as the rows stay.

    Args:
        stage: the plan the canary runs under.
        observations: everything measured; minutes from `settled_until` on are ignored.
        weights: every weight written since the start, oldest first; the first is the start. Empty before the start,
            when only health checks and alarms can speak.
        now: aware UTC time of the tick.
    """
    tried = {name: gate for name, gate in stage.gates.items() if gate.dry_run}
    if not tried:
        return _Case(stage, observations, weights, now).judgement()
    decided = _without_others(stage, observations, {name for name in stage.gates if name not in tried})
    found = _Case(*decided, weights, now).judgement()
    shown = _Case(*_without_others(stage, observations, set(tried)), weights, now).judgement()
    warnings = found.warnings
    would_roll_back = shown.sentence if shown.verdict is Verdict.UNHEALTHY else ""
    if would_roll_back:
        warnings = (*warnings, f"a dry-run gate would roll back: {would_roll_back}")
    evidence = (*found.evidence, *shown.evidence)
    return replace(found, evidence=evidence, warnings=warnings, would_roll_back=would_roll_back)


def _without_others(stage: StagePlan, observations: Observations, names: set[str]) -> tuple[StagePlan, Observations]:
    """The stage and what was observed, with these gates only."""
    gates = {name: gate for name, gate in stage.gates.items() if name in names}
    seen = replace(
        observations,
        probes=tuple(probe for probe in observations.probes if probe.key.gate in names),
        alarms=tuple(reading for reading in observations.alarms if reading.gate in names),
    )
    return stage.model_copy(update={"gates": gates}), seen


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
        self._settle = stage.settle if observations.settle_s is None else timedelta(seconds=observations.settle_s)
        self._line = timeline(weights, min(now, observations.settled_until or now - stage.settle))
        self._scores = score_all(stage, observations, weights, self._line)
        self._blaming = [score for score in self._scores if score.processes.rollback is not None]
        self._evidence = mean_path([score.processes.rollback or () for score in self._blaming])
        self._bound = -math.log(stage.evidence.alpha_rollback)
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
            ln_evidence_by_minute=self._evidence,
            ln_bound=self._bound,
            minutes_to_decision=_minutes_to_decision(evidence, self._scores),
        )

    # 1 to 3: what rolls the canary back

    def _unhealthy(self) -> _Ruling | None:
        """The finding that could be known first: a late tick tells the same story as one in time."""
        found = [*self._guards(), *self._regression(), *self._incident_finding()]
        first = min(found, key=self._known_at, default=None)
        return _Ruling(Verdict.UNHEALTHY, first) if first else None

    def _known_at(self, finding: Finding) -> datetime:
        at = finding.first_seen or self._now
        return at + MINUTE + self._settle if finding.rule in _FROM_METRICS else at

    def _guards(self) -> Sequence[Finding]:
        return [
            replace(finding, sentence=f"{self._numbers(finding)}; {finding.sentence}")
            if finding.rule is Rule.CRASH
            else finding
            for finding in hard_guards(
                self._stage, self._observations, self._scores, self._line, self._start, self._now
            )
        ]

    def _numbers(self, finding: Finding) -> str:
        """The numbers of the worst stream at the moment of a finding, with their window."""
        score = next(score for score in self._scores if score.key in finding.blamed[:1])
        until = self._line.minutes.index(finding.first_seen) + 1 if finding.first_seen else None
        return self._examiner.sentence(score, until=until, bounds=True)

    def _regression(self) -> Sequence[Finding]:
        minute = first_crossing(self._evidence, self._bound)
        if minute is None:
            return ()
        at_minute = [((score.processes.rollback or ())[minute], score) for score in self._blaming]
        ranked = [score for _, score in sorted(at_minute, key=lambda pair: -pair[0])]
        blamed = [score for value, score in at_minute if value >= self._bound]
        worst = ranked[0]
        numbers = self._examiner.sentence(worst, until=minute + 1, bounds=True)
        own = max(value for value, _ in at_minute)
        against = evidence_text(self._evidence[minute], self._bound, len(self._blaming), own, self._stage.words)
        keys = tuple(score.key for score in ranked if score in blamed) or (worst.key,)
        return (Finding(Rule.REGRESSION, f"{numbers}; {against}", self._line.minutes[minute], keys),)

    # 3: a shared incident

    def _find_incident(self) -> Incident:
        literal = [
            score
            for score in self._scores
            if score.processes.literal is not None and not isinstance(score.gate, ThrottlesGate)
        ]
        if self._stage.shared_incident == "ignore":
            return Incident()
        patience = max(1, self._stage.shared_grace // MINUTE)
        grace = {"grace": patience, "rollback": 0, "hold": None}[self._stage.shared_incident]
        return find_incident(literal, self._bound, grace, self._stage.horizon_minutes)

    def _incident_sentence(self, until: int | None = None) -> str:
        worst = self._incident.hot[0]
        recent = [minute for minute in worst.counts[:until] if minute.n_c or minute.n_b][-WINDOW:]
        if not is_by_version(worst.gate):
            who = "this gate can't tell the versions apart"
        elif recent and not recent[-1].n_b:
            who = self._stage.words.alone
        elif sum(m.x_b for m in recent) > worst.limit * sum(m.n_b for m in recent):
            who = self._stage.words.alike
        else:
            who = self._stage.words.unsure
        return f"{self._examiner.sentence(worst, until=until)}; the limit is {limit(worst.limit)} %, {who}"

    def _incident_finding(self) -> Sequence[Finding]:
        minute = self._incident.persisted
        if minute is None:
            return ()
        keys = tuple(score.key for score in self._incident.hot)
        return (Finding(Rule.LITERAL, self._incident_sentence(minute + 1), self._line.minutes[minute], keys),)

    def _frozen(self) -> _Ruling | None:
        incident = self._incident
        if incident.began is None:
            return None
        since = self._line.minutes[incident.began]
        shared = SharedIncident(since, len(self._line.minutes) - 1 - incident.began, incident.above)
        still = "still above the limit" if incident.above else "unclear whether it continues"
        sentence = f"shared incident since {since:%H:%M} UTC, {still}: {self._incident_sentence()}"
        keys = tuple(score.key for score in incident.hot)
        return _Ruling(Verdict.INCONCLUSIVE, Finding(Rule.LITERAL, sentence, since, keys), shared)

    # 4 to 6: not known, not safe, safe

    def _missing(self) -> tuple[Finding, ...]:
        weight = self._stage.words.weight
        if not any(score.schedule.step_from < len(self._line.minutes) for score in self._scores):
            return (Finding(Rule.NO_DATA, f"no complete minute at the present {weight} has settled yet"),)
        found: list[Finding] = []
        for score in self._scores:
            if not score.is_shifted:
                continue
            if score.state is not DataState.COMPLETE:
                found.append(Finding(Rule.NO_DATA, self._examiner.sentence(score), blamed=(score.key,)))
            elif not score.seen and not isinstance(score.gate, ThrottlesGate):
                what = (
                    "has no value"
                    if isinstance(score.gate, (ValueGate, QueueGate))
                    else f"has counted no {unit_of(score.gate)[:-1]}"
                )
                name = self._examiner.names(score)[0]
                sentence = f"{score.key} {what} {name} at the present {weight}"
                found.append(Finding(Rule.NO_DATA, sentence, blamed=(score.key,)))
        return tuple(found)

    def _reasons_to_hold(self) -> tuple[Finding, ...]:
        return (
            *unclear(self._stage, self._observations, self._start),
            *(Finding(Rule.CLOCKS, text) for text in self._observations.doubts),
            *holds.wrong_share(self._stage, self._scores),
            *holds.wrong_arms(self._stage, self._scores),
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
                units = unit_of(score.gate).removesuffix("s" if said.requests_needed == 1 else "")
                more = f"; about {said.requests_needed:,} more {units} ({wait} min) would show it healthy"
            elif asks_for_proof(score):
                more = f"; at this rate it can't be shown to stay below {limit(score.limit)} %"
            slowness = math.inf if said.minutes_needed is None else said.minutes_needed
            sentence = self._examiner.recent(score) + more
            found.append((slowness, Finding(Rule.WAITING, sentence, blamed=(score.key,))))
        return tuple(finding for _, finding in sorted(found, key=lambda pair: -pair[0]))

    def _healthy(self, evidence: Sequence[StreamEvidence]) -> Finding:
        pairs = zip(evidence, self._scores, strict=True)
        proven = [(said.ln_safe, index, score) for index, (said, score) in enumerate(pairs) if said.ln_safe is not None]
        if not proven:  # gauges, ratios and throttles only object: nothing has to be proven
            return Finding(Rule.SAFE, "every gate is within its limits")
        narrowest = min(proven)[2]
        return Finding(Rule.SAFE, self._examiner.proof_sentence(narrowest))


def _minutes_to_decision(evidence: Sequence[StreamEvidence], scores: Sequence[Score]) -> float | None:
    """Until the slowest stream can be shown safe; None when one can't, or nobody knows."""
    waits = [
        0.0 if said.is_safe else said.minutes_needed
        for said, score in zip(evidence, scores, strict=True)
        if asks_for_proof(score) and score.is_shifted
    ]
    return None if None in waits else max((wait for wait in waits if wait is not None), default=None)
