"""What PutMetricData accepts and what it refuses, with AWS's messages.

It checks a whole request before it stores anything. Messages: [stackd] metrics, captured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from canary.testing.cloudwatch.bins import VALUE_LIMIT, Bin
from canary.testing.cloudwatch.queries import metric_of
from canary.testing.cloudwatch.store import MetricStore
from flagkit.testing.wire import ServiceError

MAX_DATA = 1000
MAX_VALUES = 150
MAX_DIMENSIONS = 30
OLDEST = timedelta(weeks=2)
NEWEST = timedelta(hours=2)


def publish(store: MetricStore, namespace: str, data: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Stores the data of one PutMetricData call, all or nothing.

    Args:
        store: where to.
        namespace: the request's; `AWS/…` is refused, as services only may write there.
        data: members of `MetricData`.
        now: virtual time.

    Raises:
        ServiceError: InvalidParameterValue, InvalidParameterCombination or MissingParameter.
    """
    if namespace.startswith("AWS/"):
        raise _value_error("The value AWS/ for parameter Namespace is invalid.")
    if not data:
        raise ServiceError("MissingParameter", "At least one MetricDatum object must be present in the request.")
    if len(data) > MAX_DATA:
        raise _value_error(f"The collection MetricData must not have a size greater than {MAX_DATA}.")
    data = [_with_floats(datum) for datum in data]
    for number, datum in enumerate(data, 1):
        _check(f"MetricData.member.{number}", datum, now)
    for datum in data:
        metric = metric_of({"Namespace": namespace, **datum})
        at = datum.get("Timestamp", now)
        store.add(metric, datum.get("Unit", "None"), at, partial(_fill, datum))


def _with_floats(datum: Mapping[str, Any]) -> Mapping[str, Any]:
    """The datum with every number as a float: JSON carries 4.0 as 4 and NaN as text."""
    changed = dict(datum)
    if "Value" in datum:
        changed["Value"] = float(datum["Value"])
    for name in ("Values", "Counts"):
        if name in datum:
            changed[name] = [float(number) for number in datum[name]]
    if "StatisticValues" in datum:
        changed["StatisticValues"] = {name: float(number) for name, number in datum["StatisticValues"].items()}
    return changed


def _fill(datum: Mapping[str, Any], bin_: Bin) -> None:
    if "StatisticValues" in datum:  # they win over Values (captured)
        given = datum["StatisticValues"]
        bin_.add_set(given["SampleCount"], given["Sum"], given["Minimum"], given["Maximum"])
    elif "Value" in datum:
        bin_.add(datum["Value"])
    else:
        counts = datum.get("Counts", [1.0] * len(datum["Values"]))
        for value, count in zip(datum["Values"], counts, strict=True):
            bin_.add(value, count)


def _check(place: str, datum: Mapping[str, Any], now: datetime) -> None:
    _check_combination(place, datum)
    _check_numbers(place, datum)
    if datum.get("StorageResolution", 60) not in {1, 60}:
        raise _value_error(f"The parameter {place}.StorageResolution must be a value in the set [ 1, 60 ].")
    dimensions = datum.get("Dimensions", ())
    if len(dimensions) > MAX_DIMENSIONS:
        raise _value_error(f"The collection {place}.Dimensions must not have a size greater than {MAX_DIMENSIONS}.")
    metric_of({"Namespace": "", **datum})
    at = datum.get("Timestamp", now)
    if at < now - OLDEST:
        raise _value_error(f"The parameter {place}.Timestamp must specify a time within the past two weeks.")
    if at > now + NEWEST:
        raise _value_error(f"The parameter {place}.Timestamp must specify a time no more than two hours in the future.")


def _check_combination(place: str, datum: Mapping[str, Any]) -> None:
    for other in ("Values", "StatisticValues"):
        if "Value" in datum and other in datum:
            raise _combination_error(
                f"The parameters {place}.Value and {place}.{other} are mutually exclusive and you have specified both."
            )
    if "Counts" in datum and "Values" not in datum:
        raise _combination_error("The parameter values must appears when the counts parameter is specified.")
    if not ("Value" in datum or datum.get("Values") or "StatisticValues" in datum):
        raise _combination_error("At least one of the parameters must be specified.")


def _check_numbers(place: str, datum: Mapping[str, Any]) -> None:
    values, counts = datum.get("Values", ()), datum.get("Counts")
    if len(values) > MAX_VALUES:
        raise _value_error(f"The collection {place}.Values must not have a size greater than {MAX_VALUES}.")
    if counts is not None and len(counts) != len(values):
        raise _value_error(f"The parameters {place}.Values and {place}.Counts must be of the same size.")
    if not all(count >= 0 and math.isfinite(count) for count in counts or ()):
        raise _value_error(f"The parameter {place}.Counts must contain only values greater than 0.")
    given = datum.get("StatisticValues")
    numbers = [(f"{place}.Value", datum["Value"])] if "Value" in datum else []
    numbers += [(f"{place}.Values", value) for value in values]
    if given is not None:
        _check_set(f"{place}.StatisticValues", given)
        numbers += [(f"{place}.StatisticValues.{name}", given[name]) for name in ("Sum", "Minimum", "Maximum")]
    for name, number in numbers:
        if not -VALUE_LIMIT <= number <= VALUE_LIMIT:  # NaN and the infinities fail here, too
            raise _value_error(f"The value {number} for parameter {name} is invalid.")


def _check_set(place: str, given: Mapping[str, float]) -> None:
    if not (given["SampleCount"] > 0 and math.isfinite(given["SampleCount"])):
        raise _value_error(f"The parameter {place}.SampleCount must be greater than 0.")
    if given["Minimum"] > given["Maximum"]:
        raise _value_error(f"The parameter {place}.Maximum must be greater than {place}.Minimum.")


def _value_error(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", message)


def _combination_error(message: str) -> ServiceError:
    return ServiceError("InvalidParameterCombination", message)
