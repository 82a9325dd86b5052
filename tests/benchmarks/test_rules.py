"""The rules of other tools, emulated as statistics.md §3.11 words them, and exact alpha-spending."""

from __future__ import annotations

from random import Random

from benchmarks.releases.optional import spending_boundaries
from benchmarks.releases.peers import argo_failure_limit_3, codedeploy_2_of_3, flagger_threshold_5

BAD, GOOD, SILENT = (10, 5), (10, 0), (0, 0)


def test_codedeploys_alarm_wants_two_of_the_last_three_minutes() -> None:
    assert codedeploy_2_of_3([BAD, GOOD, BAD]) == 3
    assert codedeploy_2_of_3([BAD, GOOD, GOOD, BAD]) is None
    assert codedeploy_2_of_3([SILENT] * 9) is None


def test_argo_aborts_at_the_fourth_failure_ever() -> None:
    assert argo_failure_limit_3([BAD, GOOD, BAD, SILENT, BAD, GOOD, BAD]) == 7
    assert argo_failure_limit_3([BAD, BAD, BAD]) is None


def test_flagger_counts_silence_as_failure_and_acts_a_tick_later() -> None:
    assert flagger_threshold_5([SILENT] * 8) == 6
    assert flagger_threshold_5([BAD] * 5) is None
    assert flagger_threshold_5([GOOD] * 8) is None


def test_alpha_spending_spends_exactly_its_share() -> None:
    """Exact enumeration: at the limit the boundaries stop with probability at most alpha, and nearly so."""
    boundaries = spending_boundaries([60] * 30, 0.05, 0.01, 30)
    assert len(boundaries) == 30
    random = Random(5)
    stopped = 0
    for _ in range(2000):
        total = 0
        for boundary in boundaries:
            total += sum(random.random() < 0.05 for _ in range(60))
            if total >= boundary:
                stopped += 1
                break
    assert 0.003 < stopped / 2000 < 0.018


def test_alpha_spending_with_no_traffic_never_stops() -> None:
    assert spending_boundaries([0, 0], 0.05, 0.01, 2) == (1, 1)
