"""The readable form of flags, as people write it in TOML or plain dicts. Shapes only: `compiler` gives them meaning."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictStr,
    ValidationError,
    model_validator,
)

from flagkit.authoring.conditions import read_required
from flagkit.authoring.fields import Moment, Owner, Prerequisite, Ranges, Removal, Steps, Tags, Where, flags_in
from flagkit.core.metadata import FlagKind
from flagkit.errors import EditError

Texts = tuple[StrictStr, ...]


class Model(BaseModel):
    """Base of the readable form: immutable, and an unknown key is an error here, not dropped as AWS does."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SegmentSource(Model):
    """A named group of users: anybody on one of the lists, or for whom the condition `where` is true."""

    users: Texts = ()
    groups: Texts = ()
    where: Where | None = None


class HoldoutSource(Model):
    """A share of users that no experiment with this holdout ever touches."""

    percent: Steps
    by: StrictStr = "userId"


class LayerSource(Model):
    """An exclusion group: its experiments have disjoint shares of one and the same line of users."""

    by: StrictStr = "userId"


class LayerShare(Model):
    """The place of a flag in a layer: a share, or exactly these ranges."""

    name: StrictStr
    share: Steps | None = None
    ranges: Ranges | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.share is None) == (self.ranges is None):
            message = "a layer needs either a share or ranges"
            raise ValueError(message)
        return self


class RampStep(Model):
    """From this moment on, this share."""

    at: Moment
    percent: Steps


class ElementSource(Model):
    """What each element of a list attribute must be."""

    type: Literal["string", "number"]
    enum: Texts | None = None
    pattern: StrictStr | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None


class AttributeSource(Model):
    """A declared attribute; without `type` anything AWS can hold is allowed."""

    type: Literal["string", "number", "boolean", "array"] | None = None
    description: StrictStr | None = None
    required: bool = False
    enum: Texts | None = None
    pattern: StrictStr | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    elements: ElementSource | None = None


class Audience(Model):
    """Users who are in, whatever the percentages say."""

    users: Texts = ()
    groups: Texts = ()
    segments: Texts = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is named."""
        return not (self.users or self.groups or self.segments)


class RuleSource(Model):
    """One rule of a variant: users for whom a condition is true, or a percentage of them.

    Attributes:
        when: a condition, or a native rule; all users where None.
        percent: the percentage of these users; all of them where None.
        by: the context key that the percentage splits by; that of the flag where None.
        seed: what the percentage is drawn with; as the flag's percentages where None.
    """

    when: Where | None = None
    percent: Steps | None = None
    by: StrictStr | None = None
    seed: StrictStr | None = None

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if self.when is None and self.percent is None:
            message = "a rule needs when, percent or both"
            raise ValueError(message)
        return self


class VariantSource(Audience):
    """One variant; the last of a flag is its default and says nothing about users.

    Attributes:
        weight: its share of the users, in percent; what is left goes to the default.
        ranges: exactly these pieces of the line instead of a weight.
        rules: who gets it whatever the percentages say; the first variant with a rule that is true decides.
        rule: a native rule instead of all of this.
    """

    name: StrictStr
    enabled: bool = True
    values: dict[str, JsonValue] = Field(default_factory=dict)
    weight: Steps | None = None
    ranges: Ranges | None = None
    rules: tuple[RuleSource, ...] = ()
    rule: StrictStr | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody is named, by a list or a rule."""
        return not (self.is_listed or self.rules)

    @property
    def is_listed(self) -> bool:
        """Whether users, groups or segments are named."""
        return bool(self.users or self.groups or self.segments)

    @property
    def has_weight(self) -> bool:
        """Whether it has a part of the line of users."""
        return self.weight is not None or self.ranges is not None

    @property
    def is_plain(self) -> bool:
        """Whether it says nothing about who gets it."""
        return self.is_empty and not self.has_weight and self.rule is None


