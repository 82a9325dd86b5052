"""Which canaries nobody drives any more, from the records in aliases alone. It reads and writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from canary.core.alias import AliasSpec, AliasState
from canary.core.phases import FORWARD, Phase
from canary.core.plan import format_duration
from canary.core.record import Record, decode
from canary.errors import RecordError

Verdict = Literal["abandoned", "waiting", "in progress", "unreadable"]

OVERDUE: Final = timedelta(minutes=15)
"""A driver acts on a deadline, and finishes a write that it has begun, within a few ticks."""

RESTING: Final = frozenset({Phase.PAUSED, Phase.INCONCLUSIVE})
_BRIEF: Final = frozenset({Phase.PROMOTING, Phase.PROMOTED, Phase.ROLLING_BACK, Phase.ABORTING})


@dataclass(frozen=True, slots=True)
class Sighting:
    """One canary that aliases of a region name.

    Attributes:
        region: where its aliases are.
        canary_id: from the record; empty where that can't be read.
        aliases: those with its record.
        verdict: whether somebody drives it.
        why: the reason, with its times.
    """

    region: str
    canary_id: str
    aliases: tuple[AliasState, ...]
    verdict: Verdict
    why: str


def sightings(region: str, aliases: Iterable[AliasState], now: datetime, older_than: timedelta) -> tuple[Sighting, ...]:
    """The canaries of a region.

    Args:
        region: its name.
        aliases: any aliases; those without a record are left out.
        now: the time.
        older_than: a step without a deadline that has lasted so long is abandoned.
    """
    found: dict[str, list[tuple[AliasState, Record]]] = {}
    unreadable: list[Sighting] = []
    for alias in aliases:
        try:
            record = decode(alias.description)
        except RecordError as error:
            unreadable.append(Sighting(region, "", (alias,), "unreadable", error.message))
            continue
        if record is not None:
            found.setdefault(record.canary_id, []).append((alias, record))
    judged = (_judged(region, canary_id, pairs, now, older_than) for canary_id, pairs in sorted(found.items()))
    return (*judged, *unreadable)


def _judged(
    region: str, canary_id: str, pairs: Sequence[tuple[AliasState, Record]], now: datetime, older_than: timedelta
) -> Sighting:
    records = [record for _, record in pairs]
    last = max(max((shift.at for shift in record.shifts), default=record.started_at) for record in records)
    phases = {record.phase for record in records}
    deadline = max((record.deadline for record in records if record.deadline is not None), default=None)
    text = f"{records[0].phase.value.replace('_', ' ')}, last change {format_duration(_whole(now - last))} ago"
    verdict: Verdict = "in progress"
    if deadline is not None and now > deadline + OVERDUE:
        verdict, text = "abandoned", f"{text}, its deadline passed {format_duration(_whole(now - deadline))} ago"
    elif phases <= RESTING:
        verdict = "waiting"
    elif now - last > (OVERDUE if phases & _BRIEF else older_than):
        verdict = "abandoned"
    return Sighting(region, canary_id, tuple(alias for alias, _ in pairs), verdict, text)


def _whole(duration: timedelta) -> timedelta:
    return timedelta(seconds=max(0, round(duration.total_seconds())))


def end_of(alias: AliasState) -> AliasSpec | None:
    """What an alias of an abandoned canary shall say; None without a record.

    A promoted one, whose description alone wasn't restored, keeps the new version, and one that somebody else has
    moved keeps what it serves: its record would refuse every further release. Every other one gets its baseline.
    """
    record = decode(alias.description)
    if record is None:
        return None
    ours = {record.baseline, record.candidate}
    is_moved = alias.version not in ours or alias.extra_version not in {None, *ours}
    if is_moved or (record.phase in FORWARD and alias.version != record.baseline):
        return AliasSpec(alias.version, alias.extra_version, alias.extra_bp, record.description)
    version = record.candidate if record.phase is Phase.PROMOTED else record.baseline
    return AliasSpec(version, None, 0, record.description)
