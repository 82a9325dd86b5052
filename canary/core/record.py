"""The canary's record in the alias description: encode and decode, at most 256 characters; it must not decide anything.

The record is the truth about a running canary (decision 0008). It is written in the same `UpdateAlias` as the weights,
so state and traffic can't disagree, and any process that can read the alias can resume or roll back:

    canary1 k3f9a2c1 41>42 b tn1f0a 10@0,25@go,50@10o 1xk 9f3a2b1c|Live traffic of the API
    |       |        |     | |       |                 |   |        `- the operator's own description
    |       |        |     | |       |                 |   `- fingerprint of the stage's plan
    |       |        |     | |       |                 `- deadline of the present hold (`-`: none)
    |       |        |     | |       `- weight in percent @ seconds since the start, base 36, one per change;
    |       |        |     | |          a weight without @ is a step still to come; `5?@0` of a flag was left without
    |       |        |     | |          a healthy verdict
    |       |        |     | `- start, Unix seconds, base 36
    |       |        |     `- letter of the phase, then x for a hotfix, then /5 where only some functions take part
    |       |        `- baseline version > candidate version
    |       `- id of the canary
    `- format and its version

`~` instead of `|` says that the operator's text was shortened to fit; the journal keeps the whole of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from canary.core.alias import ALL_BP, DESCRIPTION_LIMIT, basis_points, percent_text
from canary.core.phases import AFTER_PROMOTION, FORWARD, RETURNING, Phase
from canary.errors import RecordError

MARK: Final = "canary1 "
"""How each record of this format starts."""

FAMILY: Final = "canary"
"""How each record of any format starts, followed by digits."""

_OFFSET = r"[0-9a-z]{1,6}"
_STEP = rf"\d{{1,3}}(?:\.\d{{1,2}})?(?:\??@{_OFFSET})?"
_FORM: Final = re.compile(
    rf"(?P<head>{MARK}(?P<id>[A-Za-z0-9_-]+) (?P<baseline>[1-9]\d{{0,18}})>(?P<candidate>[1-9]\d{{0,18}}) "
    rf"(?P<letter>[a-z])(?P<hotfix>x?)(?:/(?P<members>[0-9a-z]{{1,13}}))? "
    rf"(?P<started>[0-9a-z]{{6,7}}) (?P<shifts>(?:{_STEP}(?:,{_STEP})*)?) "
    rf"(?P<deadline>-|{_OFFSET}) (?P<fingerprint>[0-9a-f]{{8}}))(?P<bar>[|~])",
    re.ASCII,
)

_FIRST: Final = datetime(2018, 1, 1, tzinfo=UTC)
"""No canary is older: alias weights exist since the end of 2017."""

_LAST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""One digit too many makes a start in a later millennium, and a driver would wait for it."""

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
    """One change of weight: from `at` on the candidate carries `weight_bp` basis points.

    Attributes:
        is_unsure: whether a person or a policy went on from it without a healthy verdict.
    """

    at: datetime
    weight_bp: int
    is_unsure: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What one alias says about its canary.

    Attributes:
        members: the stage's functions that this canary releases, one bit each in the order in which they are shifted;
            0 for all. The others had nothing to release and have no record.
    """

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
    members: int = 0


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
            f"the canary's record needs {len(head) + 1} characters, "
            f"an alias description has at most {DESCRIPTION_LIMIT}",
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
            raise RecordError(f"there is a canary record of another format: {text!r}")
        return None
    match = _FORM.match(text)
    record = _read(match) if match else None
    # Only what this module writes is a record: whatever reads differently when it is written again is damaged.
    if match is None or record is None or not _is_possible(record) or _head(record) != match["head"]:
        raise RecordError(f"there is a damaged canary record: {text!r}")
    return replace(record, description=text[match.end() :], shortened=match["bar"] == "~")


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
    flags += f"/{base36(record.members)}" if record.members else ""
    done = [
        f"{percent_text(shift.weight_bp)}{'?' * shift.is_unsure}@{_offset(record, shift.at)}" for shift in record.shifts
    ]
    shifts = ",".join([*done, *map(percent_text, record.planned_bp)])
    deadline = "-" if record.deadline is None else _offset(record, record.deadline)
    started = base36(int(record.started_at.timestamp()))
    versions = f"{record.baseline}>{record.candidate}"
    return f"{MARK}{record.canary_id} {versions} {flags} {started} {shifts} {deadline} {record.fingerprint}"


def _offset(record: Record, at: datetime) -> str:
    return base36(max(0, int((at - record.started_at).total_seconds())))


def _read(match: re.Match[str]) -> Record | None:
    started_at = datetime.fromtimestamp(int(match["started"], 36), UTC)

    def when(offset: str) -> datetime:
        return started_at + timedelta(seconds=int(offset, 36))

    phase = _PHASES.get(match["letter"])
    if phase is None:
        return None
    steps = [step.partition("@") for step in match["shifts"].split(",") if step]
    return Record(
        canary_id=match["id"],
        baseline=match["baseline"],
        candidate=match["candidate"],
        phase=phase,
        started_at=started_at,
        shifts=tuple(
            Shift(when(offset), basis_points(weight.rstrip("?")), weight.endswith("?"))
            for weight, at, offset in steps
            if at
        ),
        deadline=None if match["deadline"] == "-" else when(match["deadline"]),
        fingerprint=match["fingerprint"],
        description="",
        planned_bp=tuple(basis_points(weight) for weight, at, _ in steps if not at),
        hotfix=bool(match["hotfix"]),
        members=int(match["members"] or "0", 36),
    )


def _is_possible(record: Record) -> bool:
    """Whether the machine can have left this: a weight that fits the phase, and weights that can be steps."""
    weight = record.shifts[-1].weight_bp if record.shifts else None
    if record.phase in FORWARD:
        fits = weight is not None and 0 < weight < ALL_BP
    elif record.phase in AFTER_PROMOTION:
        fits = weight == ALL_BP
    else:
        earlier = {0, *(shift.weight_bp for shift in record.shifts[:-2])}
        fits = weight is None or (record.phase in RETURNING and weight in earlier and weight < ALL_BP)
    return (
        fits
        and record.baseline != record.candidate
        and _FIRST <= record.started_at < _LAST
        and all(shift.weight_bp <= ALL_BP for shift in record.shifts)
        and all(0 < planned < ALL_BP for planned in record.planned_bp)
    )
