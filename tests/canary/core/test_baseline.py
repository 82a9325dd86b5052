"""A baseline that breaks the limits by itself is named before anything moves."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from canary.core.baseline import blind_gates, unhealthy_baselines, weakened_evidence
from canary.core.measurements import MinuteCounts, Stream, StreamKey
from tests.canary.stages import stage_of

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def stream(gate: str, requests: int, bad: int, minutes: int = 40) -> Stream:
    rows = tuple(
        MinuteCounts(START + timedelta(minutes=n), baseline_requests=requests, baseline_bad=bad) for n in range(minutes)
    )
    return Stream(StreamKey("api:live", gate), history=rows)


def test_a_baseline_beyond_the_limit_is_named_with_its_numbers() -> None:
    (text,) = unhealthy_baselines(stage_of(), [stream("errors", 100, 12)])
    assert text == ("errors of api:live: 360 of the last 3,000 requests were bad on the baseline (12 %, limit 5 %)")


def test_few_unlucky_requests_are_no_proof_against_the_baseline() -> None:
    assert unhealthy_baselines(stage_of(), [stream("errors", 5, 1, minutes=1)]) == ()


def test_latency_is_held_to_its_share_and_other_gates_are_left_alone() -> None:
    stage = stage_of(gates={"throttles": {"kind": "throttles"}})
    found = unhealthy_baselines(
        stage, [stream("latency", 100, 9), stream("throttles", 100, 99), stream("gone", 100, 99)]
    )
    assert [text.split(":")[0] for text in found] == ["latency of api"]


def test_what_is_over_for_long_no_longer_counts() -> None:
    old = tuple(MinuteCounts(START + timedelta(minutes=n), baseline_requests=100, baseline_bad=50) for n in range(60))
    new = tuple(MinuteCounts(START + timedelta(minutes=60 + n), baseline_requests=100) for n in range(30))
    assert unhealthy_baselines(stage_of(), [Stream(StreamKey("api:live", "errors"), history=old + new)]) == ()


def test_clusters_in_the_history_are_named_with_what_they_cost() -> None:
    """J1: evidence was divided by 83 after an outage, and nothing said so."""
    rows = tuple(
        MinuteCounts(START + timedelta(minutes=n), baseline_requests=600, baseline_bad=0 if n % 10 else 90)
        for n in range(180)
    )
    clustered = Stream(StreamKey("api:live", "errors"), history=rows)
    (text,) = weakened_evidence(stage_of(), [clustered, stream("gone", 100, 99), stream("errors", 600, 6, 180)])
    assert text == (
        "errors of api:live: failures came in clusters in the last 180 minutes; at 10 % evidence is divided by 30, "
        "so a regression takes about 30 times as long to find"
    )


def test_history_that_is_no_count_says_nothing_about_the_baseline() -> None:
    odd = tuple(
        MinuteCounts(START + timedelta(minutes=60 + n), baseline_requests=requests, baseline_bad=bad)  # type: ignore[arg-type]
        for n, (requests, bad) in enumerate([(math.nan, 1), (100, math.nan), (-100, 0), (100, -50), (5, 9)])
    )
    good = stream("errors", 100, 1, 60)
    assert unhealthy_baselines(stage_of(), [replace(good, history=good.history + odd)]) == ()


def orders(bad_when: str = "lower") -> dict[str, object]:
    where = {"namespace": "shop", "dimensions": {"Version": "{version}"}}
    metrics = {"numerator": {**where, "name": "orders"}, "denominator": {**where, "name": "sessions"}}
    limit = {"percent_of_baseline": 120} if bad_when == "higher" else {}
    return {"kind": "ratio", "bad_when": bad_when, **limit, **metrics}


@pytest.mark.parametrize(
    ("gate", "requests", "bad", "words"),
    [
        ({"kind": "errors"}, 60, 1, ""),
        ({"kind": "errors"}, 1, 0, ""),
        (orders(), 60, 20, ""),
        (orders(), 60, 90, ""),
        (orders(), 2, 0, "it takes other weights or limits"),
        (orders("higher"), 2, 0, ""),
        ({"kind": "http_5xx", "source": "http_api", "target": "a1", "limit_percent": 40}, 60, 0, ""),
        (
            {"kind": "http_5xx", "source": "http_api", "target": "a1", "limit_percent": 60},
            60,
            0,
            "it takes other weights or limits",
        ),
        ({"kind": "throttles"}, 1, 0, ""),
        ({"kind": "errors"}, 0, 0, ""),
        ({"kind": "errors"}, -1, math.nan, ""),
    ],
)
def test_a_gate_that_could_find_nothing_at_its_traffic_is_named(
    gate: dict[str, object], requests: int, bad: int, words: str
) -> None:
    stage = stage_of("api:live", gates={"g": gate})
    rows = stream("g", requests, bad, 180).history
    key = next(iter(stage.keys("g")))
    texts = blind_gates(stage, [Stream(key, history=rows), stream("gone", 5, 1)], START + timedelta(hours=3))
    assert [text.rpartition("; ")[2] for text in texts] == ([words] if words else [])


def test_a_gate_with_few_orders_says_how_many_times_the_requests_it_takes() -> None:
    rows = tuple(
        MinuteCounts(START + timedelta(minutes=n), baseline_requests=10, baseline_bad=int(n % 10 == 0))
        for n in range(180)
    )
    stage = stage_of("api:live", gates={"orders": orders()})
    key = next(iter(stage.keys("orders")))
    assert blind_gates(stage, [Stream(key, history=rows)], START + timedelta(hours=3)) == (
        "orders of api:live: at 10 requests a minute (last 3h) no new version, however bad, would be rolled back "
        "within 1h (all steps and the longest hold); it takes up to 8 times the requests",
    )
