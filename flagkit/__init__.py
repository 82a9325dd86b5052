"""Feature flags on AWS AppConfig, evaluated inside the process that asks.

Names are loaded when they are first used, so `from flagkit.errors import …` costs no client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    __version__: str
    from flagkit.client import Flags
    from flagkit.core.bucketing import bucket, threshold
    from flagkit.core.context import Context, UserId
    from flagkit.core.evaluation import ErrorCode, Evaluation, Reason, ValueType
    from flagkit.core.explanation import Explanation
    from flagkit.core.snapshot import Snapshot
    from flagkit.errors import (
        AccessDeniedError,
        ConflictError,
        DocumentError,
        EditError,
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
    from flagkit.runtime.exposures import EmfSink, Exposure, Exposures, FirehoseSink, LogSink
    from flagkit.runtime.status import State, Status
    from flagkit.sources.base import Document, Source
    from flagkit.sources.static import StaticSource
    from flagkit.user import UserFlags

__all__ = [
    "AccessDeniedError",
    "ConflictError",
    "Context",
    "Document",
    "DocumentError",
    "EditError",
    "EmfSink",
    "ErrorCode",
    "Evaluation",
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
    "Snapshot",
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
    "UserFlags",
    "UserId",
    "ValueType",
    "Violation",
    "__version__",
    "bucket",
    "threshold",
]

__getattr__ = lazy_names(
    __name__,
    {
        "flagkit.client": ("Flags",),
        "flagkit.core.bucketing": ("bucket", "threshold"),
        "flagkit.core.context": ("Context", "UserId"),
        "flagkit.core.evaluation": ("ErrorCode", "Evaluation", "Reason", "ValueType"),
        "flagkit.core.explanation": ("Explanation",),
        "flagkit.core.snapshot": ("Snapshot",),
        "flagkit.errors": (
            "AccessDeniedError",
            "ConflictError",
            "DocumentError",
            "EditError",
            "FlagkitError",
            "NotDeployedError",
            "RuleError",
            "SourceError",
            "SourceNotFoundError",
            "SourceUnavailableError",
            "SourceUrlError",
            "UnknownFlagError",
            "UsageError",
            "Violation",
        ),
        "flagkit.runtime.exposures": ("EmfSink", "Exposure", "Exposures", "FirehoseSink", "LogSink"),
        "flagkit.runtime.status": ("State", "Status"),
        "flagkit.sources.base": ("Document", "Source"),
        "flagkit.sources.static": ("StaticSource",),
        "flagkit.user": ("UserFlags",),
    },
)
