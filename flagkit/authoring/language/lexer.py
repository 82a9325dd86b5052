"""A condition's text to tokens; it must not know what tokens mean together.

A value needs quotes only if it has a space, a comma, a bracket, a quote or an operator's character in it, or if it is a
keyword. In quotes, a backslash stands before a quote or a backslash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from flagkit.errors import EditError

TokenKind = Literal["word", "text", "sign", "end"]

MAX_CONDITION_CHARS: Final = 16_384
"""As long as a rule may be (appconfig.md §1.1)."""

EXAMPLES: Final = (
    'For example: country in US, CA · plan = pro and age >= 18 · appVersion >= 1.10.0 · email ends with "@example.com"'
)

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>==|!=|>=|<=|[=<>,()\[\]])|(?P<word>[^\s"=!<>,()\[\]]+))', re.DOTALL
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a condition.

    Attributes:
        kind: a bare word, a quoted text, a sign, or the end.
        value: the word or sign as written, the text without its quotes; "" at the end.
        start: where it begins in the condition.
        end: the position behind it.
    """

    kind: TokenKind
    value: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """Split a condition; the last token is of kind `end`.

    Raises:
        EditError: a character that can't stand there, an open quote, or too long a text.
    """
    if len(text) > MAX_CONDITION_CHARS:
        raise EditError(f"the condition has {len(text)} characters; at most {MAX_CONDITION_CHARS} are allowed")
    tokens: list[Token] = []
    position, last = 0, len(text.rstrip())
    while position < last:
        found = _TOKEN.match(text, position)
        if found is None:
            start = len(text) - len(text[position:].lstrip())
            refuse(text, start, "the quoted text has no end" if text[start] == '"' else f"unexpected {text[start]!r}")
        kind: TokenKind = "text" if found["text"] else "sign" if found["sign"] else "word"
        value = _ESCAPE.sub(r"\1", found["text"][1:-1]) if found["text"] else found[kind]
        tokens.append(Token(kind, value, found.start(kind), found.end()))
        position = found.end()
    return [*tokens, Token("end", "", last, last)]


def quoted(value: str) -> str:
    """Return a value in quotes, as `tokens_of` reads it again."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_bare(value: str) -> bool:
    """Whether a value is one bare word to `tokens_of`."""
    found = _TOKEN.fullmatch(value)
    return found is not None and found["word"] == value


def refuse(text: str, position: int, problem: str, hint: str = EXAMPLES) -> NoReturn:
    """Refuse a condition, with a caret under the place.

    Raises:
        EditError: always.
    """
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = (text[start:] if end < 0 else text[start:end]).replace("\t", " ")
    column = position - start
    first = max(0, column - 60)
    caret = f"{line[first : first + 120]}\n{' ' * (column - first)}^"
    raise EditError(f"the condition is not valid: {problem}\n{caret}", hint=hint)
