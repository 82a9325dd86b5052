"""The result of a check, as a value; it checks nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    NO_DATA = "no_data"
    """Nothing to check: no traffic, or no values. Neither passed nor failed."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One result of preflight, doctor or verify.

    Attributes:
        name: stable name, such as "version_active".
        function: key of the function it is about; empty for the whole stage.
        text: what was found, with numbers.
        hint: what to do about it; empty when nothing.
    """

    name: str
    level: Level
    text: str
    function: str = ""
    hint: str = ""


def check(name: str, ok: bool, text: str, function: str, hint: str) -> Check:
    """A check that passes or fails; the hint is for what fails."""
    return Check(name, Level.OK if ok else Level.FAILED, text, function, "" if ok else hint)
