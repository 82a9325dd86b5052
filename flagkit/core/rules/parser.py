"""Tokens to the tree of a rule, with the service's reasons for refusing one. It must not evaluate or touch documents.

Reasons seen natively: NotAnExpression, UnknownSymbol, TooFewOperands (appconfig.md §2.3). Our own, in the same style:
TooManyOperands, BadOperand, BadToken, TooDeep, TooLong.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from flagkit.core.rules.ast import (
    MAX_DEPTH,
    MAX_RULE_CHARS,
    Boolean,
    Constant,
    Key,
    Number,
    Operand,
    Rule,
    Split,
    Text,
    Timestamp,
)
from flagkit.core.rules.lexer import SPLIT, TEST, Token, number, tokenize
from flagkit.core.rules.operators import OPERATORS, OperandKind, Signature
from flagkit.errors import RuleError

_Node: TypeAlias = Operand | Rule | tuple[Constant, ...]
_SYMBOL_ID = re.compile(r"\$[0-9]+")
_SPLIT = re.compile(SPLIT)
_TEST = re.compile(TEST)
_PLAIN_STRING = re.compile(r'"([^"]*)"')
_BARE_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")


def parse_rule(text: str, *, max_chars: int = MAX_RULE_CHARS) -> Rule:
    """Parse one rule.

    Args:
        text: the rule, in the Ion text that AWS uses.
        max_chars: the longest text to accept. AWS's limit holds for documents that AWS checks; a Freeform document
            or a file can have longer lists.

    Raises:
        RuleError: with the service's reason, the position and the path of operators to the fault.
    """
    if len(text) > max_chars:
        message = f"the rule has {len(text)} characters, the limit is {max_chars}"
        hint = "Split it over several variants."
        raise RuleError(message, reason="TooLong", position=max_chars, rule=text, hint=hint)
    return _Parser(text).rule()


@lru_cache(maxsize=256)
def _key(name: str) -> Key:
    return Key(sys.intern(name))  # the same few in every rule


class _Given(NamedTuple):
    """An operand as it is written: its name, what it is and where it stands."""

    name: str | None
    node: _Node
    position: int


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.index = 0

    def rule(self) -> Rule:
        first = self.tokens[0]
        if first.kind not in {"(", "split", "test"}:
            raise self.error("NotAnExpression", "a rule must be one expression in parentheses", first.position)
        rule = self.expression("", 1)
        if (after := self.tokens[self.index]).kind != "end":
            raise self.error(
                "NotAnExpression", "unexpected text after the expression: a rule is exactly one", after.position
            )
        return rule

    def expression(self, path: str, depth: int) -> Rule:
        first = self.next()
        start = first.position
        if depth > MAX_DEPTH:
            hint = "Split the rule over several variants."
            raise self.error("TooDeep", f"expressions nest deeper than {MAX_DEPTH}", start, path, hint=hint)
        if first.kind == "test":
            return _test(first.value)
        if first.kind == "split":
            try:
                return _split(first.value)
            except RuleError as error:
                raise self.placed(error, start, f"{path}.split" if path else "split") from None
        operator = self.operator(path)
        signature = OPERATORS[operator]
        path = f"{path}.{operator}" if path else operator
        given: list[_Given] = []
        while self.tokens[self.index].kind != ")":
            # As in AWS's locations: operands of and, or, not are numbered, those of eq are not (`and.1.eq`).
            place = f"{path}.{len(given)}" if signature.numbered else path
            given.append(self.operand(place, depth))
        self.next()
        plain, named = self.sort(operator, signature, given, start, path)
        try:
            return signature.build(*plain, **named)
        except RuleError as error:
            raise self.placed(error, start, path) from None

    def operator(self, path: str) -> str:
        token = self.next()
        if token.kind not in {"symbol", "quoted", "operator"}:
            raise self.error("NotAnExpression", "an expression must start with an operator", token.position, path)
        if token.value not in OPERATORS:
            hint = f"Valid operators: {', '.join(OPERATORS)}."
            raise self.error("UnknownSymbol", f"unknown operator {token.value[:40]!r}", token.position, path, hint=hint)
        return token.value

    def operand(self, path: str, depth: int) -> _Given:
        first = self.tokens[self.index]
        name = None
        if first.kind in {"symbol", "quoted"} and self.tokens[self.index + 1].kind == "::":
            name = first.value
            self.index += 2
        match self.tokens[self.index].kind:
            case "(" | "split" | "test":
                return _Given(name, self.expression(path, depth + 1), first.position)
            case "[":
                return _Given(name, self.listing(path), first.position)
            case "texts":
                token = self.next()
                items = _PLAIN_STRING.findall(token.value)
                try:
                    return _Given(name, tuple(map(Text, items)), first.position)
                except RuleError as error:
                    raise self.placed(error, token.position, path) from None
            case _:
                return _Given(name, self.leaf(path), first.position)

    def listing(self, path: str) -> tuple[Constant, ...]:
        self.next()
        items: list[Constant] = []
        while (token := self.tokens[self.index]).kind != "]":
            item = self.leaf(path)
            if isinstance(item, Key):
                raise self.error("BadOperand", "a list can contain constants only", token.position, path)
            items.append(item)
            separator = self.tokens[self.index]
            if separator.kind == ",":
                self.index += 1  # Ion allows a comma after the last item
            elif separator.kind != "]":
                raise self.error("BadToken", "expected a comma or ]", separator.position, path)
        self.index += 1
        return tuple(items)

    def leaf(self, path: str) -> Operand:
        token = self.next()
        try:
            match token.kind:
                case "text":
                    return Text(token.value)
                case "number":
                    return self.number(token, path)
                case "symbol" | "quoted":
                    return self.symbol(token, path)
        except RuleError as error:
            raise self.placed(error, token.position, path) from None
        match token.kind:
            case "end":
                raise self.error("BadToken", "the rule ends before its last parenthesis", token.position, path)
            case _:
                hint = "Quote a context key with characters other than letters, digits and _: '$user-id'."
                raise self.error(
                    "BadOperand", f"{token.value[:40]!r} is not a valid operand", token.position, path, hint=hint
                )

    def number(self, token: Token, path: str) -> Number | Timestamp:
        if (value := number(token.value)) is not None:
            return Number(value)
        if _BARE_MONTH.fullmatch(token.value):
            # AWS's guide shows this form; the service refuses it, for this reason (appconfig.md §1.1).
            hint = f"Write {token.value}T or a full timestamp such as {token.value}-01T00:00:00Z."
            raise self.error("TooFewOperands", f"{token.value} is not a timestamp", token.position, path, hint=hint)
        return Timestamp(token.value)

    def symbol(self, token: Token, path: str) -> Boolean | Key:
        if token.kind == "symbol" and token.value in {"true", "false"}:
            return Boolean(token.value == "true")
        if token.kind == "symbol" and _SYMBOL_ID.fullmatch(token.value):
            hint = f"Ion numbers its symbols like this. Start the key's name with a letter, or write '{token.value}'."
            raise self.error(
                "BadToken", f"{token.value[:40]!r} is not a valid context key", token.position, path, hint=hint
            )
        if token.value.startswith("$"):
            return _key(token.value[1:])
        hint = f'A context key is ${token.value[:40]}, a string "{token.value[:40]}".'
        raise self.error("UnknownSymbol", f"unexpected symbol {token.value[:40]!r}", token.position, path, hint=hint)

    def sort(
        self, operator: str, signature: Signature, given: list[_Given], start: int, path: str
    ) -> tuple[list[_Node], dict[str, _Node]]:
        """Check the operands against the operator's signature; return those without a name, and those with one."""
        hint, names = signature.hint, signature.names
        plain: list[_Node] = []
        named: dict[str, _Node] = {}
        for operand in given:
            where = operand.position, path
            if operand.name in named:
                raise self.error("TooManyOperands", f"{operand.name} is given twice", *where, hint=hint)
            if operand.name is not None:
                if operand.name not in names:
                    raise self.error("BadOperand", f"{operator} has no operand {operand.name[:40]}", *where, hint=hint)
                named[operand.name] = self.fitting(operand, names[operand.name], path, hint)
                continue
            if not signature.operands:
                raise self.error("BadOperand", f"{operator} names its operands", *where, hint=hint)
            kind = signature.operands[len(plain)] if len(plain) < len(signature.operands) else signature.more
            if kind is None:
                raise self.error("TooManyOperands", f"{operator} has too many operands", *where, hint=hint)
            plain.append(
                self.fitting(operand, kind, f"{path}.{len(plain)}" if kind.reason != "BadOperand" else path, hint)
            )
        if len(plain) < len(signature.operands) or not named.keys() >= signature.named.keys():
            raise self.error("TooFewOperands", f"{operator} has too few operands", start, path, hint=hint)
        return plain, named

    def fitting(self, operand: _Given, kind: OperandKind, path: str, hint: str) -> _Node:
        if isinstance(operand.node, kind.nodes):
            return operand.node
        raise self.error(kind.reason, f"expected {kind.what}", operand.position, path, hint=hint)

    def next(self) -> Token:
        token = self.tokens[self.index]
        if token.kind != "end":
            self.index += 1
        return token

    def placed(self, error: RuleError, position: int, path: str) -> RuleError:
        """Return what a node refuses, as refused at `position`; what is refused in a place of its own stays there."""
        if error.rule:
            return error
        return self.error(error.reason, error.message, position, path, hint=error.hint)

    def error(self, reason: str, message: str, position: int, path: str = "", *, hint: str | None = None) -> RuleError:
        return RuleError(message, reason=reason, position=position, rule=self.text, path=path, hint=hint)


def _split(text: str) -> Split:
    match = _SPLIT.fullmatch(text)
    assert match is not None
    percent = number(match[1])
    assert percent is not None
    return Split(Number(percent), _key(match[2]), Text(match[3][1:-1]))


def _test(text: str) -> Rule:
    match = _TEST.fullmatch(text)
    assert match is not None
    operator, key, constant, of, items = match.groups()
    if items is not None:
        return OPERATORS["in"].build(_key(of), tuple(map(Text, _PLAIN_STRING.findall(items))))
    return OPERATORS[operator].build(_key(key), Text(constant[1:-1]))
