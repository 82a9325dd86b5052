"""The small values a plan is written in: durations, percentages, function references. Parsing only, no policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticKnownError

from canary.core.words import Words, flag_of, shown, words_of

_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)h)?\s*(?:(\d+(?:\.\d+)?)m)?\s*(?:(\d+(?:\.\d+)?)s)?\s*(?:(\d+)ms)?", re.ASCII
)
_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FUNCTION = re.compile(r"(?:(?:arn:aws[a-z-]*:lambda:[a-z0-9-]+:)?[0-9]{12}:function:)?[A-Za-z0-9_.-]{1,140}")

LONGEST = timedelta(days=30)
"""No canary lives that long; whatever is longer is a slip."""

Invoked = Literal["sync", "async", "queue"]


class Model(BaseModel):
    """Base of every plan table: unknown fields are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, allow_inf_nan=False)


def parse_duration(value: object) -> object:
    """Read "10m", "90s", "1h30m" or "500ms"; pass everything but text on to pydantic.

    Raises:
        ValueError: text that is not a duration or too long a one, or a number without a unit.
    """
    if isinstance(value, (int, float, Decimal)):
        raise ValueError(f'a duration needs a unit, such as "{value}s" or "{value}m"')  # noqa: TRY004 -- pydantic reports ValueError
    if not isinstance(value, str):
        return value
    text = value.strip()
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f'"{value[:60]}" is not a valid duration; use for example "90s", "10m", "1h30m" or "500ms"')
    hours, minutes, seconds, milliseconds = (float(part) if part else 0.0 for part in match.groups())
    if (total_s := hours * 3600 + minutes * 60 + seconds + milliseconds / 1000) > LONGEST.total_seconds():
        raise ValueError(f'"{value[:60]}" is too long; a duration is at most 720h')
    return timedelta(seconds=total_s)


def format_duration(value: timedelta) -> str:
    """Write a duration the way a plan does: "10m", "1h30m", "90s" as "1m30s", "2.5s"."""
    hours, rest = divmod(value.total_seconds(), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = (f"{hours:g}h" if hours else "", f"{minutes:g}m" if minutes else "", f"{seconds:g}s" if seconds else "")
    return "".join(parts) or "0s"


def _http_url(value: str) -> str:
    try:
        _HTTP_URL.validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Input should be a valid URL, ").removeprefix("URL ")
        raise ValueError(f"must be a URL such as https://example.com/health: {reason}") from None
    return value


def _json(value: object) -> object:
    """What TOML reads as a Decimal is a number in JSON; what JSON doesn't have is refused.

    Raises:
        ValueError: a date, a time or a number that isn't finite.
    """
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"JSON has no number {value}")
        return float(value)
    if isinstance(value, date | time):
        raise ValueError(f'JSON has no dates; write "{value}" in quotes')  # noqa: TRY004 -- pydantic reports ValueError
    return value


def _no_truth(value: object) -> object:
    """Pydantic takes `true` for 1.

    Raises:
        PydanticKnownError: `true` or `false`.
    """
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


_HTTP_URL: TypeAdapter[object] = TypeAdapter(AnyHttpUrl)
HttpUrl = Annotated[str, AfterValidator(_http_url)]
"""The text as it is written; pydantic's own type would change it."""
JsonObject = Annotated[dict[str, JsonValue], BeforeValidator(_json)]
Arn = Annotated[str, Field(pattern=r"^arn:[a-z0-9-]+:[a-z0-9-]+:")]
Switch = Annotated[bool, Field(strict=True)]
"""`true` or `false`; not 1, not "yes"."""
Whole = Annotated[int, Field(strict=True)]
"""A whole number; not `true`, not 5.0."""
Number = Annotated[float, BeforeValidator(_no_truth)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(ge=timedelta(0))]
Percent = Annotated[Decimal, Field(ge=0, le=100)]
LimitPercent = Annotated[Decimal, Field(gt=Decimal("0.0117"), lt=Decimal("97.6"))]
"""A limit that the statistics can judge: outside there are no alternatives (statistics.md §4.2)."""


class GateModel(Model):
    """What every gate has."""

    dry_run: Switch = False
    """Measure and show the gate, and never let it decide."""


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
        if _FUNCTION.fullmatch(self.function) is None or _ALIAS.fullmatch(self.alias) is None or self.alias.isdigit():
            raise ValueError(
                f'"{self.key}" must be a function and an alias, such as "api:live", not a version or $LATEST'
            )

    @classmethod
    def parse(cls, text: str, invoked: Invoked = "sync") -> FunctionRef:
        """Read "function:alias"; the function may be an ARN.

        Raises:
            ValueError: as the class says.
        """
        function, colon, alias = text.strip().rpartition(":")
        return cls(function, alias, invoked) if colon else cls(alias, "", invoked)

    @property
    def key(self) -> str:
        """How streams, journal and messages name it: "api:live"."""
        return f"{self.function}:{self.alias}"

    @property
    def name(self) -> str:
        """The function's name, of `NAME`, `ACCOUNT:function:NAME` or an ARN."""
        return self.function.rpartition(":")[2]

    @property
    def flag(self) -> str:
        """The key of the flag that it stands for; empty for a Lambda function."""
        return flag_of(self.function)

    @property
    def words(self) -> Words:
        """How it is spoken of."""
        return words_of(self.key)

    def __str__(self) -> str:
        return shown(self.key)

    @property
    def source_dispersion(self) -> float:
        """d_source of statistics.md §4.7."""
        return 1.0 if self.invoked == "sync" else 3.0
