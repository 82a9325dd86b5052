"""The timestamps AWS writes into a document; the clock is the caller's."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FULL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def is_full_timestamp(text: str) -> bool:
    """Tell whether text is a full RFC 3339 timestamp with a zone, the only form AWS takes back. Since 0.1."""
    if _FULL.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


def aws_timestamp(now: datetime) -> str:
    """Print an aware datetime as AWS does: UTC, milliseconds, trailing zeros left out (`…:57.65Z`). Since 0.1."""
    moment = now.astimezone(UTC)
    fraction = f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
