"""Feature flags on AWS AppConfig, evaluated inside the process that asks.

Names are loaded when asked for, so `from flagkit.errors import …` costs no client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flagkit.client import Flags
    from flagkit.core.evaluator import ErrorCode, Evaluation, Reason
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
    from flagkit.runtime.status import State, Status

__version__ = "0.1.0"

_HOMES = {
    "Explanation": "core.explanation",
    "Flags": "client",
    "ErrorCode": "core.evaluator",
    "Evaluation": "core.evaluator",
    "Reason": "core.evaluator",
    "State": "runtime.status",
    "Status": "runtime.status",
}

__all__ = [
    "AccessDeniedError",
    "ConflictError",
    "DocumentError",
    "EditError",
    "ErrorCode",
    "Evaluation",
    "EvaluationError",
    "Explanation",
    "FlagkitError",
    "Flags",
    "NotDeployedError",
    "Reason",
    "RuleError",
    "SourceError",
    "SourceNotFoundError",
    "SourceUnavailableError",
    "SourceUrlError",
    "State",
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