class FlagSource(Audience):
    """One flag. Without `variants`, anything about users makes it two variants, `on` and `off`.

    Attributes:
        owner: the person or team to ask.
        tags: words to find it by.
        kind: what it is for, in a word.
        remove_by: the day on which it is to be removed; True: at some time.
        archived: kept for the record only; the flag must be off.
        client_visible: its answers may leave the server, for a browser or an app.
        enabled: False switches the flag off for everybody and keeps the rest. A flag without targeting is off unless it
            is True.
        requires: flags that must be on for the user (`base`), give a variant (`base = blue`) or be off (`base = off`),
            or this one is off.
        starts: `from` in TOML; before it the flag is off.
        ends: `until` in TOML; from then on the flag is off.
        among: segments to which percentages are limited; users in one of them.
        where: a condition, or a native rule, to which percentages are limited.
        percent: the share of users that takes part; `ramp` is a share that grows with the clock.
        by: the context key that percentages split by.
        seed: what the percentages are drawn with; by default the flag's key.
        percent_seed: what `percent` or `ramp` beside weights is drawn with; by default the seed and `:exposure`.
    """

    name: StrictStr | None = None
    description: StrictStr | None = None
    owner: Owner | None = None
    tags: Tags = ()
    kind: FlagKind | None = None
    remove_by: Removal | None = None
    archived: bool = False
    client_visible: bool = False
    attributes: dict[str, AttributeSource] = Field(default_factory=dict)
    enabled: bool | None = None
    values: dict[str, JsonValue] = Field(default_factory=dict)
    requires: tuple[Prerequisite, ...] = ()
    starts: Moment | None = Field(default=None, alias="from")
    ends: Moment | None = Field(default=None, alias="until")
    among: Texts = ()
    where: Where | None = None
    holdout: StrictStr | None = None
    layer: LayerShare | None = None
    percent: Steps | None = None
    ramp: tuple[RampStep, ...] = ()
    by: StrictStr = "userId"
    seed: StrictStr | None = None
    percent_seed: StrictStr | None = None
    variants: tuple[VariantSource, ...] = ()

    @classmethod
    def parse(cls, content: Mapping[str, object]) -> Self:
        """Read one flag from decoded TOML or JSON.

        Raises:
            EditError: a key is unknown, or values contradict each other; every key is named.
        """
        try:
            return cls.model_validate(dict(content))
        except ValidationError as error:
            raise EditError("; ".join(problems_of(error))) from None

    @property
    def has_share(self) -> bool:
        """Whether anything is said about which share of the users takes part."""
        return bool(self.among or self.where or self.holdout or self.layer or self.ramp) or self.percent is not None

    @property
    def is_targeted(self) -> bool:
        """Whether anything is said about who gets it, or when."""
        gated = bool(self.requires) or self.starts is not None or self.ends is not None
        return gated or self.has_share or not self.is_empty

    @property
    def is_off(self) -> bool:
        """Whether it is switched off: nobody gets it, whatever the targeting says."""
        if self.variants:
            return self.enabled is False or not any(variant.enabled for variant in self.variants)
        return self.enabled is False or not (self.enabled or self.is_targeted)

    @property
    def segments_named(self) -> frozenset[str]:
        """The segments that the flag names."""
        named = {*self.segments, *self.among}
        for variant in self.variants:
            named |= {*variant.segments}
        return frozenset(named)

    @property
    def flags_required(self) -> frozenset[str]:
        """The keys of the flags that it requires, in its prerequisites or in a condition."""
        conditions = [self.where, *(rule.when for variant in self.variants for rule in variant.rules)]
        named = frozenset(read_required(entry)[0] for entry in self.requires)
        return named.union(*(flags_in(text) for text in conditions if text is not None))

    def requires_value(self, attribute: str) -> bool:
        """Whether every variant must have a value for this attribute."""
        declared = self.attributes.get(attribute)
        return declared is not None and declared.required

    def replaced(self, **fields: object) -> Self:
        """Return a copy with other values in these fields, held as the fields hold them (percentages in steps).

        Raises:
            EditError: the fields contradict each other.
        """
        copy = self.model_copy(update=fields)
        for problem in copy.problems():
            raise EditError(problem)
        return copy

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in self.problems():
            raise ValueError(problem)
        return self

    def problems(self) -> Iterator[str]:
        """Yield what contradicts itself in the flag; a copy with other fields is not checked by itself."""
        if self.starts is not None and self.ends is not None and self.starts >= self.ends:
            yield "from must be before until"
        if self.percent is not None and self.ramp:
            yield "give a percent or a ramp, not both"
        for before, after in zip(self.ramp, self.ramp[1:], strict=False):
            if not (before.at < after.at and before.percent <= after.percent):
                yield "a ramp must go forward in time and must not decrease; use until to end it"
        if self.variants:
            yield from self._variant_problems()

    def _variant_problems(self) -> Iterator[str]:
        if self.values or not self.is_empty:
            yield "values, users, groups and segments belong to the variants"
        *ruled, default = self.variants
        if not default.is_plain:
            yield f"the last variant, {default.name}, is the default: it has no users, weight or rule"
        for variant in ruled:
            if variant.rule is not None and not (variant.is_empty and not variant.has_weight):
                yield f"variant {variant.name}: a rule can't be combined with users, rules, weight or ranges"
            if variant.weight is not None and variant.ranges is not None:
                yield f"variant {variant.name}: give a weight or ranges, not both"


