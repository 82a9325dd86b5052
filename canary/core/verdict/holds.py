"""Reasons to hold: wrong share of traffic, lost requests, throttles, harm done (statistics.md §3.9, §4.10)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from canary.core.measurements import AliasTraffic, Observations
from canary.core.plan import ErrorsGate, MeanGate, OutcomesGate, ProbesGate, StagePlan, ThrottlesGate
from canary.core.stats.share import share_ln_e, share_over_steps
from canary.core.verdict.arms import undisturbed
from canary.core.verdict.guards import Finding
from canary.core.verdict.model import Rule
from canary.core.verdict.scoring import Score, counts_failures
from canary.core.verdict.sentences import limit, percent, unit_of
from canary.core.verdict.timeline import Timeline
from canary.core.words import shown

LOST_RATIO = 0.05
"""So much of the alias' requests may be missing from the two versions' counts before the canary is called blind."""
LOST_REQUESTS = 20
BYPASS_RATIO = 1.2
BY_CHANCE = 3.0
"""Standard deviations of the excess that chance may explain."""
RECENT_MINUTES = 5


def counting_scores(scores: Sequence[Score]) -> dict[str, Score]:
    """Per function the stream that counts all requests of both versions, cold ones included."""
    return {score.key.function: score for score in scores if isinstance(score.gate, ErrorsGate)}


def wrong_share(stage: StagePlan, scores: Sequence[Score]) -> tuple[Finding, ...]:
    """The candidate's share of requests isn't its weight: wrong weight, provisioned-concurrency spill, retries."""
    bound = -math.log(stage.evidence.alpha_share)
    found: list[Finding] = []
    for function, score in counting_scores(scores).items():
        steps = [
            (weight, sum(m.n_c for m in score.counts[a:b]), sum(m.n_b for m in score.counts[a:b]))
            for a, b, weight in score.schedule.segments
            if 0.0 < weight < 1.0
        ]
        if steps and share_over_steps(steps) >= bound:
            weight, n_c, n_b = max(steps, key=lambda step: share_ln_e(*step))
            found.append(
                Finding(
                    Rule.SHARE,
                    f"{percent(n_c / (n_c + n_b))} % of {n_c + n_b:,} requests of {function} reached the new version, "
                    f"the weight is {percent(weight)} %: wrong weight, provisioned-concurrency spill or retries",
                    blamed=(score.key,),
                )
            )
    return tuple(found)


def wrong_arms(stage: StagePlan, scores: Sequence[Score]) -> tuple[Finding, ...]:
    """The share of first exposures isn't the flag's percentage: users are assigned wrongly, or lost on the way."""
    bound = -math.log(stage.evidence.alpha_share)
    seen: dict[str, Score] = {}
    for score in scores:
        if isinstance(score.gate, (OutcomesGate, MeanGate)):
            seen.setdefault(score.key.function, score)
    found: list[Finding] = []
    for function, score in seen.items():
        steps = [
            (weight, sum(m.n_c for m in rows), sum(m.n_b for m in rows))
            for a, b, weight in undisturbed(score.schedule.segments, stage.window)
            if (rows := score.counts[a:b])
        ]
        if steps and share_over_steps(steps) >= bound:
            weight, n_c, n_b = max(steps, key=lambda step: share_ln_e(*step))
            found.append(
                Finding(
                    Rule.SHARE,
                    f"sample ratio: {percent(n_c / (n_c + n_b))} % of the {n_c + n_b:,} users first exposed to "
                    f"{shown(function)} at {percent(weight)} % got the variant; the users can't be compared (wrong "
                    "assignment, bots, programs with an old document or a wrong clock, or a redirect that loses users)",
                    blamed=(score.key,),
                )
            )
    return tuple(found)


def _totals(traffic: AliasTraffic, score: Score, line: Timeline) -> tuple[int, int, int]:
    """Requests by version, through the alias, and to the function, in minutes known all ways."""
    rows = {row.minute: row for row in traffic.minutes}
    pairs = [(m, rows[minute]) for minute, m in zip(line.minutes, score.counts, strict=True) if minute in rows]
    asked = [row.function_requests for _, row in pairs]
    function = sum(value for value in asked if value is not None) if None not in asked else 0
    return sum(m.n_c + m.n_b for m, _ in pairs), sum(row.alias_requests for _, row in pairs), function


def lost_requests(observations: Observations, scores: Sequence[Score], line: Timeline) -> tuple[Finding, ...]:
    """Candidate and base together must be the alias' total: otherwise the canary is judged by a part (trap 6)."""
    counting = counting_scores(scores)
    found: list[Finding] = []
    for traffic in observations.traffic:
        score = counting.get(traffic.function)
        if score is None:
            continue
        apart, alias, _ = _totals(traffic, score, line)
        if abs(alias - apart) > max(LOST_REQUESTS, LOST_RATIO * alias):
            found.append(
                Finding(
                    Rule.CONSERVATION,
                    f"the two versions of {traffic.function} count {apart:,} requests, the alias {alias:,}: "
                    "the metrics miss or mix something",
                    blamed=(score.key,),
                )
            )
    return tuple(found)


