"""The authoring document of AWS.AppConfig.FeatureFlags version "1" as immutable pydantic models.

Only the shape is here: what the flags mean together (variants, rules, required attributes) is checked in `checks`, what
the service stores is in `saved`. Never used on the read path (decision 0004).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, StrictStr
from pydantic_core import PydanticCustomError

from flagkit.core.documents.constraints import Constraints, Model, OptionalToggle, Text, Toggle
from flagkit.core.documents.timestamps import is_full_timestamp

MAX_ATTRIBUTES = 25
MAX_VARIANTS = 32
MAX_RULE_LENGTH = 16_384
# `\d` is written out: in a Rust regex it would also mean digits of other scripts.
KEY_PATTERN = r"^[a-z][a-zA-Z0-9_-]{0,63}$"
NAME_PATTERN = r"^[^\n]{1,64}$"

# Keys of a value entry that are not attributes.
VALUE_KEYS = frozenset({"enabled", "_variants", "_createdAt", "_updatedAt"})


def _not_reserved(key: str) -> str:
    if key == "enabled":
        kind = "AttributeKey"
        raise PydanticCustomError(kind, "an attribute may not be called enabled")
    return key


def _full_timestamp(value: str) -> str:
    # Natively a shorter form (2000-01-01) is answered with 500 and an empty message (appconfig.md §1.1).
    if not is_full_timestamp(value):
        kind = "Timestamp"
        raise PydanticCustomError(kind, "must be a full timestamp such as 2026-09-28T11:56:54.984Z, or be left out")
    return value


def _null_is_empty(value: object) -> object:
    return {} if value is None else value


def _null_is_nothing(value: object) -> object:
    return () if value is None else value


FlagKey = Annotated[StrictStr, Field(pattern=KEY_PATTERN)]
AttributeKey = Annotated[FlagKey, AfterValidator(_not_reserved)]
Name = Annotated[StrictStr, Field(pattern=NAME_PATTERN)]
OptionalName = Annotated[StrictStr, Field(pattern=r"^[^\n]{0,64}$")]
Timestamp = Annotated[StrictStr, AfterValidator(_full_timestamp)]


class Deprecation(Model):
    """The plan to remove a flag; AWS knows only the status `planned`. Since 0.1."""

    status: Literal["planned"] = "planned"
    date: Annotated[StrictStr, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None


class AttributeDefinition(Model):
    """One declared attribute of a flag. Since 0.1."""

    description: Text | None = None
    constraints: Annotated[Constraints, Field(discriminator="type")] | None = None


class FlagDeclaration(Model):
    """What a flag is called and which attributes it may carry (`flags.<key>`). Since 0.1."""

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
    """One variant; the last of a flag is its default and has no rule. Since 0.1."""

    name: Name
    enabled: Toggle
    rule: Annotated[StrictStr, Field(max_length=MAX_RULE_LENGTH)] | None = None
    attribute_values: Annotated[
        Annotated[dict[FlagKey, JsonValue], Field(max_length=MAX_ATTRIBUTES)], BeforeValidator(_null_is_empty)
    ] = Field(default_factory=dict, alias="attributeValues")


class FlagValue(Model):
    """What a flag answers (`values.<key>`): an on/off switch with attribute values, or ordered variants. Since 0.1."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    enabled: OptionalToggle = None
    variants: Annotated[tuple[Variant, ...], BeforeValidator(_null_is_nothing)] = Field(default=(), alias="_variants")
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
    """The three top-level parts; `FlagDocument` adds everything that can be asked of a whole document. Since 0.1."""

    version: Literal["1"]
    flags: Annotated[dict[FlagKey, FlagDeclaration], BeforeValidator(_null_is_empty)] = Field(default_factory=dict)
    values: Annotated[dict[FlagKey, FlagValue], BeforeValidator(_null_is_empty)] = Field(default_factory=dict)
