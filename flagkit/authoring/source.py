"""The readable form of flags, as people write it in TOML or plain dicts. Shapes only: `compiler` gives them meaning."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    StrictStr,
    ValidationError,
    model_validator,
)

from flagkit.authoring.conditions import read_required, replaced, written_prerequisite
from flagkit.authoring.language import read_condition, written_condition
from flagkit.authoring.ranges import BucketRange, read_percent, show_percent
from flagkit.core.metadata import FlagKind, problem_of_name
from flagkit.core.rules.ast import Boolean, Condition
from flagkit.errors import EditError


def _steps(value: object) -> int:
    if isinstance(value, int | float | str | Decimal) and not isinstance(value, bool):
        try:
            return read_percent(value)
        except EditError as error:
            raise ValueError(error.message) from None
    message = "must be a percentage"
    raise ValueError(message)


def _ranges(value: object) -> tuple[BucketRange, ...]:
    message = "must be a list of [start, end] in percent"
    if not isinstance(value, list | tuple):
        raise ValueError(message)  # noqa: TRY004 - pydantic collects ValueError
    ranges: list[BucketRange] = []
    for pair in value:
        if not (isinstance(pair, list | tuple) and len(pair) == 2):
            raise ValueError(message)
        try:
            ranges.append(BucketRange(_steps(pair[0]), _steps(pair[1])))
        except EditError as error:
            raise ValueError(error.message) from None
    return tuple(sorted(ranges))


@lru_cache(maxsize=4096)
def _condition(text: str) -> str:
    """Write equal conditions alike, so that a flag that was read back equals the one that was written."""
    try:
        return written_condition(read_condition(text))
    except EditError:
        return text  # the compiler refuses it, and knows the place


def _owner(value: str) -> str:
    problem = problem_of_name(value)
    if problem is not None:
        raise ValueError(problem)
    return value


def _tags(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        problem = problem_of_name(value, is_tag=True)
        if problem is not None:
            message = f"{value!r} {problem}"
            raise ValueError(message)
    return tuple(dict.fromkeys(values))


@lru_cache(maxsize=4096)
def flags_in(condition: str) -> frozenset[str]:
    """Return the keys of the flags that a condition requires; none if it is not valid."""
    found: set[str] = set()

    def note(entry: str) -> Condition:
        found.add(read_required(entry)[0])
        return Boolean(True)

    if "requires" in condition.lower():  # in the language, and in the name of a native one
        with suppress(EditError):
            replaced(read_condition(condition), note)
    return frozenset(found)


def _aware(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is None:
        message = "needs an offset or Z: 2026-12-01T09:00:00Z"
        raise ValueError(message)
    return value.astimezone(dt.UTC)


def _percent(steps: int) -> int | float:
    percent = show_percent(steps)
    return int(percent) if percent == percent.to_integral_value() else float(percent)


def _pairs(ranges: tuple[BucketRange, ...] | None) -> list[list[int | float]] | None:
    return None if ranges is None else [[_percent(span.start), _percent(span.end)] for span in ranges]


Steps = Annotated[int, BeforeValidator(_steps), PlainSerializer(_percent)]
"""A percentage, held in steps of 0.0001 %."""
Ranges = Annotated[tuple[BucketRange, ...], BeforeValidator(_ranges), PlainSerializer(_pairs)]
Moment = Annotated[dt.datetime, AfterValidator(_aware)]
"""A point in time, held in UTC."""
Removal = Annotated[
    # The last form keeps a day that the format takes and the calendar doesn't.
    Literal[True] | dt.date | Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")],
    Field(union_mode="left_to_right"),
]


def _prerequisite(entry: str) -> str:
    try:
        return written_prerequisite(entry)
    except EditError as error:
        raise ValueError(error.message) from None


Where = Annotated[StrictStr, AfterValidator(_condition)]
"""A condition, or a native rule."""
Texts = tuple[StrictStr, ...]
Owner = Annotated[StrictStr, AfterValidator(_owner)]
Tags = Annotated[Texts, AfterValidator(_tags)]


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
    attributes: dict[str, AttributeSource] = Field(default_factory=dict)
    enabled: bool | None = None
    values: dict[str, JsonValue] = Field(default_factory=dict)
    requires: tuple[Annotated[StrictStr, AfterValidator(_prerequisite)], ...] = ()
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
