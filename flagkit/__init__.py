"""Feature flags on AWS AppConfig, evaluated inside the process that asks."""

from __future__ import annotations

from flagkit.client import Flags
from flagkit.core.evaluator import ErrorCode, Evaluation, Reason
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

__all__ = [
    "AccessDeniedError",
    "ConflictError",
    "DocumentError",
    "EditError",
    "ErrorCode",
    "Evaluation",
    "EvaluationError",
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
