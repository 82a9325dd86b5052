"""The tree of a rule: what a rule says, free of how it is written or evaluated. It must not parse, print or evaluate.

Nodes check themselves, so a tree that can be built can be printed, parsed again and evaluated. What a node refuses
is a RuleError with position 0; the parser, which knows the text, adds position and path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Literal, NoReturn, TypeAlias, get_args

from flagkit.core.bucketing import threshold
from flagkit.core.context import MAX_NUMBER_CHARS, instant_of
from flagkit.errors import RuleError

MAX_RULE_CHARS = 16_384
"""AWS's limit on the length of a rule (appconfig.md §1.1)."""

_TOO_LARGE = 10**MAX_NUMBER_CHARS

MAX_DEPTH = 64
"""How deep expressions can nest. Bounds every recursion over a tree; AWS documents no limit."""


MAX_PATTERN_CHARS = 1024
"""The longest pattern, as AWS has it for the pattern of an attribute (appconfig.md §1.1). RE2 is linear in the text,
but a pattern of 16,000 characters makes it slow all the same (seconds for 1,000 characters of text)."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str

    def __post_init__(self) -> None:
        if not is_unicode(self.value):
            _refuse("BadToken", "a string contains half of a surrogate pair", "Write the whole character.")


@dataclass(frozen=True, slots=True)
class Number:
    """A number: int, Decimal or float as Ion's int, decimal or float. All three compare by their decimal value."""

    value: int | Decimal | float

    def __post_init__(self) -> None:
        value = self.value
        finite = value.is_finite() if isinstance(value, Decimal) else isinstance(value, int) or isfinite(value)
        if isinstance(value, bool) or not finite:
            _refuse("BadOperand", "a number must be finite", "nan and inf can't be compared.")
        too_long = isinstance(value, int) and abs(value) >= _TOO_LARGE
        if isinstance(value, Decimal):
            too_long = len(value.as_tuple().digits) > MAX_NUMBER_CHARS or abs(value.adjusted()) > MAX_NUMBER_CHARS
        if too_long:
            _refuse("TooLong", f"a number has more than {MAX_NUMBER_CHARS} digits")


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false; as an operand of `and`, `or` and `not` also an expression (accepted natively)."""

    value: bool


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A point in time, written as in Ion: `2024T`, `2024-01T`, `2024-01-31`, `2024-01-31T10:00:00.5Z`.

    More than nine decimals of a second are refused rather than cut off.
    """

    text: str

    def __post_init__(self) -> None:
        # W3C's bare year and month are not Ion: they would read as a number and as 2024 minus 1.
        if len(self.text) in {4, 7} or instant_of(self.text) is None:
            _refuse(
                "BadToken",
                f"{self.text[:40]!r} is not a valid timestamp",
                "Write e.g. 2024-01-31T10:00:00Z; times of day need an offset or Z.",
            )


@dataclass(frozen=True, slots=True)
class Key:
    """A context key, `$name`."""

    name: str

    def __post_init__(self) -> None:
        if not self.name or not is_unicode(self.name):
            _refuse("BadOperand", "a context key has no name", "Write $name.")


Constant: TypeAlias = Text | Number | Boolean | Timestamp
Operand: TypeAlias = Constant | Key

CompareOperator = Literal["eq", "gt", "gte", "lt", "lte"]
TextOperator = Literal["begins_with", "ends_with", "contains"]
COMPARE_OPERATORS: tuple[CompareOperator, ...] = get_args(CompareOperator)
TEXT_OPERATORS: tuple[TextOperator, ...] = get_args(TextOperator)


@dataclass(frozen=True, slots=True)
class Compare:
    """`(eq $a 1)` and the other comparisons."""

    operator: CompareOperator
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class TextTest:
    """`(begins_with $a "x")` and the other text tests."""

    operator: TextOperator
    left: Text | Key
    right: Text | Key


