"""What CloudWatch has of a plan's own metrics: a gate whose series can't exist never has a value. Nothing is judged.

CloudWatch lists a metric for two weeks after its last value, and a new one up to 15 minutes late.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from canary.adapters.aws import Api
from canary.adapters.series import Formula, Series, Wanted
from flagkit.channels.text import printable

NAMES_READ: Final = 2_000
"""Metrics of a namespace whose names are read for a suggestion."""

_SHOWN: Final = 3

Dimensions = tuple[tuple[str, str], ...]


def missing(cloudwatch: Api, wanted: Iterable[Wanted]) -> str:
    """Which of these series CloudWatch doesn't have, and what it has instead; empty when it has them all.

    Raises:
        AwsError: the metrics can't be listed.
    """
    series = dict.fromkeys(one for each in wanted for one in _parts(each))
    return "; ".join(text for one in series if (text := _missing(cloudwatch, one)))


def _parts(wanted: Wanted) -> tuple[Series, ...]:
    return tuple(series for _, series in wanted.metrics) if isinstance(wanted, Formula) else (wanted,)


def _missing(cloudwatch: Api, series: Series) -> str:
    found = cloudwatch.pages("ListMetrics", "Metrics", Namespace=series.namespace, MetricName=series.name)
    listed = [_dimensions(metric) for metric in islice(found, NAMES_READ)]
    wanted = tuple(sorted(series.dimensions))
    if wanted in listed:
        return ""
    text = f"CloudWatch has no metric {series}"
    return f"{text}; it has {_others(wanted, listed)}" if listed else f"{text}; {_names(cloudwatch, series)}"


def _others(wanted: Dimensions, listed: Sequence[Dimensions]) -> str:
    """The sets of dimensions that the metric has, those with the most values of the wanted one first."""
    near = sorted(set(listed), key=lambda dimensions: (-len({*wanted} & {*dimensions}), dimensions))
    shown = [f"{{{', '.join(f'{name}={value}' for name, value in dimensions)}}}" for dimensions in near[:_SHOWN]]
    more = f" and {len(near) - _SHOWN} more" if len(near) > _SHOWN else ""
    return f"it with {', '.join(shown)}{more}"


def _names(cloudwatch: Api, series: Series) -> str:
    found = cloudwatch.pages("ListMetrics", "Metrics", Namespace=series.namespace)
    names = sorted({printable(str(metric.get("MetricName", ""))) for metric in islice(found, NAMES_READ)})
    if not names:
        return f"it has no metric in namespace {series.namespace}"
    close = difflib.get_close_matches(series.name, names, n=1)
    guess = f" (did you mean '{close[0]}'?)" if close else f": {', '.join(names[:_SHOWN])}"
    return f"namespace {series.namespace} has other names{guess}"


def _dimensions(metric: dict[str, object]) -> Dimensions:
    pairs = metric.get("Dimensions") or ()
    assert isinstance(pairs, list | tuple)
    return tuple(sorted((printable(str(pair["Name"])), printable(str(pair["Value"]))) for pair in pairs))
