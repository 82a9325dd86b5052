"""Random rules and contexts, fast and from a seed. It aims where rules are hard: edges of types, quotes, missing keys.

Rules are built as trees, so that they are valid by construction; `mangled` breaks their text.
"""
# ruff: noqa: E501, SIM905 - tables read better unbroken

from __future__ import annotations

import datetime
import random
from decimal import Decimal

from flagkit.core.rules import ast

LARGE_PATTERN = ".{1,255}x"
"""Of so many instructions that the texts of 300 characters and more are too long for it."""
# fmt: off
KEYS = ["country", "plan", "age", "email", "beta", "date", "userId", "now", "currentTime", "__class__", "user-id", "1", "ключ"]
WORDS = ["US", "us", "DE", "pro", "team", "", " ", "a", "ab", "abc", 'say "hi"', "back\\slash", "it's", "new\nline", "tab\t",
         "\0", "\x7f", "é", "e\u0301", "😀", "👩‍👩‍👧", "\u2028", "ß", "İ", "x" * 300, "true", "false", "True", "t", "1", "0", "65",
         "65.0", "6.5e1", "+65", " 65", "65 ", "6_5", "٣", "1e5", "100000", "-0", "0.1", ".5", "5.", "1e9999", "NaN", "inf",
         "2024", "2024-01", "2024-01-31", "2024-02-30", "2024-01-31T10:00Z", "2024-01-31T10:00:00.5+01:30",
         "2024-01-31T09:00:00Z", "2024-01-31T10:00", "2024-01-31 10:00Z", "null", "(eq", "//", "/* */", "'''", "$age",
         "__class__", "a@b.example"]
NUMBERS = [0, 1, -1, 17, 65, 64, 100, 2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 2024, 0.1, 0.5, 65.0, 1e5, 1e-5, -0.0, 1e100,
           *map(Decimal, "0.1 65.0 0.5 -1.50 1E+3 1E-25 3.14159265358979323846264338327950288 0".split())]
TIMES = ["2024T", "2024-01T", "2024-01-31", "2024-01-31T", "2024-01-31T09:00Z", "2024-01-31T10:00:00.5+01:30", "2024-02-29",
         "0001-01-01T00:00+23:59", "2024-01-31T08:30:00.5Z", "9999-12-31T23:59:59.999999999-00:00",
         "2026-11-23T00:00:00.000000001Z"]
PATTERNS = ["h.*y", "^a", "a$|b", "[A-Z]{2}", "[0-9]+", "^[^ @]+@[^ @]+", "", "(a|b)+c?", "\\\\", "x{3,5}", "é", "[^a-z]", LARGE_PATTERN, LARGE_PATTERN]
PERCENTS = [0, 1, 10, 25, 33, 50, 60, 66, 99, 100, 0.5, 1e-4, 12.5, *map(Decimal, "33.3333 66.6667 0.0001 99.9999 1E+1".split())]
SEEDS = [None, None, "s", "t", "", "2025.01.01", 'q"\\', "é😀"]
IDS = ["u1", "u2", "user-42", "", "😀", "a\ud800", "0", "42", "42.0", "é", "x" * 1000]
JUNK = ["(", ")", "[", "]", ",", "::", '"', "'", "'''", "\\", "//", "/*", "*/", "$", "-", "0x", "1e", "2024-01", "true", "null", "{",
        "}", "\\u12", "\\ud800", "\\U00110000", "(not ", "(and", "pct::", "by::", "seed::", " ", "nan", "+inf", "$10", "e::",
        "99999999999999999999"]
# fmt: on
NOW = datetime.datetime(2026, 11, 23, 2, 30, 0, 123456, tzinfo=datetime.UTC)
ZONES = [None, datetime.UTC, *(datetime.timezone(datetime.timedelta(minutes=minutes)) for minutes in (345, -1380))]


class Hostile:
    """An object that answers every question with an exception."""

    def _raise(self, *_arguments):
        raise RuntimeError("hostile")

    __str__ = __repr__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __format__ = __int__ = __float__ = _raise


class Shout(str):
    """A string whose own methods lie."""

    __slots__ = ()

    def __str__(self):
        return "lie"

    def __eq__(self, _other):
        return True

    def __hash__(self):
        return 1


# fmt: off
ODDITIES = [None, [], ["US"], {}, {"a": 1}, (), object(), Hostile(), b"US", float("nan"), float("inf"), -float("inf"), 10**5000,
            -(10**200), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+9999"), complex(1, 2), "\ud800",
            datetime.date(2024, 1, 31), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=ZONES[3]),
            datetime.datetime(1, 1, 1, tzinfo=ZONES[2]), datetime.datetime(1, 1, 1, tzinfo=ZONES[0])]
# fmt: on


