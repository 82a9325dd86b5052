"""One finding of lint: severity, location, message and hint. It must not check documents."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from json import JSONDecoder

from flagkit.errors import RuleError

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = JSONDecoder()


class Severity(StrEnum):
    """The severity of a finding."""

    ERROR = "error"
    """AWS refuses the document."""
    WARNING = "warning"
    """AWS accepts it, but it does not do what it seems to say."""
    NOTICE = "notice"
    """It does what it says, and could be simpler."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of lint.

    Attributes:
        code: what kind of finding, e.g. `shadowed-split`; AWS's constraint name for an error.
        severity: error, warning or notice.
        location: dotted path in the document, e.g. `values.checkout._variants.0.rule`; empty: the whole document.
        message: one sentence.
        hint: the next step; can be empty.
        caret: the line of a rule and a caret under the position, two lines; can be empty.
        line: line in the document's text, from 1; 0 if it isn't known.
        column: column in that line, from 1; 0 if it isn't known.
    """

    code: str
    severity: Severity
    location: str
    message: str
    hint: str = ""
    caret: str = ""
    line: int = 0
    column: int = 0

    def to_text(self, name: str = "") -> str:
        """Return the finding for a terminal: `flags.json:7:12: warning[code]: …`, the caret and the hint."""
        position = f"{self.line}:{self.column}" if self.line else ""
        prefix = ":".join(part for part in (name, position) if part)
        head = f"{self.severity.value}[{self.code}]: {self.location or 'document'}: {self.message}"
        lines = [f"{prefix}: {head}" if prefix else head]
        lines += [f"    {line}" for line in self.caret.splitlines()]
        lines += [f"  hint: {self.hint}"] if self.hint else []
        return "\n".join(lines)

    def to_dict(self) -> dict[str, str | int]:
        """Return the finding as JSON data."""
        return asdict(self)


def caret_under(rule: str, position: int) -> str:
    """Return the line of a rule that holds a position, and a caret under it, two lines."""
    return RuleError("", reason="", position=position, rule=rule).caret


class Positions:
    """Where the values of a JSON text begin; each object and list is read once, when it is first asked for.

    Args:
        text: valid JSON.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [match.start() for match in re.finditer("\n", text)]
        self._members: dict[int, dict[str, int]] = {}

    def of(self, location: str) -> tuple[int, int]:
        """Return the line and the column of the value at a dotted path, counted from 1; empty is the document itself.

        A location that goes deeper than the document does ends at its deepest part that exists: AWS's locations name
        operators inside rules, too (`values.f._variants.0.rule.eq`).
        """
        offset = _SPACE.match(self._text, 0).end()  # type: ignore[union-attr] # always matches, if only empty
        for part in location.split(".") if location else ():
            if offset not in self._members:
                # Of equal keys the last one counts, as in json.loads.
                self._members[offset] = dict(_members(self._text, offset))
            found = self._members[offset].get(part)
            if found is None:
                break
            offset = found
        line = bisect_left(self._lines, offset)
        return line + 1, offset - (self._lines[line - 1] if line else -1)


def _members(text: str, offset: int) -> Iterator[tuple[str, int]]:
    """Yield the name (or index) and the offset of each member of the object or list that begins here."""
    opened = text[offset]
    if opened not in "{[":
        return
    offset = _skip(text, offset + 1)
    index = 0
    while text[offset] not in "}]":
        name = str(index)
        if opened == "{":
            name, offset = _DECODER.raw_decode(text, offset)
            offset = _skip(text, _skip(text, offset) + 1)
        yield name, offset
        _, offset = _DECODER.raw_decode(text, offset)
        offset = _skip(text, offset)
        if text[offset] == ",":
            offset = _skip(text, offset + 1)
        index += 1


def _skip(text: str, offset: int) -> int:
    return _SPACE.match(text, offset).end()  # type: ignore[union-attr] # always matches, if only the empty string
