"""The verdict of a tick: a pure function of plan, observations, weights written and the time."""

from canary.core.verdict.judge import judge
from canary.core.verdict.model import Judgement, Rule, SharedIncident, StreamEvidence, Verdict

__all__ = ["Judgement", "Rule", "SharedIncident", "StreamEvidence", "Verdict", "judge"]
