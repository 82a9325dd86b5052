"""The users of a rollout by arm, as a judgement counted them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from canary.core.measurements import DataState, StreamKey
from canary.core.plan import ErrorsGate, Gate, MeanGate, OutcomesGate
from canary.core.verdict import Judgement, Rule, StreamEvidence, Verdict
from canary.core.verdict.users import arms_of

AT = datetime(2026, 1, 5, 10, 12, tzinfo=UTC)
GATES: dict[str, Gate] = {
    "errors": ErrorsGate(),
    "orders": MeanGate(kind="value", metric="orders"),
    "slow": OutcomesGate(kind="outcomes", metric="slow"),
    "outcomes": OutcomesGate(kind="outcomes"),
}


def evidence(gate: str, users: int, bad: int, others: int, others_bad: int) -> StreamEvidence:
    key = StreamKey("flag.f:on", gate)
    return StreamEvidence(
        key, DataState.COMPLETE, 0.05, users, bad, others, others_bad, True, None, None, None, (), "numbers"
    )


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], ""),
        ([("errors", 900, 3, 900, 3)], ""),
        ([("outcomes", 0, 0, 0, 0)], ""),
        ([("orders", 10, 0, 30, 0), ("slow", 12, 4, 31, 0)], "By 10:12 UTC: 12 users with it; 31 users without it"),
        (
            [("orders", 500, 0, 900, 0), ("outcomes", 412, 33, 3612, 36)],
            "By 10:12 UTC: 412 users with it, 33 failed (8.0 %, 99 % interval 3.9–14.5 %); "
            "3,612 users without it, 36 failed (1.0 %, 99 % interval 0.48–1.8 %)",
        ),
        (
            [("outcomes", 1, 0, 0, 0)],
            "By 10:12 UTC: 1 user with it, 0 failed (0 %, 99 % interval 0–99.7 %); 0 users without it",
        ),
    ],
)
def test_both_arms_are_said_with_the_interval_of_failed_users(
    found: list[tuple[str, int, int, int, int]], text: str
) -> None:
    said = tuple(evidence(*each) for each in found)
    arms = arms_of(GATES, Judgement(Verdict.HEALTHY, "fine", Rule.SAFE, AT, evidence=said))
    assert ("" if arms is None else arms.to_text()) == text
