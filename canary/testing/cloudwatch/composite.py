"""The rule language of composite alarms: parsed to a tree, evaluated on the states of other alarms.

It knows names and states only. Messages: [stackd] alarm_composites, captured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_CHILDREN = 100
MAX_ELEMENTS = 500

_TOKEN = re.compile(r'\s*("(?:\\.|[^"\\])*"|[(),]|[^\s(),]+)')
_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
_BEGINNING = "'(', 'NOT', AT_LEAST, TRUE or FALSE, ALARM, OK, or INSUFFICIENT_DATA"


class RuleError(Exception):
    """A rule that can't be parsed; the message is for the caller of the API."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule.

    Attributes:
        root: the tree.
        children: alarms it names, as written (name or ARN), each once, in order.
    """

    root: Node
    children: tuple[str, ...]

    def holds(self, states: Mapping[str, str]) -> tuple[bool, tuple[str, ...]]:
        """Is the rule true, and which children made it so?

        Args:
            states: state by child, as in `children`.
        """
        truth, witnesses = self.root.holds(states)
        return truth, tuple(dict.fromkeys(witnesses))


@dataclass(frozen=True, slots=True)
class Constant:
    """TRUE or FALSE."""

    truth: bool

    def holds(self, states: Mapping[str, str]) -> tuple[bool, tuple[str, ...]]:  # noqa: ARG002
        """Its truth; no child decides it."""
        return self.truth, ()


@dataclass(frozen=True, slots=True)
class InState:
    """ALARM(x), OK(x) or INSUFFICIENT_DATA(x)."""

    state: str
    child: str

    def holds(self, states: Mapping[str, str]) -> tuple[bool, tuple[str, ...]]:
        """Is the child in the state?"""
        return states[self.child] == self.state, (self.child,)


@dataclass(frozen=True, slots=True)
class Not:
    """NOT x."""

    inner: Node

    def holds(self, states: Mapping[str, str]) -> tuple[bool, tuple[str, ...]]:
        """The opposite, for the same reasons."""
        truth, witnesses = self.inner.holds(states)
        return not truth, witnesses


@dataclass(frozen=True, slots=True)
class Both:
    """x AND y, or x OR y."""

    is_and: bool
    left: Node
    right: Node

    def holds(self, states: Mapping[str, str]) -> tuple[bool, tuple[str, ...]]:
        """The side that decides names the witnesses; both do when both are needed."""
        left, left_witnesses = self.left.holds(states)
        right, right_witnesses = self.right.holds(states)
        if left != right:
            decides = not self.is_and
            return decides, left_witnesses if left == decides else right_witnesses
        return left, left_witnesses + right_witnesses


Node = Constant | InState | Not | Both


def parse_rule(text: str) -> Rule:
    """The rule of an `AlarmRule`, e.g. `ALARM("errors") AND NOT OK(latency)`.

    Raises:
        RuleError: with AWS's words if the text is not a rule.
    """
    parser = _Parser(text)
    root = parser.whole()
    if len(parser.children) > MAX_CHILDREN:
        raise RuleError(f"The rule references more than {MAX_CHILDREN} alarms")
    if len(parser.tokens) > MAX_ELEMENTS:
        raise RuleError(f"The rule exceeds {MAX_ELEMENTS} elements")
    return Rule(root, tuple(parser.children))


class _Parser:
    """Recursive descent; AND binds closer than OR."""

    def __init__(self, text: str) -> None:
        self.tokens = [(match[1], match.start(1)) for match in _TOKEN.finditer(text)]
        self.children: dict[str, None] = {}
        self._end = len(text)
        self._place = 0

    def whole(self) -> Node:
        node = self._either()
        if self._peek() is not None:
            # AWS names AND and OR only where the token looks like them.
            near = str(self._peek()).upper() in {"AND", "OR", "&&", "||"}
            raise self._unsupported("<EOF>, 'AND', 'OR'" if near else "<EOF>")
        return node

    def _peek(self) -> str | None:
        return self.tokens[self._place][0] if self._place < len(self.tokens) else None

    def _unsupported(self, wanted: str) -> RuleError:
        token, at = self.tokens[self._place] if self._place < len(self.tokens) else ("<EOF>", self._end)
        return RuleError(f"Unsupported token '{token}' at char {at}, must be: {wanted}")

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            raise self._unsupported(f"'{sign}'")
        self._place += 1

    def _either(self) -> Node:
        node = self._all()
        while self._peek() == "OR":
            self._place += 1
            node = Both(is_and=False, left=node, right=self._all())
        return node

    def _all(self) -> Node:
        node = self._one()
        while self._peek() == "AND":
            self._place += 1
            node = Both(is_and=True, left=node, right=self._one())
        return node

    def _one(self) -> Node:
        token = self._peek()
        if token == "AT_LEAST":  # noqa: S105
            raise RuleError("The stand-in has no AT_LEAST")
        if token not in {"NOT", "(", "TRUE", "FALSE", *_STATES}:
            raise self._unsupported(_BEGINNING)
        self._place += 1
        if token == "NOT":  # noqa: S105
            return Not(self._one())
        if token == "(":  # noqa: S105
            node = self._either()
            self._expect(")")
            return node
        if token in {"TRUE", "FALSE"}:
            return Constant(token == "TRUE")  # noqa: S105
        self._expect("(")
        child = self._child()
        self._expect(")")
        return InState(str(token), child)

    def _child(self) -> str:
        token = self._peek()
        if token is None or token in {"(", ")", ","}:
            raise self._unsupported("alarm name or ARN")
        self._place += 1
        child = str(json.loads(token)) if token.startswith('"') and token.endswith('"') else token
        self.children[child] = None
        return child
