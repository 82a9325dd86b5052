"""Conditions as people write them, to the native condition they mean; it must not print.

    condition   = and { "or" and } ;  and = part { "and" part } ;  part = "not" part | "(" condition ")" | test
    test        = attribute ( "=" | "!=" | "is" | "is not" | ">" | ">=" | "<" | "<=" ) value
                | attribute [ "not" ] "in" values
                | attribute [ "not" ] "in cidr" networks
                | attribute ( "starts with" | "ends with" | "contains" | "matches" ) text
                | attribute ( "before" | "after" ) date
                | attribute ( "exists" | "is missing" | "is not missing" )
                | value [ "not" ] "in" attribute                        the attribute is a list: `"admin" in roles`
                | "requires" flag [ ( "=" | "!=" | "is" | "is not" ) ( variant | "on" | "off" ) ]
                | "now" [ "not" ] "in" [ days ] [ hours ] [ zone ]      `now in Mon-Fri 09:00-17:00 Europe/Berlin`
    =, "in" and the text tests may end with "ignoring case"; an attribute in a mapping is `company.plan`

A word of the form `1.10.0` or `v2` is a version, `2026-01-31` a date, `12.5` a number, `true` a boolean; all else,
and what is in quotes, is text.
A text that begins with a parenthesis and reads as a native rule is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Final, NoReturn
from unicodedata import decimal

from flagkit.authoring.conditions import all_of, any_of, required, show_required
from flagkit.authoring.language.clock import read_window
from flagkit.authoring.language.lexer import EXAMPLES, Token, quoted, refuse, tokens_of
from flagkit.authoring.language.patterns import (
    CaselessTest,
    CaseTest,
    NetworkTest,
    PatternTest,
    VersionTest,
    pattern_of,
    read_network,
)
from flagkit.authoring.language.versions import Version
from flagkit.core.context import MAX_NUMBER_CHARS, element_text, instant_of
from flagkit.core.rules.ast import (
    MAX_PATTERN_CHARS,
    And,
    Boolean,
    Compare,
    CompareOperator,
    Condition,
    Exists,
    Key,
    Matches,
    Membership,
    Not,
    Number,
    Operand,
    Or,
    Rule,
    Text,
    TextOperator,
    TextTest,
    Timestamp,
)
from flagkit.core.rules.keys import IPV6
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.patterns import PatternRefusedError, PatternsMissingError, compile_pattern
from flagkit.errors import EditError, RuleError

KEYWORDS: Final = frozenset(
    {"and", "or", "not", "in", "is", "starts", "ends", "contains", "matches", "exists", "before", "after", "ignoring"}
)
_COMPARISONS: Final[dict[str, CompareOperator]] = {
    "=": "eq", "==": "eq", "is": "eq", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte",
}  # fmt: skip
_TEXT_TESTS: Final[dict[str, tuple[TextOperator, CaseTest]]] = {
    "starts with": ("begins_with", "starts"),
    "ends with": ("ends_with", "ends"),
    "contains": ("contains", "has"),
}
_ATTRIBUTE: Final = re.compile(r"[A-Za-z_][\w:@/-]*(?:\.[\w:@/-]+)*")
_VERSION: Final = re.compile(r"[vV][0-9].*|[0-9]+\.[0-9]+\.[0-9]+(?:[-+].*)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*")
_PLURAL: Final = re.compile(r"[a-z][A-Za-z0-9_.]{2,}s")
_NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+){2,}")
_FIGURES: Final = re.compile(r"[vV]?[+-]?\.?[0-9][0-9.:TZ+-]*")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NATIVE: Final = re.compile(
    r"""[\s(]*(?:(?:and|or|not)[\s(]+)*[a-z_]+\s+(?:\$|'\$|"|key::|in::|pattern::|pct::|by::|seed::)"""
)


def read_condition(text: str) -> Condition:
    """Read a condition.

    Args:
        text: a condition in the grammar above, or a native rule in parentheses.

    Raises:
        EditError: the text is not a condition; the message shows the place.
    """
    if text.lstrip().startswith("(") and (native := _native(text)) is not None:
        return native
    return _Reader(text, tokens_of(text)).condition()


def remarks_on(text: str) -> list[str]:
    """Return what a valid condition may not mean: in `admin in roles`, admin is the attribute and roles a text."""
    found: list[str] = []
    tokens: list[Token] = []
    with suppress(EditError):  # a native rule can have tokens of its own
        tokens = tokens_of(text)
    words = [token for token in tokens if token.kind == "text" or token.value.lower() != "not"]
    for name, word, value, end in zip(words, words[1:], words[2:], words[3:], strict=False):
        alone = end.kind == "end" or end.value.lower() in {"and", "or", ")"}
        if (name.kind, word.value.lower(), value.kind) != ("word", "in", "word") or not alone:
            continue
        if _PLURAL.fullmatch(value.value) and name.value != "now":
            found.append(
                f"{name.value} in {value.value} compares the attribute {name.value} with the text {value.value}. "
                f'If {value.value} is a list attribute, write "{name.value}" in {value.value}.'
            )
    return found


def _native(text: str) -> Rule | None:
    try:
        return parse_rule(text.strip())
    except RuleError as error:
        if _NATIVE.match(text.lstrip()) is None:
            return None  # parentheses of this language
        raise EditError(f"{error.message}\n{error.caret}", hint=error.hint) from error


@dataclass(slots=True)
class _Reader:
    text: str
    tokens: list[Token]
    position: int = 0

    def condition(self) -> Condition:
        found = self.either()
        if self.next.kind != "end":
            self.refuse(f"expected 'and', 'or' or the end, not {self.next.value!r}")
        return found

    @property
    def next(self) -> Token:
        return self.tokens[self.position]

    def take(self, *words: str) -> bool:
        """Go past these words if they come next, in any case."""
        ahead = self.tokens[self.position : self.position + len(words)]
        if [token.value.lower() for token in ahead] != list(words) or any(token.kind == "text" for token in ahead):
            return False
        self.position += len(words)
        return True

    def refuse(self, problem: str, token: Token | None = None, hint: str = EXAMPLES) -> NoReturn:
        refuse(self.text, (token or self.next).start, problem, hint)

    def either(self) -> Condition:
        return self.joined("or", self.both, Or)

    def both(self) -> Condition:
        return self.joined("and", self.part, And)

    def joined(self, word: str, part: Callable[[], Condition], kind: type[And | Or]) -> Condition:
        parts = [part()]
        while self.take(word):
            parts.append(part())
        return any_of(parts) if kind is Or else all_of(parts)

    def part(self) -> Condition:
        start = self.next
        try:
            if self.take("not"):
                return Not(self.part())
            if self.take("("):
                found = self.either()
                if not self.take(")"):
                    self.refuse("expected ')'")
                return found
            return self.test()
        except (RuleError, RecursionError) as error:
            reason = error.message if isinstance(error, RuleError) else "too many parentheses or 'not'"
            self.refuse(reason, start, getattr(error, "hint", None) or EXAMPLES)

    def test(self) -> Condition:
        subject = self.next
        if subject.kind not in {"word", "text"} or (subject.kind == "word" and subject.value.lower() in KEYWORDS):
            self.refuse("expected an attribute such as country" + (f", not {subject.value!r}" if subject.value else ""))
        self.position += 1
        if subject.kind == "word" and subject.value.lower() == "requires" and self.is_name():
            return self.prerequisite()
        if subject.value == "now" and subject.kind == "word" and (self.ahead("in") or self.ahead("not", "in")):
            return self.window()
        is_value = subject.kind == "text" or _NUMBER.fullmatch(subject.value) is not None
        if is_value:
            return self.element(subject)
        if _ATTRIBUTE.fullmatch(subject.value) is None:
            self.refuse(f"{subject.value!r} is not a valid attribute name", subject)
        return self.about(Key(subject.value))

    def is_name(self) -> bool:
        return self.next.kind == "word" and self.next.value.lower() not in KEYWORDS

    def ahead(self, *words: str) -> bool:
        start = self.position
        found = self.take(*words)
        self.position = start
        return found

    def window(self) -> Condition:
        negated = self.take("not")
        self.take("in")
        start = self.next
        words = []
        while self.next.kind == "word" and self.next.value.lower() not in {"and", "or"}:
            words.append(self.next.value)
            self.position += 1
            if self.take(","):
                words[-1] += ","
        try:
            window = read_window(" ".join(words).replace(", ", ","))
        except EditError as error:
            self.refuse(error.message, start, error.hint)
        return Not(window) if negated else window

    def prerequisite(self) -> Condition:
        """`requires base`, `requires base = blue`: the compiler puts the rule of the other flag in its place."""
        key = self.next.value
        self.position += 1
        negated = self.take("!=") or self.take("is", "not")
        if not (negated or self.take("=") or self.take("is")):
            return required(key)
        test = required(show_required(key, self.value("=").value))
        return Not(test) if negated else test

    def element(self, subject: Token) -> Condition:
        """`"admin" in roles`: lists reach a rule as JSON text, so that an element stands between quotes."""
        negated = self.take("not")
        if not self.take("in"):
            self.refuse(f"expected 'in' and a list attribute after {quoted(subject.value)}")
        name = self.next
        if not self.is_name() or _ATTRIBUTE.fullmatch(name.value) is None:
            self.refuse("expected a list attribute such as roles")
        self.position += 1
        text = element_text(subject.value)
        test: Condition = TextTest("contains", Key(name.value), Text(text))
        if self.take("ignoring", "case"):
            test = self.pattern(Key(name.value), CaselessTest("has", (text,)))
        return Not(test) if negated else test

    def about(self, key: Key) -> Condition:
        found = self.presence(key) or self.text_test(key) or self.moment(key) or self.membership(key)
        if found is not None:
            return found
        if self.take("!=") or self.take("is", "not"):
            return Not(self.compare(key, "eq", self.value("!=")))
        word = next((word for word in _COMPARISONS if self.take(word)), None)
        if word is None:
            self.refuse(f"expected a comparison after {key.name}, such as = or in")
        return self.compare(key, _COMPARISONS[word], self.value(word))

    def presence(self, key: Key) -> Condition | None:
        if self.take("exists") or self.take("is", "not", "missing"):
            return Exists(key)
        return Not(Exists(key)) if self.take("is", "missing") else None

    def text_test(self, key: Key) -> Condition | None:
        for words, (operator, caseless) in _TEXT_TESTS.items():
            if self.take(*words.split()):
                value = self.value(words)
                if self.take("ignoring", "case"):
                    return self.pattern(key, CaselessTest(caseless, (value.value,)))
                return TextTest(operator, key, Text(value.value))
        return self.matches(key) if self.take("matches") else None

    def matches(self, key: Key) -> Condition:
        token = self.value("matches")
        problem = _pattern_problem(token.value)
        if problem is not None:
            hint = "Patterns are RE2: no backreferences, no lookaround; repeat at most a few hundred times."
            self.refuse(f"the pattern can't be used: {problem}", token, hint)
        return Matches(key, Text(token.value))

    def moment(self, key: Key) -> Condition | None:
        for word in ("before", "after"):
            if self.take(word):
                token = self.value(word)
                if _DATE.fullmatch(token.value) is None:
                    self.refuse(f"expected a date such as 2026-01-31 after {word!r}", token)
                return moment_test(key, word, Timestamp(self.date(token)))
        return None

    def membership(self, key: Key) -> Condition | None:
        negated = self.take("not")
        if not self.take("in"):
            if negated:
                self.refuse("expected 'in' after 'not'")
            return None
        found = self.networks(key) if self.take("cidr") else self.members(key)
        return Not(found) if negated else found

    def value(self, after: str) -> Token:
        token = self.next
        if token.kind in {"sign", "end"} or (token.kind == "word" and token.value.lower() in KEYWORDS):
            found = f", not {token.value!r} (put it in quotes if it is the value)" if token.value else ""
            self.refuse(f"expected a value after {after!r}{found}")
        self.position += 1
        return token

    def values(self, after: str) -> list[Token]:
        """A list with commas, with or without brackets."""
        close = "]" if self.take("[") else ")" if self.take("(") else ""
        found = [self.value(after)]
        while self.take(","):
            if close and self.ahead(close):
                break
            found.append(self.value(","))
        if close and not self.take(close):
            self.refuse(f"expected ',' or {close!r}")
        return found

    def members(self, key: Key) -> Condition:
        texts = tuple(token.value for token in self.values("in"))
        if self.take("ignoring", "case"):
            return self.pattern(key, CaselessTest("is", texts))
        return Membership(key, tuple(map(Text, texts)))

    def networks(self, key: Key) -> Condition:
        found = []
        for token in self.values("in cidr"):
            try:
                network = read_network(token.value)
                about = key if network.version == 4 else Key(IPV6 + key.name)
                found.append(self.pattern(about, NetworkTest(network)))
            except EditError as error:
                self.refuse(error.message, token, error.hint)
        return any_of(found)

    def compare(self, key: Key, operator: CompareOperator, token: Token) -> Condition:
        if self.take("ignoring", "case"):
            if operator != "eq":
                self.refuse("'ignoring case' goes with =, !=, in, starts with, ends with and contains", token)
            return self.pattern(key, CaselessTest("is", (token.value,)))
        if token.kind == "word" and _VERSION.fullmatch(token.value):
            version = Version.read(token.value)
            if version is None:
                hint = "Write a version such as 1.10.0 or 2.0.0-rc.1; put text in quotes."
                self.refuse(f"{token.value!r} is not a valid semantic version", token, hint)
            return self.pattern(key, VersionTest(operator, version))
        operand = self.operand(token)
        if token.kind == "word" and isinstance(operand, Text) and _NUMBERS.fullmatch(token.value):
            self.numbers(operator, token)
        if isinstance(operand, Boolean) and operator != "eq":
            self.refuse(f"{token.value} can only be compared with = and !=", token)
        return Compare(operator, key, operand)

    def numbers(self, operator: CompareOperator, token: Token) -> None:
        """Refuse `1.2.3.4` where it isn't compared as the address that it may be: text has another order."""
        try:
            IPv4Address(token.value)
        except ValueError:
            hint = "A version has three numbers, such as 1.10.0; put text in quotes."
            self.refuse(f"{token.value!r} is neither a version nor a number", token, hint)
        if operator != "eq":
            hint = "Use `in cidr` for addresses, a version of three numbers such as 1.10.0, or quotes for text."
            self.refuse(f"{token.value!r} has no order: it is an address", token, hint)

    def operand(self, token: Token) -> Operand:
        if token.kind == "text":
            return Text(token.value)
        if token.value.lower() in {"true", "false"}:
            return Boolean(token.value.lower() == "true")
        if _DATE.fullmatch(token.value):
            return Timestamp(self.date(token))
        if _NUMBER.fullmatch(token.value):
            try:
                number = Decimal(token.value)
            except DecimalException:
                self.refuse(f"{token.value!r} is not a valid number", token)
            if len(token.value) > MAX_NUMBER_CHARS or abs(number.adjusted()) > MAX_NUMBER_CHARS:
                hint = f"Write a number of at most {MAX_NUMBER_CHARS} digits without exponent, or put text in quotes."
                self.refuse(f"a number may have at most {MAX_NUMBER_CHARS} digits", token, hint)
            return Number(int(token.value) if token.value.lstrip("+-").isdigit() else number)
        digits = "".join(str(decimal(char, char)) for char in token.value)
        if digits != token.value and _FIGURES.fullmatch(digits):
            hint = f"Write {digits}, or put text in quotes."
            self.refuse(f"{token.value!r} is not written in the digits 0 to 9", token, hint)
        return Text(token.value)

    def date(self, token: Token) -> str:
        if instant_of(token.value) is None:
            hint = "Write 2026-01-31 or 2026-01-31T09:00:00Z; a time of day needs Z or an offset."
            self.refuse(f"{token.value!r} is not a valid date", token, hint)
        return token.value

    def pattern(self, key: Key, test: PatternTest) -> Matches:
        pattern = pattern_of(test)
        if len(pattern) > MAX_PATTERN_CHARS:
            self.refuse(
                f"it needs a pattern of {len(pattern)} characters, of at most {MAX_PATTERN_CHARS}",
                hint="Shorten the version or the list, or join several conditions with 'or'.",
            )
        return Matches(key, Text(pattern))


@lru_cache(maxsize=1024)  # every condition that is shown is read again
def _pattern_problem(pattern: str) -> str | None:
    try:
        compile_pattern(pattern)
    except PatternsMissingError:
        return None  # it may be valid where flags are evaluated
    except PatternRefusedError as error:
        return str(error)
    return None


def moment_test(key: Key, word: str, date: Timestamp) -> Condition:
    """Compare a time that is a W3C date or milliseconds since 1970, negative before it; 0 to 9999 are years."""
    nanoseconds = instant_of(date.text)
    assert nanoseconds is not None
    milliseconds = nanoseconds // 1_000_000
    operator: CompareOperator = "lt" if word == "before" else "gt"
    by_number: Condition = Compare(operator, key, Number(milliseconds))
    reaches_years = milliseconds > 0 if word == "before" else milliseconds < 9999
    if reaches_years:
        by_number = And((by_number, Or((Compare("gt", key, Number(9999)), Compare("lt", key, Number(0))))))
    return Or((Compare(operator, key, date), by_number))
