"""The users of a rollout by arm: how many were counted, and how many of them failed. Values and one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from canary.core.plan import Gate, MeanGate, OutcomesGate
from canary.core.stats.bounds import Interval, interval
from canary.core.verdict.model import Judgement
from canary.core.verdict.sentences import percent


@dataclass(frozen=True, slots=True)
class Arm:
    """The users of one arm, counted since the start.

    Attributes:
        failed: None where the plan has no gate that counts failed users.
        interval: of the share that failed; the same alpha per side as everywhere.
    """

    users: int
    failed: int | None = None
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Arms:
    """Both arms, as a judgement counted them.

    Attributes:
        at: when it looked.
    """

    exposed: Arm
    others: Arm
    at: datetime

    def to_text(self) -> str:
        """Both in a line: "By 10:12 UTC: 412 users with it, 33 failed (8.0 %, 99 % interval 3.9–14.5 %); 3,612 …"."""
        return f"By {self.at:%H:%M} UTC: {_arm_text(self.exposed, 'with')}; {_arm_text(self.others, 'without')}"


def arms_of(gates: Mapping[str, Gate], judgement: Judgement) -> Arms | None:
    """The users of both arms; None where no gate counts users, or none is counted yet.

    Failed users come from the gate that counts them; without one, the gate that counts the most users says how many.
    """
    counted = [said for said in judgement.evidence if isinstance(gates.get(said.key.gate), (OutcomesGate, MeanGate))]
    counted = [said for said in counted if said.candidate_requests or said.baseline_requests]
    if not counted:
        return None
    for said in counted:
        gate = gates[said.key.gate]
        if isinstance(gate, OutcomesGate) and gate.metric == "failed":
            n_c, x_c, n_b, x_b = said.candidate_requests, said.candidate_bad, said.baseline_requests, said.baseline_bad
            others = interval(n_b, x_b, said.alpha, said.dispersion)
            return Arms(Arm(n_c, x_c, said.interval), Arm(n_b, x_b, others), judgement.at)
    most = max(counted, key=lambda said: said.candidate_requests + said.baseline_requests)
    return Arms(Arm(most.candidate_requests), Arm(most.baseline_requests), judgement.at)


def _arm_text(arm: Arm, which: str) -> str:
    users = f"{arm.users:,} {'user' if arm.users == 1 else 'users'} {which} it"
    if arm.failed is None or arm.interval is None or not arm.users:
        return users
    share = f"{percent(arm.failed / arm.users)} %"
    return (
        f"{users}, {arm.failed:,} failed ({share}, 99 % interval {percent(arm.interval.lower)}–"
        f"{percent(arm.interval.upper)} %)"
    )
