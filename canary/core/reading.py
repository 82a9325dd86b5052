"""What the rows of an experiment say, whenever one looks: effects with intervals, shares of the arms, users needed.

Pure arithmetic on counts; no decision is made here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from canary.core.stats.bounds import Interval, interval
from canary.core.stats.means import Difference, Sums, difference, users_needed
from canary.core.stats.share import share_over_steps, shares_ln_e
from canary.core.verdict.arms import ShareStep

ALPHA = 0.05
"""Error probability of all intervals of one metric together."""
ALPHA_SHARE = 0.001


class ArmMinute(Protocol):
    """The users of one arm whose windows ended in one minute."""

    @property
    def minute(self) -> int:
        """In minutes since 1970."""
        ...

    @property
    def arm(self) -> str:
        """The variant."""
        ...

    @property
    def users(self) -> int:
        """How many."""
        ...

    @property
    def bad(self) -> Mapping[str, int]:
        """For each metric how many of them it counts as bad."""
        ...

    @property
    def sums(self) -> Mapping[str, float]:
        """For each metric the sum of their values."""
        ...

    @property
    def squares(self) -> Mapping[str, float]:
        """The sum of the values' squares."""
        ...


@dataclass(frozen=True, slots=True)
class Effect:
    """One metric of one arm beside the control.

    Attributes:
        metric: its name.
        is_share: whether it counts users, and its mean is a share.
        arm, users, mean: the arm, its users and their mean.
        control_mean: of the users of the control.
        rate: the interval of a share; None of a number.
        difference: arm minus control, in the same minutes.
        half_width: of the interval of the difference; infinite while too little is known.
        needed: users in both arms that would show the effect asked for, None when no number would.
        is_clear: whether the interval excludes 0.
    """

    metric: str
    is_share: bool
    arm: str
    users: int
    mean: float
    control_mean: float
    rate: Interval | None
    difference: float
    half_width: float
    needed: int | None
    is_clear: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What an experiment says so far.

    Attributes:
        control: the arm that the others are compared with.
        users: of each arm.
        effects: by metric and arm.
        minutes: from the first to the last row, in minutes since 1970; None without a row.
        expected: the shares that were expected all the time; empty if none were given.
        is_share_wrong: whether the arms' shares contradict what was expected; None if that isn't known.
        steps: the users of each percentage of a rollout.
    """

    control: str
    users: Mapping[str, int]
    effects: tuple[Effect, ...]
    minutes: tuple[int, int] | None
    expected: Mapping[str, float]
    is_share_wrong: bool | None
    steps: tuple[ShareStep, ...] = ()


def read_rows(
    rows: Sequence[ArmMinute],
    control: str,
    expected: Mapping[str, float] | None = None,
    effect_ratio: float = 0.05,
    steps: tuple[ShareStep, ...] = (),
) -> Reading:
    """Compare each arm with the control.

    With several arms the intervals of one metric hold together: alpha is divided among them.

    Args:
        rows: closed minutes.
        control: the arm to compare with.
        expected: shares of the arms, if they were the same all the time; they add up to 1.
        effect_ratio: the effect that users needed are computed for, relative to the control's mean.
        steps: the users of each percentage of a rollout, which are tested where no shares are expected.
    """
    users: dict[str, int] = {control: 0}
    for row in rows:
        users[row.arm] = users.get(row.arm, 0) + row.users
    bad = sorted({metric for row in rows for metric in row.bad})
    numbers = sorted({metric for row in rows for metric in row.sums})
    others = sorted(arm for arm in users if arm != control)
    alpha = ALPHA / max(1, len(others))
    effects = tuple(
        _effect(rows, metric, is_share, arm, control, alpha, effect_ratio)
        for is_share, metrics in ((True, bad), (False, numbers))
        for metric in metrics
        for arm in others
    )
    is_wrong = None
    if expected:
        arms = sorted({*expected, *users})
        shares, counts = [expected.get(arm, 0.0) for arm in arms], [users.get(arm, 0) for arm in arms]
        is_wrong = shares_ln_e(shares, counts) >= -math.log(ALPHA_SHARE)
    elif any(step.exposed or step.others for step in steps):
        ln_e = share_over_steps((step.share, step.exposed, step.others) for step in steps)
        is_wrong = ln_e >= -math.log(ALPHA_SHARE)
    minutes = [row.minute for row in rows]
    span = (min(minutes), max(minutes)) if minutes else None
    return Reading(control, users, effects, span, expected or {}, is_wrong, steps)


def _effect(
    rows: Iterable[ArmMinute], metric: str, is_share: bool, arm: str, control: str, alpha: float, effect_ratio: float
) -> Effect:
    minutes: dict[int, list[float]] = {}
    users, bad, control_users, total, control_total = 0, 0, 0, 0.0, 0.0
    for row in rows:
        if row.arm not in (arm, control):
            continue
        at = 0 if row.arm == arm else 3
        count = float(row.bad.get(metric, 0))
        numbers = (count, count) if is_share else (row.sums.get(metric, 0.0), row.squares.get(metric, 0.0))
        minute = minutes.setdefault(row.minute, [0.0] * 6)
        for index, number in enumerate((row.users, *numbers)):
            minute[at + index] += number
        if row.arm == arm:
            users, bad, total = users + row.users, bad + row.bad.get(metric, 0), total + numbers[0]
        else:
            control_users, control_total = control_users + row.users, control_total + numbers[0]
    found = difference([Sums(int(m[0]), m[1], m[2], int(m[3]), m[4], m[5]) for m in minutes.values()])
    half = found.half_width(alpha)
    control_mean = control_total / control_users if control_users else 0.0
    return Effect(
        metric=metric,
        is_share=is_share,
        arm=arm,
        users=users,
        mean=total / users if users else 0.0,
        control_mean=control_mean,
        rate=interval(users, bad, alpha / 2.0) if is_share else None,
        difference=found.effect,
        half_width=half,
        needed=_needed(found, effect_ratio * control_mean, alpha),
        is_clear=abs(found.effect) > half,
    )


def _needed(found: Difference, effect: float, alpha: float) -> int | None:
    if math.isinf(found.variance) or not found.weight:
        return None
    users = sum(found.users)
    share = found.users[0] / users
    return users_needed(found.variance * found.weight, effect, alpha, share)
