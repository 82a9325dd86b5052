"""One answer of preflight, doctor or verify: a value with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check came out. Since 0.1."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: stable name, such as "version_active".
        function: key of the function it is about; empty for the whole stage.
        text: what was found, with numbers.
        hint: what to do about it; empty when nothing.

    Since 0.1.
    """

    name: str
    level: Level
    text: str
    function: str = ""
    hint: str = ""
