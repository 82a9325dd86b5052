"""What lint says: one finding, where it is, how bad it is and what to do. It must not look for anything itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from flagkit.errors import RuleError


class Severity(StrEnum):
    """How bad a finding is. Since 0.1."""

    ERROR = "error"
    """AWS refuses the document."""
    WARNING = "warning"
    """AWS takes it, but it doesn't do what it seems to say."""
    NOTICE = "notice"
    """It does what it says and could be tidier."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that lint found.

    Attributes:
        code: what kind of finding, e.g. `shadowed-split`; AWS's constraint name for an error.
        severity: how bad it is.
        location: dotted path in the document, e.g. `values.checkout._variants.0.rule`; empty: the whole document.
        message: one sentence.
        hint: what to do; may be empty.
        caret: the line of a rule and a caret under the place, two lines; may be empty.
        line: line of the place in the document's text, from 1; 0 where it isn't known.
        column: column of the place, from 1; 0 where it isn't known.

    Since 0.1.
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
        """Return the finding for a terminal: `flags.json:7:12: warning[code]: …`, the caret and the hint. Since 0.1."""
        position = f"{self.line}:{self.column}" if self.line else ""
        place = ":".join(part for part in (name, position) if part)
        head = f"{self.severity.value}[{self.code}]: {self.location or 'document'}: {self.message}"
        lines = [f"{place}: {head}" if place else head]
        lines += [f"    {line}" for line in self.caret.splitlines()]
        lines += [f"  hint: {self.hint}"] if self.hint else []
        return "\n".join(lines)

    def to_dict(self) -> dict[str, str | int]:
        """Return the finding as JSON data. Since 0.1."""
        return asdict(self)


def caret_under(rule: str, position: int) -> str:
    """Return the line of a rule that holds a position, and a caret under it, two lines. Since 0.1."""
    return RuleError("", reason="", position=position, rule=rule).caret
