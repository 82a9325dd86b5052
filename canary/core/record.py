"""The canary's record in the alias description: encode and decode, at most 256 characters; it must not decide anything.

The record is the truth about a running canary (decision 0008). It is written in the same `UpdateAlias` as the weights,
so state and traffic can't disagree, and any process that can read the alias can resume or roll back:

    canary1 k3f9a2c1 41>42 b tn1f0a0 10@0,25@go,50@10o 1xk 9f3a2b1c|Live traffic of the API
    |       |        |     | |       |                 |   |        `- the operator's own description
    |       |        |     | |       |                 |   `- fingerprint of the stage's plan
    |       |        |     | |       |                 `- deadline of the present hold (`-`: none)
    |       |        |     | |       `- weight in percent @ seconds since the start, base 36, one per change;
    |       |        |     | |          a weight without @ is a step still to come
    |       |        |     | `- start, Unix seconds, base 36
    |       |        |     `- letter of the phase, then x for a hotfix
    |       |        `- baseline version > candidate version
    |       `- id of the canary
    `- format and its version

`~` instead of `|` says that the operator's text was shortened to fit; the journal keeps the whole of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from canary.core.alias import DESCRIPTION_LIMIT, basis_points, percent_text
from canary.core.phases import Phase
from canary.errors import RecordError

MARK: Final = "canary1 "
"""How each record of this format starts."""

FAMILY: Final = "canary"
"""How each record of any format starts, followed by digits."""

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

_LETTERS: Final = {
    Phase.STARTING: "s",
    Phase.BAKING: "b",
    Phase.HOLDING: "h",
    Phase.PAUSED: "u",
    Phase.INCONCLUSIVE: "i",
    Phase.PROMOTING: "p",
    Phase.POST_BAKE: "o",
    Phase.PROMOTED: "f",
    Phase.ROLLING_BACK: "r",
    Phase.ABORTING: "a",
}
_PHASES: Final = {letter: phase for phase, letter in _LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Shift:
    """One change of weight: from `at` on the candidate carries `weight_bp` basis points."""

    at: datetime
    weight_bp: int


@dataclass(frozen=True, slots=True)
class Record:
    """What one alias says about its canary."""

    canary_id: str
    baseline: str
    candidate: str
    phase: Phase
    started_at: datetime
    shifts: tuple[Shift, ...]
    deadline: datetime | None
    fingerprint: str
    description: str
    planned_bp: tuple[int, ...] = ()
    hotfix: bool = False
    shortened: bool = False


def encode(record: Record) -> str:
    """The record as an alias description of at most 256 characters.

    The operator's own text is shortened when it doesn't fit; the record itself never is.

    Raises:
        RecordError: the record alone is longer than 256 characters (too many steps).
    """
    head = _head(record)
    room = DESCRIPTION_LIMIT - len(head) - 1
    if room < 0:
        raise RecordError(
            f"the canary's record needs {len(head) + 1} characters, an alias description holds {DESCRIPTION_LIMIT}",
            hint="Use fewer steps.",
        )
    shortened = record.shortened or len(record.description) > room
    return f"{head}{'~' if shortened else '|'}{record.description[:room]}"


def room_for_description(record: Record) -> int:
    """How many characters of the operator's own description fit behind this record (negative: not even the record)."""
    return DESCRIPTION_LIMIT - len(_head(record)) - 1


def decode(text: str) -> Record | None:
    """Reads a record; None when the description isn't a canary's.

    Raises:
        RecordError: it starts like a record, but can't be read (damaged, or of another version of canary).
    """
    if not text.startswith(MARK):
        if is_record(text):
            raise RecordError(f"the alias holds a canary record of another format: {text!r}")
        return None
    bar = min((at for at in (text.find("|"), text.find("~")) if at >= 0), default=-1)
    if bar < 0:
        raise RecordError(f"the alias holds a damaged canary record: {text!r}")
    try:
        record = _fields(text[len(MARK) : bar].split(" "))
    except (ValueError, KeyError, ArithmeticError) as error:
        raise RecordError(f"the alias holds a damaged canary record: {text!r}") from error
    return replace(record, description=text[bar + 1 :], shortened=text[bar] == "~")


def is_record(text: str) -> bool:
    """True when a description looks like a canary's record of any version."""
    word, _, rest = text.partition(" ")
    return bool(rest) and word.startswith(FAMILY) and word[len(FAMILY) :].isdigit()


def base36(number: int) -> str:
    """A natural number in base 36."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def _head(record: Record) -> str:
    flags = _LETTERS[record.phase] + "x" * record.hotfix
    done = [f"{percent_text(shift.weight_bp)}@{_offset(record, shift.at)}" for shift in record.shifts]
    shifts = ",".join([*done, *map(percent_text, record.planned_bp)])
    deadline = "-" if record.deadline is None else _offset(record, record.deadline)
    started = base36(int(record.started_at.timestamp()))
    versions = f"{record.baseline}>{record.candidate}"
    return f"{MARK}{record.canary_id} {versions} {flags} {started} {shifts} {deadline} {record.fingerprint}"


def _offset(record: Record, at: datetime) -> str:
    return base36(max(0, int((at - record.started_at).total_seconds())))


def _fields(fields: list[str]) -> Record:
    canary_id, versions, flags, started, shifts, deadline, fingerprint = fields
    baseline, candidate = versions.split(">")
    started_at = datetime.fromtimestamp(int(started, 36), UTC)

    def when(offset: str) -> datetime:
        return started_at + timedelta(seconds=int(offset, 36))

    steps = [step.split("@") for step in shifts.split(",") if step]
    return Record(
        canary_id=canary_id,
        baseline=baseline,
        candidate=candidate,
        phase=_PHASES[flags[:1]],
        started_at=started_at,
        shifts=tuple(Shift(when(step[1]), basis_points(step[0])) for step in steps if len(step) > 1),
        deadline=None if deadline == "-" else when(deadline),
        fingerprint=fingerprint,
        description="",
        planned_bp=tuple(basis_points(step[0]) for step in steps if len(step) == 1),
        hotfix="x" in flags[1:],
    )
