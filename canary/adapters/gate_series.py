"""Which CloudWatch series each gate needs: names and dimensions only, nothing is fetched (lambda-canary.md §2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from canary.adapters.series import Series
from canary.core import emf
from canary.core.plan import (
    CountingGate,
    EmfGate,
    ErrorsGate,
    Http5xxGate,
    LatencyGate,
    MetricRef,
    RatioGate,
    ThrottlesGate,
)
from canary.ports import Target

LAMBDA: Final = "AWS/Lambda"


@dataclass(frozen=True, slots=True)
class Pair:
    """Requests and how many of them were bad, each the sum of one or more series."""

    requests: tuple[Series, ...]
    bad: tuple[Series, ...]

    @property
    def series(self) -> tuple[Series, ...]:
        """All of them."""
        return (*self.requests, *self.bad)


@dataclass(frozen=True, slots=True)
class Apart:
    """Series of a gate that tells the versions apart.

    Attributes:
        both: the alias' totals: the base's history, and what the candidate is taken off when the base's own series is
            missing. None when there is no such total (then `base` is the history too).
    """

    candidate: Pair
    base: Pair
    both: Pair | None


Needs = Apart | Pair
"""A `Pair` alone can't tell the versions apart."""


def bare_name(function: str) -> str:
    """The function's name without ARN: what the dimensions are made of."""
    return function.split(":")[6] if function.startswith("arn:") else function


def by_alias(target: Target, name: str, stat: str = "Sum") -> Series:
    """A series of the alias, both versions together."""
    return Series(LAMBDA, name, _alias(target), stat)


def by_version(target: Target, version: str, name: str, stat: str = "Sum") -> Series:
    """A series of one version behind the alias."""
    return Series(LAMBDA, name, (*_alias(target), ("ExecutedVersion", version)), stat)


def by_function(target: Target, name: str) -> Series:
    """A series of the function however it was called."""
    return Series(LAMBDA, name, (("FunctionName", bare_name(target.function.function)),))


def needs(gate: CountingGate, target: Target, stage: str) -> Needs:
    """The series of a counting gate for one function."""
    match gate:
        case ErrorsGate():
            return _lambda(target, ("Invocations", "Sum"), ("Errors", "Sum"))
        case LatencyGate(source="lambda"):
            return _lambda(target, ("Duration", "SampleCount"), ("Duration", over(gate.edge)))
        case LatencyGate():
            return _slow(gate, target)
        case ThrottlesGate():
            # A throttled request never ran: it is in neither Invocations nor Errors, and has no version.
            throttled = by_alias(target, "Throttles")
            return Pair((by_alias(target, "Invocations"), throttled), (throttled,))
        case Http5xxGate():
            return _http_5xx(gate, target)
        case EmfGate():
            bad = emf.ERRORS if gate.bad == "errors" else emf.SLOW
            return Apart(_emf(gate, target, target.candidate, bad), _emf(gate, target, target.base, bad), None)
        case RatioGate():
            return Apart(
                Pair(
                    (of_metric(gate.denominator, target, target.candidate, stage),),
                    (of_metric(gate.numerator, target, target.candidate, stage),),
                ),
                Pair(
                    (of_metric(gate.denominator, target, target.base, stage),),
                    (of_metric(gate.numerator, target, target.base, stage),),
                ),
                None,
            )


def over(edge: float) -> str:
    """The statistic "how many were above": exact at a bin edge; at most ten decimals are allowed."""
    return f"TC({edge:.7f}:)"


def of_metric(metric: MetricRef, target: Target, version: str, stage: str) -> Series:
    """A metric of the plan with its placeholders filled in."""
    words = {
        "function": bare_name(target.function.function),
        "alias": target.function.alias,
        "version": version,
        "stage": stage,
    }
    dimensions = tuple((name, _filled(value, words)) for name, value in metric.dimensions.items())
    return Series(metric.namespace, metric.name, dimensions, metric.stat)


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def _alias(target: Target) -> tuple[tuple[str, str], ...]:
    name = bare_name(target.function.function)
    return (("FunctionName", name), ("Resource", f"{name}:{target.function.alias}"))


def _lambda(target: Target, requests: tuple[str, str], bad: tuple[str, str]) -> Apart:
    def of(version: str) -> Pair:
        return Pair((by_version(target, version, *requests),), (by_version(target, version, *bad),))

    return Apart(of(target.candidate), of(target.base), Pair((by_alias(target, *requests),), (by_alias(target, *bad),)))


def _slow(gate: LatencyGate, target: Target) -> Pair:
    if gate.source == "url":
        namespace, name, dimensions = LAMBDA, "UrlRequestLatency", _alias(target)
    elif gate.source == "apigateway":
        namespace, name, dimensions = "AWS/ApiGateway", "Latency", _api(gate.target)
    else:
        namespace, name, dimensions = "AWS/ApplicationELB", "TargetResponseTime", _load_balancer(gate.target)
    return Pair(
        (Series(namespace, name, dimensions, "SampleCount"),), (Series(namespace, name, dimensions, over(gate.edge)),)
    )


def _http_5xx(gate: Http5xxGate, target: Target) -> Pair:
    if gate.source == "url":
        return Pair((by_alias(target, "UrlRequestCount"),), (by_alias(target, "Url5xxCount"),))
    if gate.source == "apigateway":
        dimensions = _api(gate.target)
        return Pair(
            (Series("AWS/ApiGateway", "Count", dimensions, "SampleCount"),),
            (Series("AWS/ApiGateway", "5XXError", dimensions),),
        )
    dimensions = _load_balancer(gate.target)
    return Pair(
        (Series("AWS/ApplicationELB", "RequestCount", dimensions),),
        (Series("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", dimensions),),
    )


def _api(name: str | None) -> tuple[tuple[str, str], ...]:
    return (("ApiName", name or ""),)


def _load_balancer(target: str | None) -> tuple[tuple[str, str], ...]:
    """`app/NAME/ID`, or `targetgroup/NAME/ID app/NAME/ID`: ALB dimensions want both when there is a target group."""
    words = (target or "").split()
    groups = [("TargetGroup", word) for word in words if word.startswith("targetgroup/")]
    return (*groups, *(("LoadBalancer", word) for word in words if not word.startswith("targetgroup/")))


def _emf(gate: EmfGate, target: Target, version: str, bad: str) -> Pair:
    dimensions = tuple(zip(emf.DIMENSIONS, (bare_name(target.function.function), version), strict=True))
    return Pair(
        (Series(gate.namespace, emf.REQUESTS, dimensions),),
        (Series(gate.namespace, bad, dimensions),),
    )
