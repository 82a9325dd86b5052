"""Faults strike the calls they are meant for, as often as they should."""

from __future__ import annotations

from collections import Counter

from flagkit.testing import Fault, Faults


def drawn(faults, call="lambda.Invoke"):
    rule = faults.next_fault(call)
    return None if rule is None else rule.fault


def test_a_fault_strikes_only_matching_calls():
    faults = Faults()
    faults.add(Fault.THROTTLED, "lambda.*")
    assert drawn(faults, "appconfig.GetEnvironment") is None
    assert drawn(faults) is Fault.THROTTLED


def test_a_fault_strikes_so_many_times_after_so_many_calls():
    faults = Faults()
    faults.add(Fault.DENIED, times=2, skip=1)
    assert [drawn(faults) for _ in range(4)] == [None, Fault.DENIED, Fault.DENIED, None]


def test_a_mix_strikes_the_given_share_with_every_kind_equally_often():
    faults = Faults(seed=1)
    faults.add_mix(0.4)
    counts = Counter(drawn(faults) for _ in range(10_000))
    assert 5_800 < counts[None] < 6_200
    assert all(850 < counts[fault] < 1_150 for fault in counts if fault is not None)
    assert len(counts) == 5


def test_the_same_seed_draws_the_same_faults():
    def run():
        faults = Faults(seed=7)
        faults.add(Fault.SLOW, probability_ratio=0.5)
        return [drawn(faults) for _ in range(50)]

    assert run() == run()


def test_faults_can_be_turned_off_one_by_one_or_all():
    faults = Faults()
    rule = faults.add(Fault.SLOW, delay_s=3)
    faults.add(Fault.DENIED)
    faults.remove(rule)
    assert drawn(faults) is Fault.DENIED
    faults.clear()
    assert drawn(faults) is None
