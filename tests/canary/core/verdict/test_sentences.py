"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from canary.core.plan import ErrorsGate, LatencyGate, ThrottlesGate
from canary.core.verdict.sentences import limit, odds, percent, what_is_bad


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.0, "0"), (0.121, "12.1"), (0.08, "8.0"), (0.00403, "0.4"), (0.00012, "0.012"), (1.0, "100"), (0.9996, "100")],
)
def test_rates(ratio: float, text: str) -> None:
    assert percent(ratio) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(3412, "3,410:1"), (1225, "1,220:1"), (0.3, "1:1"), (1.4, "1:1"), (3.4e15, "10^16:1"), (99, "99:1")],
)
def test_odds(value: float, text: str) -> None:
    assert odds(math.log(value)) == text


def test_limits_as_written() -> None:
    assert (limit(0.05), limit(0.005), limit(0.976)) == ("5", "0.5", "97.6")


def test_what_bad_requests_did() -> None:
    assert what_is_bad(ErrorsGate()) == "failed"
    assert what_is_bad(LatencyGate()) == "took longer than 2.05 s"
    assert what_is_bad(ThrottlesGate()) == "were throttled"
