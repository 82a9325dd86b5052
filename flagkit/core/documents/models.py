"""The authoring document of AWS.AppConfig.FeatureFlags version "1" as immutable pydantic models.

Only the shape is here: what the flags mean together (variants, rules, required attributes) is checked in `checks`, what
the service stores is in `saved`. Never used on the read path (decision 0004).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, StrictStr
from pydantic_core import PydanticCustomError

from flagkit.core.documents.constraints import Constraints, Model, OptionalToggle, Text, Toggle

MAX_ATTRIBUTES = 25
MAX_VARIANTS = 32
MAX_RULE_LENGTH = 16_384
# `\d` is written out: in a Rust regex it would also mean digits of other scripts.
KEY_PATTERN = r"^[a-z][a-zA-Z0-9_-]{0,63}$"
NAME_PATTERN = r"^[^\n]{1,64}$"
_OPTIONAL_NAME_PATTERN = r"^[^\n]{0,64}$"
_DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
IN_WORDS: Final = {
    KEY_PATTERN: "must be a lower-case letter, then letters, digits, - or _, at most 64 in total",
    NAME_PATTERN: "must be one line of 1 to 64 characters",
    _OPTIONAL_NAME_PATTERN: "must be one line of at most 64 characters",
    _DATE_PATTERN: "must be a date such as 2027-03-01",
}
"""What these patterns ask for."""

_FULL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def is_full_timestamp(text: str) -> bool:
    """Tell whether text is a full RFC 3339 timestamp with a zone, the only form that AWS accepts."""
    if _FULL.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


def aws_timestamp(now: datetime) -> str:
    """Print an aware datetime as AWS does: UTC, milliseconds, trailing zeros left out (`…:57.65Z`)."""
    moment = now.astimezone(UTC)
    fraction = f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def _not_reserved(key: str) -> str:
    if key == "enabled":
        kind = "AttributeKey"
        raise PydanticCustomError(kind, "an attribute can't be named enabled")
    return key


def _full_timestamp(value: str) -> str:
    # Natively a shorter form (2000-01-01) is answered with 500 and an empty message (appconfig.md §1.1).
    if not is_full_timestamp(value):
        kind = "Timestamp"
        raise PydanticCustomError(kind, "must be a full timestamp such as 2026-09-28T11:56:54.984Z, or be left out")
    return value


def _null_is_empty(value: object) -> object:
    return {} if value is None else value


def _null_is_no_variants(value: object) -> object:
    return () if value is None else value


FlagKey = Annotated[StrictStr, Field(pattern=KEY_PATTERN)]
AttributeKey = Annotated[FlagKey, AfterValidator(_not_reserved)]
Name = Annotated[StrictStr, Field(pattern=NAME_PATTERN)]
OptionalName = Annotated[StrictStr, Field(pattern=_OPTIONAL_NAME_PATTERN)]
Timestamp = Annotated[StrictStr, AfterValidator(_full_timestamp)]


class Deprecation(Model):
    """The plan to remove a flag; AWS knows only the status `planned`."""

    status: Literal["planned"] = "planned"
    date: Annotated[StrictStr, Field(pattern=_DATE_PATTERN)] | None = None


class AttributeDefinition(Model):
    """One declared attribute of a flag."""

    description: Text | None = None
    constraints: Annotated[Constraints, Field(discriminator="type")] | None = None


class FlagDeclaration(Model):
    """A flag's name, description and declared attributes (`flags.<key>`)."""

    name: OptionalName | None = None
    description: Text | None = None
    attributes: Annotated[
        Annotated[dict[AttributeKey, AttributeDefinition], Field(max_length=MAX_ATTRIBUTES)],
        BeforeValidator(_null_is_empty),
    ] = Field(default_factory=dict)
    deprecation: Deprecation | None = Field(default=None, alias="_deprecation")
    created_at: Timestamp | None = Field(default=None, alias="_createdAt")
    updated_at: Timestamp | None = Field(default=None, alias="_updatedAt")


class Variant(Model):
    """One variant; the last of a flag is its default and has no rule."""

    name: Name
    enabled: Toggle
    rule: Annotated[StrictStr, Field(max_length=MAX_RULE_LENGTH)] | None = None
    attribute_values: Annotated[
        Annotated[dict[FlagKey, JsonValue], Field(max_length=MAX_ATTRIBUTES)], BeforeValidator(_null_is_empty)
    ] = Field(default_factory=dict, alias="attributeValues")


class FlagValue(Model):
    """A flag's state (`values.<key>`): on or off with attribute values, or ordered variants."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    enabled: OptionalToggle = None
    variants: Annotated[tuple[Variant, ...], BeforeValidator(_null_is_no_variants)] = Field(
        default=(), alias="_variants"
    )
    created_at: Timestamp | None = Field(default=None, alias="_createdAt")
    updated_at: Timestamp | None = Field(default=None, alias="_updatedAt")

    @property
    def attributes(self) -> dict[str, JsonValue]:
        """Attribute values of a flag without variants."""
        return self.__pydantic_extra__

    @property
    def default_variant(self) -> Variant | None:
        """The last variant, or None for a flag without variants."""
        return self.variants[-1] if self.variants else None


class DocumentShape(Model):
    """The three top-level parts; `FlagDocument` adds parsing and checks of the whole document."""

    version: Literal["1"]
    flags: Annotated[dict[FlagKey, FlagDeclaration], BeforeValidator(_null_is_empty)] = Field(default_factory=dict)
    values: Annotated[dict[FlagKey, FlagValue], BeforeValidator(_null_is_empty)] = Field(default_factory=dict)
