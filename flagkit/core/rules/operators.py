"""The operators of the rule language and the operands they take. It must not parse or define their meaning.

The list and the forms are AWS's (appconfig.md §2.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from flagkit.core.rules.ast import (
    COMPARE_OPERATORS,
    TEXT_OPERATORS,
    And,
    Boolean,
    Compare,
    Condition,
    Exists,
    Key,
    Matches,
    Membership,
    Not,
    Number,
    Or,
    Rule,
    Split,
    Text,
    TextTest,
    Timestamp,
)


@dataclass(frozen=True, slots=True)
class OperandKind:
    """What can be one operand of an expression.

    Attributes:
        nodes: the node classes that fit; a list of constants is a tuple.
        what: its name in messages.
        reason: the reason for refusing anything else.
    """

    nodes: tuple[type, ...]
    what: str
    reason: str = "BadOperand"


@dataclass(frozen=True, slots=True)
class Signature:
    """The operands of one operator.

    Attributes:
        build: makes the node of checked operands.
        example: one correct use, for hints.
        operands: the operands it needs that have no name.
        more: what may follow them, any number of times.
        named: the operands it needs that have a name, as in `pct::10`.
        optional: the named operands it takes as well.
        numbered: whether AWS's locations number its operands, as in `and.1.eq`.
        names: all operands that have a name.
        hint: for an expression with other operands.
    """

    build: Callable[..., Rule]
    example: str
    operands: tuple[OperandKind, ...] = ()
    more: OperandKind | None = None
    named: Mapping[str, OperandKind] = field(default_factory=dict)
    optional: Mapping[str, OperandKind] = field(default_factory=dict)
    numbered: bool = False
    names: Mapping[str, OperandKind] = field(init=False)
    hint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", {**self.named, **self.optional})
        object.__setattr__(self, "hint", f"Write e.g. {self.example}.")


_VALUE = OperandKind((Text, Number, Boolean, Timestamp, Key), "a constant or a context key")
_ORDERED = OperandKind((Text, Number, Timestamp, Key), "a string, number, timestamp or context key")
_TEXT_OR_KEY = OperandKind((Text, Key), "a string or a context key")
_TEXT = OperandKind((Text,), "a string")
_NAME = OperandKind((Text,), 'the name of a context key without $, as a string: key::"plan"')
_KEY = OperandKind((Key,), "a context key")
_NUMBER = OperandKind((Number,), "a number")
_LIST = OperandKind((tuple,), 'a list of constants, e.g. ["a", "b"]')
_CONDITION = OperandKind(
    (Compare, TextTest, Membership, Matches, Exists, Split, Not, And, Or, Boolean),
    "an expression, e.g. (eq $beta true)",
    "NotAnExpression",  # as natively for a bare key or literal
)


def _and(*operands: Condition) -> And:
    return And(operands)


def _or(*operands: Condition) -> Or:
    return Or(operands)


def _matches(**operands: Text) -> Matches:
    return Matches(operands["in"], operands["pattern"])


def _exists(key: Text) -> Exists:
    return Exists(Key(key.value))


def _split(pct: Number, by: Key, seed: Text | None = None) -> Split:
    return Split(pct, by, seed)


# AWS's guide speaks of "both operands" of `and` and `or`; three are seen natively. One is taken here as well: it can
# only mean one thing, and a flag should not be off because of it.
OPERATORS: Mapping[str, Signature] = MappingProxyType(
    {
        "eq": Signature(partial(Compare, "eq"), '(eq $plan "pro")', (_VALUE, _VALUE)),
        **{
            name: Signature(partial(Compare, name), f"({name} $age 17)", (_ORDERED, _ORDERED))
            for name in COMPARE_OPERATORS[1:]
        },
        **{
            name: Signature(partial(TextTest, name), f'({name} $email "a")', (_TEXT_OR_KEY, _TEXT_OR_KEY))
            for name in TEXT_OPERATORS
        },
        "and": Signature(_and, '(and (eq $plan "pro") (gt $age 17))', (_CONDITION,), _CONDITION, numbered=True),
        "or": Signature(_or, '(or (eq $plan "pro") (gt $age 17))', (_CONDITION,), _CONDITION, numbered=True),
        "not": Signature(Not, '(not (eq $plan "pro"))', (_CONDITION,), numbered=True),
        "in": Signature(Membership, '(in $plan ["pro", "team"])', (_VALUE, _LIST)),
        "matches": Signature(
            _matches, '(matches in::$email pattern::"^a")', named={"in": _TEXT_OR_KEY, "pattern": _TEXT}
        ),
        "exists": Signature(_exists, '(exists key::"plan")', named={"key": _NAME}),
        "split": Signature(
            _split,
            '(split pct::10 by::$userId seed::"a")',
            named={"pct": _NUMBER, "by": _KEY},
            optional={"seed": _TEXT},
        ),
    }
)