class AuthoringDocument(Model):
    """All flags of a document in readable form."""

    segments: dict[str, SegmentSource] = Field(default_factory=dict)
    layers: dict[str, LayerSource] = Field(default_factory=dict)
    holdouts: dict[str, HoldoutSource] = Field(default_factory=dict)
    flags: dict[str, FlagSource] = Field(default_factory=dict)

    @classmethod
    def parse(cls, content: Mapping[str, object]) -> Self:
        """Read the readable form from decoded TOML or JSON.

        Raises:
            EditError: a key is unknown, or values contradict each other; every key is named.
        """
        try:
            return cls.model_validate(dict(content))
        except ValidationError as error:
            raise EditError("; ".join(problems_of(error))) from None

    def to_dict(self) -> dict[str, object]:
        """Return the content again, without keys that have their default."""
        return self.model_dump(by_alias=True, exclude_defaults=True)


def problems_of(error: ValidationError, text: str = "", keys: Sequence[str] = ()) -> Iterator[str]:
    """Yield a sentence for each problem, with the line of the text that it was read from, if it is given.

    Args:
        error: what pydantic found.
        text: what was read.
        keys: those that there are, to propose one for a misspelt key; the readable form's by default.
    """
    for details in error.errors(include_url=False):
        place = ".".join(map(str, details["loc"]))
        message = details["msg"].removeprefix("Value error, ")
        if details["type"] == "extra_forbidden":
            key = str(details["loc"][-1])
            close = difflib.get_close_matches(key, keys or _KEYS, 1)
            message = f"unknown key {key!r}" + (f" (did you mean {close[0]!r}?)" if close else "")
        line = _line(text, details["loc"])
        yield "".join((f"line {line}: " if line else "", f"{place}: " if place else "", message))


def _line(text: str, location: tuple[int | str, ...]) -> int | None:
    """Return the line that names the last key of a location, after the lines that name the keys before it."""
    lines = text.splitlines()
    found = 0
    for name in location:
        if isinstance(name, str):
            named = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
            found = next((index for index in range(found, len(lines)) if named.search(lines[index])), len(lines))
    return found + 1 if location and found < len(lines) else None


_KEYS = sorted(
    {
        field.alias or name
        for model in (
            AuthoringDocument,
            FlagSource,
            VariantSource,
            SegmentSource,
            AttributeSource,
            LayerShare,
            RampStep,
            RuleSource,
        )
        for name, field in model.model_fields.items()
    }
)
