"""The small values a plan is written in: durations, percentages, function references. Parsing only, no policy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?\s*(?:(\d+(?:\.\d+)?)m)?\s*(?:(\d+(?:\.\d+)?)s)?\s*(?:(\d+)ms)?")
_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,128}")

Invoked = Literal["sync", "async", "queue"]


class Model(BaseModel):
    """Base of every plan table: unknown fields are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)


def parse_duration(value: object) -> object:
    """Read "10m", "90s", "1h30m" or "500ms"; hand everything but text on to pydantic.

    Raises:
        ValueError: text that is no duration, or a bare number (of what?).
    """
    if isinstance(value, (int, float, Decimal)):
        raise ValueError(f'a duration needs a unit: "{value}s" or "{value}m"')  # noqa: TRY004 -- pydantic reports ValueError
    if not isinstance(value, str):
        return value
    text = value.strip()
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f'"{value}" is no duration: write "90s", "10m", "1h30m" or "500ms"')
    hours, minutes, seconds, milliseconds = (float(part) if part else 0.0 for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)


def format_duration(value: timedelta) -> str:
    """Write a duration the way a plan does: "10m", "1h30m", "90s" as "1m30s", "2.5s"."""
    hours, rest = divmod(value.total_seconds(), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = (f"{hours:g}h" if hours else "", f"{minutes:g}m" if minutes else "", f"{seconds:g}s" if seconds else "")
    return "".join(parts) or "0s"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(ge=timedelta(0))]
Percent = Annotated[Decimal, Field(ge=0, le=100)]
LimitPercent = Annotated[Decimal, Field(gt=Decimal("0.0117"), lt=Decimal("97.6"))]
"""A limit that the statistics can judge: outside there are no alternatives (statistics.md §4.2)."""


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """One Lambda function and the alias whose weights canary moves.

    Attributes:
        function: name or ARN, without qualifier.
        alias: name of the alias.
        invoked: how it is called; events of "async" and "queue" may fail up to three times each, which the evidence
            is tempered for (statistics.md §4.7).

    Raises:
        ValueError: no function, or an alias that can't be shifted: a version number or $LATEST.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    function: str
    alias: str
    invoked: Invoked = "sync"

    def __post_init__(self) -> None:
        named = self.function and not self.function.endswith(":function")
        if not named or _ALIAS.fullmatch(self.alias) is None or self.alias.isdigit():
            raise ValueError(f'"{self.key}" needs a function and an alias, as in "api:live"; no version, no $LATEST')

    @classmethod
    def parse(cls, text: str, invoked: Invoked = "sync") -> FunctionRef:
        """Read "function:alias"; the function may be an ARN.

        Raises:
            ValueError: as the class says.
        """
        function, _, alias = text.strip().rpartition(":")
        return cls(function, alias, invoked)

    @property
    def key(self) -> str:
        """How streams, journal and messages name it: "api:live"."""
        return f"{self.function}:{self.alias}"

    def __str__(self) -> str:
        return self.key

    @property
    def source_dispersion(self) -> float:
        """d_source of statistics.md §4.7."""
        return 1.0 if self.invoked == "sync" else 3.0