@dataclass(frozen=True, slots=True)
class Membership:
    """`(in $a ["x", "y"])`."""

    value: Operand
    items: tuple[Constant, ...]
    texts: frozenset[str] = field(init=False, compare=False, repr=False)
    """The strings among the items: a look-up, however long the list."""
    others: tuple[Constant, ...] = field(init=False, compare=False, repr=False)
    """The items that aren't strings."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", frozenset([item.value for item in self.items if isinstance(item, Text)]))
        object.__setattr__(self, "others", tuple([item for item in self.items if not isinstance(item, Text)]))


@dataclass(frozen=True, slots=True)
class Matches:
    """`(matches in::$a pattern::"h.*y")`."""

    value: Text | Key
    pattern: Text

    def __post_init__(self) -> None:
        if len(self.pattern.value) > MAX_PATTERN_CHARS:
            hint = "For many fixed texts use `in` with a list."
            _refuse("TooLong", f"a pattern has more than {MAX_PATTERN_CHARS} characters", hint)


@dataclass(frozen=True, slots=True)
class Exists:
    """`(exists key::"a")`."""

    key: Key


@dataclass(frozen=True, slots=True)
class Split:
    """`(split pct::10 by::$a seed::"s")`; without a seed the flag's key is the seed."""

    percent: Number
    by: Key
    seed: Text | None = None
    limit: int = field(init=False, compare=False, repr=False)
    """The bucket below which the split is true."""

    def __post_init__(self) -> None:
        percent = self.percent.value
        if not 0 <= percent <= 100:
            _refuse("BadOperand", "pct must be from 0 to 100")
        object.__setattr__(self, "limit", threshold(repr(percent) if isinstance(percent, float) else percent))


@dataclass(frozen=True, slots=True)
class Not:
    """`(not e)`."""

    operand: Condition
    depth: int = field(init=False, compare=False, repr=False)
    has_split: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _describe(self, (self.operand,))


@dataclass(frozen=True, slots=True)
class And:
    """`(and e e …)`."""

    operands: tuple[Condition, ...]
    depth: int = field(init=False, compare=False, repr=False)
    has_split: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _describe(self, self.operands)


@dataclass(frozen=True, slots=True)
class Or:
    """`(or e e …)`."""

    operands: tuple[Condition, ...]
    depth: int = field(init=False, compare=False, repr=False)
    has_split: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _describe(self, self.operands)


Rule: TypeAlias = Compare | TextTest | Membership | Matches | Exists | Split | Not | And | Or
"""A whole rule: exactly one s-expression (appconfig.md §2.1)."""
Condition: TypeAlias = Rule | Boolean
"""What `and`, `or` and `not` take."""


def walk(node: Condition) -> Iterator[Condition]:
    """Yield a condition and everything in it."""
    yield node
    match node:
        case Not(operand):
            yield from walk(operand)
        case And(operands) | Or(operands):
            for operand in operands:
                yield from walk(operand)
        case _:
            pass


def has_split(node: Condition) -> bool:
    """Whether a `split` is anywhere in a condition."""
    return isinstance(node, Split) or (isinstance(node, Not | And | Or) and node.has_split)


def is_unicode(text: str) -> bool:
    """Whether `text` has a UTF-8 form, i.e. no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _describe(node: Not | And | Or, operands: tuple[Condition, ...]) -> None:
    if not operands:
        _refuse("TooFewOperands", "and, or and not need an operand")
    depth = 1 + max([getattr(operand, "depth", 0 if isinstance(operand, Boolean) else 1) for operand in operands])
    if depth > MAX_DEPTH:
        _refuse("TooDeep", f"expressions nest deeper than {MAX_DEPTH}", "Split the rule over several variants.")
    object.__setattr__(node, "depth", depth)
    object.__setattr__(node, "has_split", any(map(has_split, operands)))


def _refuse(reason: str, message: str, hint: str | None = None) -> NoReturn:
    raise RuleError(message, reason=reason, position=0, rule="", hint=hint)