class Generator:
    """A stream of rules and contexts; the same seed gives the same stream on every platform."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def rule(self, depth: int = 3):
        pick = self.random.random()
        if depth > 0 and pick < 0.45:
            kind = self.random.choice([ast.And, ast.Or, ast.Not, ast.And, ast.Or])
            if kind is ast.Not:
                return ast.Not(self.condition(depth - 1))
            return kind(tuple(self.condition(depth - 1) for _ in range(self.random.choice((1, 2, 2, 3, 3, 5)))))
        if pick < 0.55 and depth > 0:
            return self.range_of_buckets()
        return self.leaf()

    def condition(self, depth: int):
        return ast.Boolean(self.random.random() < 0.5) if self.random.random() < 0.04 else self.rule(depth)

    def range_of_buckets(self):
        """What authoring writes: a stretch of one bucket line."""
        by, seed = self.random.choice([ast.Key("userId"), ast.Key("email")]), self.seed()
        low, high = (ast.Split(self.percent(), by, seed) for _ in range(2))
        return ast.And((high, ast.Not(low)))

    def leaf(self):
        choose = self.random.choice
        match self.random.randrange(9):
            case 0 | 1:
                return ast.Compare("eq", *self.sides(self.constant()))
            case 2:
                operator = choose(["gt", "gte", "lt", "lte"])
                return ast.Compare(operator, *self.sides(choose([self.number, self.number, self.text, self.time])()))
            case 3:
                part = self.text() if self.random.random() < 0.8 else self.key()
                return ast.TextTest(
                    choose(["begins_with", "ends_with", "contains"]), choose([self.key, self.text])(), part
                )
            case 4 | 5:
                items = [self.text() for _ in range(self.random.randrange(6))]
                items += [self.constant() for _ in range(self.random.choice((0, 0, 3)))]
                return ast.Membership(self.key() if self.random.random() < 0.9 else self.constant(), tuple(items))
            case 6:
                return ast.Matches(choose([self.key, self.key, self.text])(), ast.Text(choose(PATTERNS)))
            case 7:
                return ast.Exists(self.key())
            case _:
                return ast.Split(
                    self.percent(), choose([ast.Key("userId"), ast.Key("userId"), self.key()]), self.seed()
                )

    def sides(self, constant):
        key = self.key()
        match self.random.randrange(12):
            case 0:
                return key, self.key()
            case 1:
                return constant, key
            case 2:
                return constant, type(constant)(
                    constant.text if isinstance(constant, ast.Timestamp) else constant.value
                )
            case _:
                return key, constant

    def key(self):
        return ast.Key(self.random.choice(KEYS))

    def text(self):
        return ast.Text(self.random.choice(WORDS))

    def number(self):
        return ast.Number(self.random.choice(NUMBERS))

    def time(self):
        return ast.Timestamp(self.random.choice(TIMES))

    def constant(self):
        match self.random.randrange(6):
            case 0 | 1 | 2:
                return self.text()
            case 3:
                return self.number()
            case 4:
                return self.time()
            case _:
                return ast.Boolean(self.random.random() < 0.5)

    def percent(self):
        return ast.Number(self.random.choice(PERCENTS))

    def seed(self):
        seed = self.random.choice(SEEDS)
        return None if seed is None else ast.Text(seed)

    def value(self):
        choose = self.random.choice
        match self.random.randrange(10):
            case 0 | 1 | 2 | 3 | 4:
                return choose(WORDS)
            case 5 | 6:
                return choose(NUMBERS)
            case 7:
                return self.random.random() < 0.5
            case 8:
                moment = datetime.datetime(2024, 1, 31, 9, 0, 0, choose((0, 500000)), tzinfo=choose(ZONES))
                return choose([moment, NOW, moment.date()])
            case _:
                return choose(ODDITIES)

    def user_id(self):
        match self.random.randrange(8):
            case 0:
                return None
            case 1:
                return self.value()
            case 2:
                return Shout("u1") if self.random.random() < 0.1 else self.random.randrange(100)
            case _:
                return self.random.choice(IDS) if self.random.random() < 0.5 else f"user-{self.random.randrange(10**6)}"

    def context(self):
        if self.random.random() < 0.05:
            return None
        return {key: self.value() for key in KEYS if self.random.random() < 0.5}

    def mangled(self, text: str) -> str:
        """Break a rule's text in one to three places."""
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(len(text) + 1)
            match self.random.randrange(5):
                case 0:
                    text = text[:at] + text[at + self.random.randrange(1, 5) :]
                case 1:
                    text = text[:at] + self.random.choice(JUNK) + text[at:]
                case 2:
                    text = text[:at] + text[at : at + 20] * 2 + text[at + 20 :]
                case 3:
                    text = text[:at]
                case _:
                    text = (
                        text[:at]
                        + chr(self.random.choice((0, 9, 10, 34, 39, 92, 40, 41, 0x2028, 0xD800, 0x1F600)))
                        + text[at:]
                    )
        return text
