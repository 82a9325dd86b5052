"""Metric math, as far as the stand-in has it: numbers, ids, + - * /, parentheses and FILL.

It computes on series that the caller hands in; whatever it can't do is a MathError, never a wrong number.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Points = dict[int, float]  # start of a period in seconds since 1970 → value
_OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z_]\w*)|(\S))")


class MathError(Exception):
    """An expression that can't be parsed or computed; the message is for the caller of the API."""


@dataclass(frozen=True, slots=True)
class Window:
    """The periods that an expression covers, for FILL.

    Attributes:
        start_s: first period's start.
        end_s: exclusive.
        period_s: length of a period.
    """

    start_s: int
    end_s: int
    period_s: int

    def times(self) -> range:
        """The start of each period."""
        return range(self.start_s, self.end_s, self.period_s)


def evaluate(expression: str, resolve: Callable[[str], Points], window: Window) -> Points:
    """The series of an expression.

    Args:
        expression: e.g. `100 * errors / FILL(invocations, 0)`.
        resolve: the points of another query of the same request; raises MathError for an unknown id.
        window: periods to fill.

    Raises:
        MathError: if the expression can't be parsed, uses what is not modelled, or is only a number.
    """
    parser = _Parser(expression, resolve, window)
    result = parser.whole()
    if not isinstance(result, dict):
        raise MathError("The expression must return a time series or array of time series.")
    return result


class _Parser:
    """Recursive descent that computes as it goes."""

    def __init__(self, expression: str, resolve: Callable[[str], Points], window: Window) -> None:
        self._tokens = [match.groups() for match in _TOKEN.finditer(expression) if match[0].strip()]
        self._place = 0
        self._resolve = resolve
        self._window = window

    def whole(self) -> Points | float:
        result = self._sum()
        if self._place < len(self._tokens):
            raise MathError(f"Unsupported token '{self._peek()}'")
        return result

    def _peek(self) -> str | None:
        if self._place == len(self._tokens):
            return None
        number, name, sign = self._tokens[self._place]
        return number or name or sign

    def _take(self) -> str | None:
        token = self._peek()
        self._place += 1
        return token

    def _expect(self, sign: str) -> None:
        found = self._take()
        if found != sign:
            raise MathError(f"Expected '{sign}' but found '{found or 'the end'}'")

    def _sum(self) -> Points | float:
        left = self._product()
        while (sign := self._peek()) in {"+", "-"}:
            self._place += 1
            left = _combine(str(sign), left, self._product())
        return left

    def _product(self) -> Points | float:
        left = self._factor()
        while (sign := self._peek()) in {"*", "/"}:
            self._place += 1
            left = _combine(str(sign), left, self._factor())
        return left

    def _factor(self) -> Points | float:
        token = self._take()
        if token == "-":  # noqa: S105
            return _combine("*", -1.0, self._factor())
        if token == "(":  # noqa: S105
            inner = self._sum()
            self._expect(")")
            return inner
        if token is None:
            raise MathError("Unexpected end of the expression")
        if token[0].isdigit() or token[0] == ".":
            return float(token)
        if not (token[0].isalpha() or token[0] == "_"):
            raise MathError(f"Unsupported token '{token}'")
        return self._call(token) if self._peek() == "(" else self._resolve(token)

    def _call(self, name: str) -> Points:
        if name != "FILL":
            raise MathError(f"Function '{name}' not found (the stand-in has arithmetic and FILL)")
        self._expect("(")
        points = self._sum()
        self._expect(",")
        mode = self._peek()
        if mode in {"REPEAT", "LINEAR"}:
            self._place += 1
            filler: Points | float = {}
        else:
            mode, filler = "VALUE", self._sum()
        self._expect(")")
        if not isinstance(points, dict):
            raise MathError("FILL needs a time series")
        return _fill(points, str(mode), filler, self._window)


def _combine(sign: str, left: Points | float, right: Points | float) -> Points | float:
    operation = _OPERATIONS[sign]
    if isinstance(left, dict) or isinstance(right, dict):
        times: set[int] = set.intersection(*(set(side) for side in (left, right) if isinstance(side, dict)))
        pairs = ((time, _at(left, time), _at(right, time)) for time in sorted(times))
        # Nothing is known where a divisor is zero: no point, as in CloudWatch's graphs.
        return {time: operation(one, two) for time, one, two in pairs if not (sign == "/" and two == 0)}
    if sign == "/" and right == 0:
        raise MathError("Division by zero")
    return operation(left, right)


def _at(side: Points | float, time: int) -> float:
    return side[time] if isinstance(side, dict) else side


def _fill(points: Points, mode: str, filler: Points | float, window: Window) -> Points:
    filled: Points = {}
    for time in window.times():
        if time in points:
            filled[time] = points[time]
            continue
        if mode == "VALUE":
            if not isinstance(filler, dict):
                filled[time] = filler
            elif time in filler:
                filled[time] = filler[time]
            continue
        before = max((known for known in points if known < time), default=None)
        after = min((known for known in points if known > time), default=None)
        if mode == "REPEAT" and before is not None:
            filled[time] = points[before]
        elif mode == "LINEAR" and before is not None and after is not None:
            share = (time - before) / (after - before)
            filled[time] = points[before] + share * (points[after] - points[before])
    return filled