def bypasses(observations: Observations, scores: Sequence[Score], line: Timeline) -> tuple[str, ...]:
    """Traffic that goes past the alias is not shifted and not judged (trap 26): worth a warning."""
    counting = counting_scores(scores)
    warnings: list[str] = []
    for traffic in observations.traffic:
        score = counting.get(traffic.function)
        if score is None:
            continue
        _, alias, function = _totals(traffic, score, line)
        function -= _probed(traffic.function, scores)
        if function > BYPASS_RATIO * alias + LOST_REQUESTS:
            warnings.append(f"{function - alias:,} of {function:,} requests went past the alias {traffic.function}")
    return tuple(warnings)


def _probed(function: str, scores: Sequence[Score]) -> int:
    """Invocations of a function's versions by paired probes: canary sends them past the alias itself."""
    return sum(
        minute.n_c + minute.n_b
        for score in scores
        if isinstance(score.gate, ProbesGate) and score.key.function == function
        for minute in score.counts
    )


def throttled(scores: Sequence[Score]) -> tuple[Finding, ...]:
    """Requests are being throttled: an environment that judges no version fairly (trap 20)."""
    found: list[Finding] = []
    for score in scores:
        recent = score.counts[-RECENT_MINUTES:]
        n, x = sum(m.n_c for m in recent), sum(m.x_c for m in recent)
        if isinstance(score.gate, ThrottlesGate) and x > score.limit * n:
            found.append(
                Finding(
                    Rule.THROTTLED,
                    f"{percent(x / n)} % of {n:,} requests were throttled in the last {len(recent)} minutes "
                    f"({score.key}), limit {limit(score.limit)} %",
                    blamed=(score.key,),
                )
            )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed requests of the candidate, or users to whom something failed.

    Attributes:
        excess: those that the base's rate doesn't explain; where it is silent its rate in the history stands in.
        variance: of `excess`, if the candidate were like its base.
    """

    failed: int
    excess: float
    variance: float
    unit: str = "requests"


def failures(scores: Sequence[Score]) -> Failures:
    """Failures of all functions, each counted by one gate."""
    failed, excess, variance, unit = 0, 0.0, 0.0, "requests"
    seen: set[str] = set()
    for score in scores:
        if not counts_failures(score.gate) or score.key.function in seen:
            continue
        seen.add(score.key.function)
        unit = unit_of(score.gate)
        for m in score.counts:
            rate = m.x_b / m.n_b if m.n_b else score.dispersion.rate
            failed += m.x_c
            excess += m.x_c - m.n_c * rate
            variance += m.d_a * m.n_c * rate * (1.0 + (m.n_c / m.n_b if m.n_b else 0.0))
    return Failures(failed, excess, variance, unit)


def harm(stage: StagePlan, scores: Sequence[Score]) -> tuple[Finding, ...]:
    """Enough requests were harmed: the ramp stops, however thin the evidence is spread.

    Chance is allowed for: at 6,000 requests a minute it alone makes an excess of 50 in one canary of twenty.
    """
    found = failures(scores)
    if found.excess - BY_CHANCE * math.sqrt(found.variance) <= stage.harm_cap:
        return ()
    words = stage.words
    sentence = (
        f"{found.failed:,} {found.unit} failed {words.at_candidate}, {found.excess:,.0f} more than {words.old_rate} "
        f"explains; harm_cap is {stage.harm_cap}"
    )
    return (Finding(Rule.HARM, sentence),)
