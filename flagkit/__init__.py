"""Feature flags on AWS AppConfig, evaluated inside the process that asks.

Names are loaded when asked for, so `from flagkit.errors import …` costs no client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flagkit.client import Flags
    from flagkit.core.evaluation import ErrorCode, Evaluation, Reason
    from flagkit.core.explanation import Explanation
    from flagkit.errors import (
        AccessDeniedError,
        ConflictError,
        DocumentError,
        EditError,
        EvaluationError,
        FlagkitError,
        NotDeployedError,
        RuleError,
        SourceError,
        SourceNotFoundError,
        SourceUnavailableError,
        SourceUrlError,
        UnknownFlagError,
        UsageError,
        Violation,
    )
    from flagkit.runtime.exposures import Exposure, Exposures
    from flagkit.runtime.sinks import EmfSink, FirehoseSink, LogSink
    from flagkit.runtime.status import State, Status
    from flagkit.sources.base import Document, Source
    from flagkit.sources.static import StaticSource

__version__ = "0.1.0"

_HOMES = {
    "Document": "sources.base",
    "EmfSink": "runtime.sinks",
    "ErrorCode": "core.evaluation",
    "Evaluation": "core.evaluation",
    "Explanation": "core.explanation",
    "Exposure": "runtime.exposures",
    "Exposures": "runtime.exposures",
    "FirehoseSink": "runtime.sinks",
    "Flags": "client",
    "LogSink": "runtime.sinks",
    "Reason": "core.evaluation",
    "Source": "sources.base",
    "State": "runtime.status",
    "StaticSource": "sources.static",
    "Status": "runtime.status",
}

__all__ = [
    "AccessDeniedError",
    "ConflictError",
    "Document",
    "DocumentError",
    "EditError",
    "EmfSink",
    "ErrorCode",
    "Evaluation",
    "EvaluationError",
    "Explanation",
    "Exposure",
    "Exposures",
    "FirehoseSink",
    "FlagkitError",
    "Flags",
    "LogSink",
    "NotDeployedError",
    "Reason",
    "RuleError",
    "Source",
    "SourceError",
    "SourceNotFoundError",
    "SourceUnavailableError",
    "SourceUrlError",
    "State",
    "StaticSource",
    "Status",
    "UnknownFlagError",
    "UsageError",
    "Violation",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value  # asked once
    return value
