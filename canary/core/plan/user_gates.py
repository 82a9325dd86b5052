"""The gates of a flag's rollout, whose unit is the user: shares of users, and means over users. Descriptions only."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from canary.core.plan.values import Duration, GateModel, LimitPercent, Switch

METRIC = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_SOURCE = re.compile(r"(dynamodb|emf)://[A-Za-z0-9_.-]{3,255}|(csv|command):\S.{0,1000}")


def _metric(value: str) -> str:
    if METRIC.fullmatch(value) is None:
        raise ValueError(f'"{value[:64]}" is not a valid metric: a letter, then up to 63 letters, digits, _ . or -')
    return value


def _source(value: str) -> str:
    if _SOURCE.fullmatch(value) is None:
        raise ValueError(
            f'"{value[:80]}" is not a valid source of outcomes; use for example "dynamodb://canary-outcomes", '
            '"emf://flagkit", "csv:outcomes.csv" or "command:./outcomes.sh"'
        )
    return value


def _window(value: timedelta) -> timedelta:
    if value % timedelta(minutes=1):
        raise ValueError('must be whole minutes, such as "5m": outcomes are counted by the minute')
    return value


MetricName = Annotated[str, AfterValidator(_metric)]
OutcomeSource = Annotated[str, AfterValidator(_source)]
Window = Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(hours=24)), AfterValidator(_window)]


class OutcomesGate(GateModel):
    """Share of users to whom something bad happened within the stage's `window` after their first exposure."""

    kind: Literal["outcomes"] = "outcomes"
    metric: MetricName = "failed"
    """`failed`, `slow`, or a metric of your own that `flags.report` counts."""
    limit_percent: LimitPercent = Decimal(5)
    relative: Switch = True
    """Also find regressions below the limit: above what the other users explain."""


class MeanGate(GateModel):
    """Mean of a number over users, such as order value: compared with the users without the variant."""

    kind: Literal["value"] = "value"
    metric: MetricName
    bad_when: Literal["lower", "higher"] = "lower"
    percent_of_baseline: Decimal = Field(default=Decimal(95), gt=0, le=1000)
    """The minimum effect: "lower" is bad below this share of the other users' mean, "higher" above it."""

    @property
    def share(self) -> float:
        """The mean is compared with so many times the baseline's."""
        return float(self.percent_of_baseline) / 100.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        lower = self.bad_when == "lower"
        if (self.percent_of_baseline > 100) if lower else (self.percent_of_baseline < 100):
            raise ValueError(
                f'percent_of_baseline must be {"at most" if lower else "at least"} 100 when "{self.bad_when}" is bad'
            )
        return self
