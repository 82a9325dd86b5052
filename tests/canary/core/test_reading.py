"""What an experiment says: effects, intervals, shares of the arms, users needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import pytest

from canary.core.reading import read_rows
from canary.core.stats.share import share_ln_e, shares_ln_e


@dataclass(frozen=True)
class Minute:
    """One row."""

    minute: int
    arm: str
    users: int
    bad: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, float] = field(default_factory=dict)
    squares: Mapping[str, float] = field(default_factory=dict)


def experiment(rates: Mapping[str, float], minutes: int = 60, users: int = 50) -> list[Minute]:
    rng = Random(5)
    rows = []
    for minute in range(minutes):
        for arm, rate in rates.items():
            bad = sum(rng.random() < rate for _ in range(users))
            values = [rng.expovariate(1.0 / (10.0 + 40.0 * rate)) for _ in range(users)]
            rows.append(
                Minute(
                    minute,
                    arm,
                    users,
                    {"failed": bad} if bad else {},
                    {"orders": sum(values)},
                    {"orders": sum(value * value for value in values)},
                )
            )
    return rows


def test_each_arm_is_compared_with_the_control() -> None:
    found = read_rows(experiment({"off": 0.02, "blue": 0.02, "red": 0.2}), "off")
    assert found.users == {"off": 3000, "blue": 3000, "red": 3000}
    assert found.minutes == (0, 59)
    assert found.is_share_wrong is None
    assert [(effect.metric, effect.arm, effect.is_share, effect.is_clear) for effect in found.effects] == [
        ("failed", "blue", True, False),
        ("failed", "red", True, True),
        ("orders", "blue", False, False),
        ("orders", "red", False, True),
    ]
    red = found.effects[1]
    assert red.difference == pytest.approx(0.18, abs=red.half_width)
    assert red.rate is not None
    assert red.rate.lower < red.mean < red.rate.upper
    assert red.needed is not None
    assert found.effects[2].rate is None
    assert found.effects[0].needed is not None
    assert found.effects[0].needed > 6000  # a twentieth of 2 % takes far more users than there are


def test_an_experiment_without_users_says_nothing() -> None:
    found = read_rows([], "off", {"on": 0.5, "off": 0.5})
    assert (found.minutes, found.effects, found.users) == (None, (), {"off": 0})
    assert found.is_share_wrong is False


def test_few_users_have_no_interval() -> None:
    found = read_rows(experiment({"off": 0.0, "on": 0.0}, minutes=1), "off")
    (effect,) = found.effects
    assert math.isinf(effect.half_width)
    assert effect.needed is None
    only = read_rows([Minute(0, "on", 3, {"failed": 1})], "off").effects[0]
    assert (only.control_mean, only.needed) == (0.0, None)
    nobody = read_rows([Minute(0, "on", 0, {"failed": 0}), Minute(0, "off", 3)], "off").effects[0]
    assert nobody.mean == 0.0


@pytest.mark.parametrize(("share", "is_wrong"), [(0.5, False), (0.25, True)])
def test_the_shares_of_the_arms_are_checked_where_they_are_known(share: float, is_wrong: bool) -> None:
    rows = experiment({"off": 0.0, "on": 0.0})
    assert read_rows(rows, "off", {"on": share, "off": 1.0 - share}).is_share_wrong is is_wrong


def test_an_arm_that_nobody_expected_is_a_wrong_share() -> None:
    rows = experiment({"off": 0.0, "on": 0.0, "ghost": 0.0}, minutes=1)
    assert read_rows(rows, "off", {"on": 0.5, "off": 0.5}).is_share_wrong is True


def test_two_arms_are_the_share_of_a_canary() -> None:
    assert shares_ln_e([0.1, 0.9], [150, 850]) == pytest.approx(share_ln_e(0.1, 150, 850))
    assert shares_ln_e([0.1, 0.9, 0.0], [150, 850, 0]) == pytest.approx(share_ln_e(0.1, 150, 850))
