"""An AWS stand-in for releases: Lambda with aliases, CloudWatch, Scheduler, users' traffic, on a virtual clock.

Names are loaded when asked for: pytest imports this package in every run through its plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canary.testing.aws import AwsStandIn
    from canary.testing.firing import Firing
    from canary.testing.foreign import ForeignWrite, ForeignWriter
    from canary.testing.lambda_ import (
        DeadLetter,
        HttpAnswer,
        LambdaService,
        LambdaSettings,
        LogLine,
        Outcome,
        http_event,
    )
    from canary.testing.scheduler import SchedulerService
    from canary.testing.traffic import Stream, Traffic, TrafficCounts

_HOMES = {
    "AwsStandIn": "aws",
    "DeadLetter": "lambda_",
    "Firing": "firing",
    "ForeignWrite": "foreign",
    "ForeignWriter": "foreign",
    "HttpAnswer": "lambda_",
    "LambdaService": "lambda_",
    "LambdaSettings": "lambda_",
    "LogLine": "lambda_",
    "Outcome": "lambda_",
    "SchedulerService": "scheduler",
    "Stream": "traffic",
    "Traffic": "traffic",
    "TrafficCounts": "traffic",
    "http_event": "lambda_",
}

__all__ = [
    "AwsStandIn",
    "DeadLetter",
    "Firing",
    "ForeignWrite",
    "ForeignWriter",
    "HttpAnswer",
    "LambdaService",
    "LambdaSettings",
    "LogLine",
    "Outcome",
    "SchedulerService",
    "Stream",
    "Traffic",
    "TrafficCounts",
    "http_event",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
