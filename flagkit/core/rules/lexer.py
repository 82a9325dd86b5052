r"""A rule's text to tokens: the lexis of Amazon Ion text (appconfig.md §2.1). It must not know operators or nesting.

Every repetition is possessive or can't overlap with its neighbour, so the time is linear in the text. Beyond Ion, a
comment can follow a number without a space.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple, NoReturn

from flagkit.core.context import MAX_NUMBER_CHARS
from flagkit.errors import RuleError


class Token(NamedTuple):
    """One token.

    Its kind is one of `( ) [ ] , ::` or text, texts (a whole list of plain strings), split and test (each a whole
    expression), number, symbol, quoted (a symbol), operator, end. Its value is a string's or symbol's decoded text,
    otherwise the text as it stands.
    """

    kind: str
    value: str
    position: int


_SPACE = r"(?:[ \t\n\r\v\f]++|//[^\n\r]*+|/\*.*?\*/)*+"
# Control characters must be escaped, but for tab, vertical tab and form feed; a long string can also hold newlines.
_PLAIN = r"\\\x00-\x08\n\r\x0e-\x1f"
_TEXT = rf'"[^"{_PLAIN}]*+(?:\\(?:\r\n|.)[^"{_PLAIN}]*+)*+"'
# Nearly every list: strings without escapes and comments. Read at once, it costs a tenth of its tokens.
_TEXTS = rf'\[\s*+"[^"{_PLAIN}]*+"(?:\s*+,\s*+"[^"{_PLAIN}]*+")*+\s*+\]'
# As flagkit and AWS's console write them. Read at once, they cost a tenth of their tokens, too.
_KEY = r"\$([A-Za-z_][A-Za-z0-9_]*+)"
_STRING = r'"[^"\\\x00-\x1f\ud800-\udfff]*+"'
SPLIT = rf"\(split pct::((?:0|[1-9][0-9]?|100)(?:\.[0-9]{{1,20}}+)?+) by::{_KEY} seed::({_STRING})\)"
TEST = (
    rf"\((?:(eq|gte?|lte?|begins_with|ends_with|contains) {_KEY} ({_STRING})"
    rf"|in {_KEY} (\[{_STRING}(?:, {_STRING})*+\]))\)"
)
_LONG = r"'''(?:[^'\\\x00-\x08\x0e-\x1f]++|'(?!'')|\\(?:\r\n|.))*+'''"
_TOKEN = re.compile(
    rf"""{_SPACE}(?:
      (?P<split>{SPLIT.replace(" ", "[ ]")})
    | (?P<test>{TEST.replace(" ", "[ ]")})
    | (?P<symbol>[A-Za-z_$][A-Za-z0-9_$]*+)
    | (?P<texts>{_TEXTS})
    | (?P<text>{_TEXT})
    | (?P<long>{_LONG})
    | (?P<quoted>(?!'''){_TEXT.replace('"', "'")})
    | (?P<number>-?[0-9][0-9A-Za-z_.:+-]*+)(?=[\s{{}}\[\](),"'/]|\Z)
    | (?P<punctuation>::|[()\[\],])
    | (?P<operator>/(?![/*])|[!\#%&*+.;<=>?@^`|~-]++)
    | (?P<end>\Z)
    )""",
    re.DOTALL | re.VERBOSE,
)
_LEADING_SPACE = re.compile(_SPACE, re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(\r\n|.))", re.DOTALL)
_ESCAPES = {
    **dict(zip("0abtnfrv", "\0\a\b\t\n\f\r\v", strict=True)),
    **dict.fromkeys(("\n", "\r", "\r\n"), ""),
    **dict(zip("\"'?\\/", "\"'?\\/", strict=True)),
}
_INTEGER = re.compile(r"-?(?:0|[1-9](?:_?[0-9])*|0[xX][0-9A-Fa-f](?:_?[0-9A-Fa-f])*|0[bB][01](?:_?[01])*)")
_REAL = re.compile(r"(-?(?:0|[1-9](?:_?[0-9])*)(?:\.(?:[0-9](?:_?[0-9])*)?)?)(?:([eEdD])([+-]?[0-9]{1,4}))?")


def tokenize(text: str) -> list[Token]:
    """Return the tokens of `text`, the last of kind `end`; adjacent long strings are joined, as Ion says.

    Raises:
        RuleError: BadToken, at the character that fits no token.
    """
    tokens: list[Token] = []
    position = 0
    group: str | None = None
    while group != "end":
        match = _TOKEN.match(text, position)
        if match is None:
            _fail(text, position)
        before, group = group, match.lastgroup
        assert group is not None  # each alternative is a group
        start, position = match.span(group)
        value = text[start:position]
        if group == "punctuation":
            tokens.append(Token(value, value, start))
        elif group == "long":
            value = _decode(value[3:-3].replace("\r\n", "\n").replace("\r", "\n"), text, start + 3)
            if before == "long":
                tokens[-1] = tokens[-1]._replace(value=tokens[-1].value + value)
            else:
                tokens.append(Token("text", value, start))
        else:
            if group in {"text", "quoted"}:
                value = _decode(value[1:-1], text, start + 1)
            tokens.append(Token(group, value, start))
    return tokens


def number(text: str) -> int | Decimal | float | None:
    """Return the value of an Ion int, decimal or float; None if `text` is none of them."""
    if len(text) > MAX_NUMBER_CHARS:
        return None
    if _INTEGER.fullmatch(text):
        return int(text, 0)
    real = _REAL.fullmatch(text)
    if real is None:
        return None
    digits, mark, exponent = real.groups(default="")
    literal = f"{digits.replace('_', '')}e{exponent or '0'}"
    return float(literal) if mark in {"e", "E"} else Decimal(literal)


def _decode(body: str, text: str, position: int) -> str:
    if "\\" not in body:
        return body

    def character(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code is None:
            if (plain := _ESCAPES.get(match[4])) is not None:
                return plain
        elif int(code, 16) <= 0x10FFFF:
            return chr(int(code, 16))
        _refuse(f"invalid escape \\{match[4] or match[0][1:]}", text, position + match.start())

    decoded = _ESCAPE.sub(character, body)
    # A character beyond U+FFFF can be written as a surrogate pair; half of one is refused by the tree.
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") if "\\u" in body else decoded


def _fail(text: str, position: int) -> NoReturn:
    space = _LEADING_SPACE.match(text, position)
    start = space.end() if space else position
    rest = text[start : start + 3]
    if rest[0] in "\"'":
        _refuse("unterminated string, or a raw line break or control character in it", text, start)
    if rest.startswith("/*"):
        _refuse("unterminated comment", text, start)
    if rest[0] in "{}":
        _refuse("structs and blobs are not allowed in rules", text, start)
    _refuse(f"unexpected character {rest[0]!r}", text, start)


def _refuse(message: str, text: str, position: int) -> NoReturn:
    raise RuleError(message, reason="BadToken", position=position, rule=text)
