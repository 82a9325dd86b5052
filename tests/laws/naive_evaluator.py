"""A second evaluator, as plain as possible: it walks the tree for each question. Only tests and benchmarks use it.

It is written from docs/rules.md, not from the compiler, and shares nothing with it but the tree: its own text forms,
numbers as fractions, instants by `datetime`, MurmurHash3 in pure Python, patterns by `re`.
"""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from flagkit.core.rules import ast

GO_BOOLEANS = {"1": 1, "t": 1, "T": 1, "true": 1, "True": 1, "TRUE": 1}
GO_BOOLEANS |= {"0": 0, "f": 0, "F": 0, "false": 0, "False": 0, "FALSE": 0}
W3C = re.compile(
    r"(?P<y>[0-9]{4})((?P<t0>T)?|-(?P<m>[0-9]{2})((?P<t1>T)?|-(?P<d>[0-9]{2})((?P<t2>T)?|"
    r"T(?P<hh>[0-9]{2}):(?P<mm>[0-9]{2})(:(?P<ss>[0-9]{2})([.](?P<f>[0-9]{1,9}))?)?"
    r"(Z|(?P<sign>[+-])(?P<oh>[0-9]{2}):(?P<om>[0-9]{2})))))"
)


@dataclass
class Question:
    """What is asked: whom about, and in which scope."""

    user_id: object
    context: dict
    seed: str
    user_key: str = "userId"
    now: datetime.datetime | None = None

    def value(self, name):
        if name == self.user_key:
            return self.context.get(name) if self.user_id is None else self.user_id
        value = self.context.get(name)
        return self.now if value is None and name in ("now", "currentTime") else value


LARGE_PROGRAM = {".{1,255}x": 217}
"""The longest text of a pattern with a large program."""


def holds(node, question):  # noqa: PLR0911 - one case per node
    """Return whether a condition is true; None if that is unknown."""
    match node:
        case ast.Boolean(value):
            return value
        case ast.And(operands):
            found = {holds(operand, question) for operand in operands}
            return False if False in found else None if None in found else True
        case ast.Or(operands):
            found = {holds(operand, question) for operand in operands}
            return True if True in found else None if None in found else False
        case ast.Not(operand):
            found = holds(operand, question)
            return None if found is None else not found
        case ast.Exists(key):
            return question.value(key.name) is not None
        case ast.Compare(operator, left, right):
            return compare(operator, left, right, question)
        case ast.Membership(value, items):
            return any(compare("eq", value, item, question) for item in items)
        case ast.TextTest(operator, left, right):
            a, b = text(read(left, question)), text(read(right, question))
            if a is None or b is None:
                return False
            found = {"begins_with": a[: len(b)] == b, "contains": a.find(b) >= 0}
            found["ends_with"] = len(b) <= len(a) and a[len(a) - len(b) :] == b
            return found[operator]
        case ast.Matches(value, pattern):
            found = text(read(value, question))
            if found is not None and len(found) > LARGE_PROGRAM.get(pattern.value, 10**5):
                return None
            return found is not None and utf8(found) is not None and re.search(pattern.value, found) is not None
        case ast.Split(percent, by, seed):
            value = text(question.value(by.name))
            data = None if value is None else utf8(f"{question.seed if seed is None else seed.value}:{value}")
            return data is not None and murmur3_32(data) < number(percent.value) * 2**32 / 100 // 1


def read(node, question):
    match node:
        case ast.Key(name):
            return question.value(name)
        case ast.Timestamp(written):
            return written
        case _:
            return node.value


def compare(operator, left, right, question):
    kinds = {ast.Text: [text], ast.Number: [number], ast.Boolean: [boolean], ast.Timestamp: [instant]}
    kinds[ast.Key] = [number, instant, text]
    literal = left if isinstance(right, ast.Key) else right
    for kind in kinds[type(literal)]:
        a, b = kind(read(left, question)), kind(read(right, question))
        if a is not None and b is not None:
            return {"eq": a == b, "gt": a > b, "gte": a >= b, "lt": a < b, "lte": a <= b}[operator]
    return False


def text(value):  # noqa: PLR0911 - one case per type
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**4000 else None
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            try:
                value = (value - value.utcoffset()).replace(tzinfo=None)
            except OverflowError:
                return None
        return value.isoformat() + "Z"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        texts = [text(item) for item in value if not isinstance(item, list | tuple | set | frozenset)]
        return "[" + ",".join(element(item) for item in texts if item is not None) + "]"
    return None


def element(item):
    escapes = {
        '"': "\\u0022",
        ",": "\\u002c",
        "\\": "\\\\",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\b": "\\b",
        "\f": "\\f",
    }
    return '"' + "".join(escapes.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in item) + '"'


def number(value):
    written = text(value)
    pattern = r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,4})?"
    if written is None or len(written) > 128 or not re.fullmatch(pattern, written):
        return None
    mantissa, _, exponent = written.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    return Fraction(int(f"{whole}{decimals}"), 10 ** len(decimals)) * Fraction(10) ** int(exponent or 0)


def boolean(value):
    found = GO_BOOLEANS.get(text(value))
    return None if found is None else bool(found)


def instant(value):
    match = W3C.fullmatch(text(value) or "")
    if match is None:
        return None
    found = {name: int(part) for name, part in match.groupdict().items() if part and part.isdigit()}
    try:
        day = datetime.date(found["y"], found.get("m", 1), found.get("d", 1))
        datetime.time(found.get("hh", 0), found.get("mm", 0), found.get("ss", 0))
        datetime.time(found.get("oh", 0), found.get("om", 0))
    except ValueError:
        return None
    seconds = (day - datetime.date(1970, 1, 1)).days * 86400
    seconds += found.get("hh", 0) * 3600 + found.get("mm", 0) * 60 + found.get("ss", 0)
    offset = found.get("oh", 0) * 3600 + found.get("om", 0) * 60
    fraction = Fraction(int(match["f"] or 0), 10 ** len(match["f"] or ""))
    return seconds + fraction + (offset if match["sign"] == "-" else -offset)


def utf8(value):
    try:
        return value.encode()
    except UnicodeEncodeError:
        return None


def murmur3_32(data: bytes) -> int:
    """MurmurHash3 x86 32-bit, from its public description."""
    mask, state = 0xFFFFFFFF, 0
    for start in range(0, len(data) // 4 * 4, 4):
        state ^= _mixed(int.from_bytes(data[start : start + 4], "little"))
        state = (state << 13 | state >> 19) & mask
        state = (state * 5 + 0xE6546B64) & mask
    tail = data[len(data) // 4 * 4 :]
    if tail:
        state ^= _mixed(int.from_bytes(tail, "little"))
    state ^= len(data)
    state = ((state ^ state >> 16) * 0x85EBCA6B) & mask
    state = ((state ^ state >> 13) * 0xC2B2AE35) & mask
    return state ^ state >> 16


def _mixed(block: int) -> int:
    block = block * 0xCC9E2D51 & 0xFFFFFFFF
    block = (block << 15 | block >> 17) & 0xFFFFFFFF
    return block * 0x1B873593 & 0xFFFFFFFF


def select(variants, question):
    """The index of the chosen one of `[tree, …, None]`, the last the default."""
    return next(index for index, tree in enumerate(variants) if tree is None or holds(tree, question))
