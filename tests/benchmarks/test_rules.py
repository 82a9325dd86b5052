"""The rules of other tools, emulated as statistics.md §3.11 words them."""

from __future__ import annotations

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
