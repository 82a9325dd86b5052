"""The Journal port on files and on a DynamoDB table, and events as JSON and back; history, never truth.

Events are written over their own type hints, so that a new field needs no second place to be named, and a journal of an
older version stays readable: fields it doesn't have get their defaults, fields that are unknown are dropped.
"""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import os
import types
import typing
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from canary.adapters.aws import Api, Session
from canary.core.events import CanaryEnded, CanaryStarted, Event
from canary.core.words import shown, words_of

logger = logging.getLogger("canary.journal")

_KINDS: dict[str, type] = {
    next(str(field.default) for field in fields(kind) if field.name == "event"): kind for kind in get_args(Event)
}


def event_to_json(event: Event) -> str:
    """One line of JSON."""
    # ASCII only: no reader takes U+2028 or U+0085 for the end of a line.
    return json.dumps(_plain(event), separators=(",", ":"))


def event_from_json(text: str) -> Event | None:
    """The event again; None for a kind that this version doesn't know, or for a line that is no whole event."""
    try:
        said = json.loads(text)
        event: Event = _built(_KINDS[said["event"]], said)
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
        return None
    return event


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple | list | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _built(kind: Any, said: Any) -> Any:
    """`said` as a value of type `kind`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        if said is None:
            return None
        return _built(next(option for option in arguments if option is not types.NoneType), said)
    if origin is tuple:
        return tuple(_built(arguments[0], item) for item in _checked(list, said))
    if origin is Literal or not isinstance(kind, type):
        return said
    if is_dataclass(kind):
        said = _checked(dict, said)
        hints = _hints(kind)
        known = {field.name: field for field in fields(kind)}
        missing = [
            n for n, f in known.items() if n not in said and f.default is MISSING and f.default_factory is MISSING
        ]
        if missing:
            raise KeyError(missing[0])
        return kind(**{name: _built(hints[name], said[name]) for name in known if name in said})
    if issubclass(kind, datetime):
        at = datetime.fromisoformat(said)
        if at.tzinfo is None:
            raise ValueError("a time without its zone")
        return at
    if issubclass(kind, Enum | Decimal):
        return kind(said)
    return float(_checked(int | float, said)) if kind is float else _checked(kind, said)


def _checked(kind: Any, said: Any) -> Any:
    """`said`, if it is of this type; a journal of other hands must not fail later, in a view."""
    if not isinstance(said, kind) or (isinstance(said, bool) and kind is not bool):
        raise TypeError(f"{type(said).__name__} instead of {kind}")
    return said


def _moves(started: CanaryStarted) -> str:
    """From what to what it shifts, for `Journal.canaries`."""
    moves = (
        (words_of(move.function), shown(move.function), move.baseline, move.candidate) for move in started.functions
    )
    return ", ".join(f"{name} {words.version(old)} → {words.version(new)}" for words, name, old, new in moves)


def summary_row(events: Iterable[Event]) -> dict[str, str] | None:
    """One row of `Journal.canaries`, with its versions; None when the start was never written."""
    row: dict[str, str] | None = None
    for event in events:
        if isinstance(event, CanaryStarted):
            moves = _moves(event)
            row = {
                "canary_id": event.canary_id,
                "stage": event.stage,
                "started_at": event.at.isoformat(),
                "started_by": event.origin.started_by,
                "ended_at": "",
                "outcome": "",
                "why": "",
                "versions": moves,
            }
        elif isinstance(event, CanaryEnded) and row is not None:
            row |= {"ended_at": event.at.isoformat(), "outcome": event.outcome.value, "why": event.why}
    return row


class FileJournal:
    """A directory of journals, readable by its owner only. Several processes may append at once.

    Args:
        directory: made when the first event is written; git ignores what is in it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._rows: dict[Path, tuple[tuple[int, int], dict[str, str] | None]] = {}

    def append(self, event: Event) -> None:
        """Writes one line in one call and waits until it is on the disk.

        Raises:
            OSError: the disk is full, the file is a link, or it may not be written.
        """
        self._make_directory()
        line = f"{event_to_json(event)}\n".encode()
        # A link could make a driver with more rights write anywhere.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self._path(event.canary_id), flags, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and _byte_at(descriptor, size - 1) != b"\n":
                line = b"\n" + line  # a line that a crash has torn must not swallow this one
            os.write(descriptor, line)  # one write with O_APPEND: lines of several processes don't mix
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def events(self, canary_id: str) -> Iterator[Event]:
        """All events of one canary, oldest first; a line that was torn by a crash is left out.

        Raises:
            OSError: the file is there, and may not be read.
        """
        yield from read_events(self._path(canary_id))

    def canaries(self, stage: str | None = None) -> Sequence[Mapping[str, str]]:
        """One row per canary, newest first; files that can't be read are left out."""
        rows = []
        for path in self._directory.glob("*.jsonl"):
            try:
                row = self._row(path)
            except OSError as error:
                logger.warning("journal %s can't be read: %s", path, error.strerror)
                continue
            if row is not None and stage in (None, row["stage"]):
                rows.append(row)
        return sorted(rows, key=lambda row: row["started_at"], reverse=True)

    def _row(self, path: Path) -> dict[str, str] | None:
        """The row of a file; read again only after a change of it, for whoever asks again and again."""
        found = path.stat()
        mark, known = (found.st_mtime_ns, found.st_size), self._rows.get(path)
        if known is None or known[0] != mark:
            known = self._rows[path] = (mark, summary_row(read_events(path)))
        return known[1]

    def _make_directory(self) -> None:
        if self._directory.is_dir():
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            # The working tree stays clean: a stage may be released from a clean one only.
            (self._directory / ".gitignore").write_text("*\n", encoding="ascii")
        except OSError as error:
            logger.warning("%s can't be written: %s", self._directory / ".gitignore", error.strerror)

    def _path(self, canary_id: str) -> Path:
        name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in canary_id) or "_"
        return self._directory / f"{name}.jsonl"


def read_events(path: Path) -> Iterator[Event]:
    """The events of a journal file, oldest first; none where there is no file.

    Raises:
        OSError: it can't be read, or is not a file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb") as file:
        for line in file:  # only a line feed ends a line here, whatever else text may hold
            if event := event_from_json(line.decode("utf-8", "replace")):
                yield event


def _byte_at(descriptor: int, position: int) -> bytes:
    os.lseek(descriptor, position, os.SEEK_SET)  # O_APPEND writes at the end all the same
    return os.read(descriptor, 1)


EXPAND_TO: Final = 64_000_000
"""Bytes that an item expands to at most."""

COMPRESS_ABOVE: Final = 50_000
"""An item holds 400 KB at most; measurements of many functions are longer, and compress tenfold."""


KEPT: Final = timedelta(days=400)
"""How long an item is kept where the table's time to live is `expires_at`: a year, and a month to look back on it."""


class DynamoJournal:
    """A table with string keys `pk` and `sk`; `expires_at` is for its time to live.

    Args:
        session: the boto3 session.
        table: name of the table.
        stage: the stage whose canaries are read; None reads the listing of all stages by a scan.
    """

    def __init__(self, session: Session, table: str, stage: str | None = None) -> None:
        self._api = Api(session, "dynamodb")
        self._table = table
        self._stage = stage
        self._numbers = itertools.count()

    def append(self, event: Event) -> None:
        """Puts one item; start and end of a canary change its row of the listing with it, or nothing at all.

        Raises:
            AwsError: DynamoDB says no.
        """
        text = event_to_json(event)
        body: dict[str, Any] = {"S": text}
        if len(text) > COMPRESS_ABOVE:
            body = {"B": gzip.compress(text.encode())}
        key = {
            "pk": {"S": f"{event.stage}#{event.canary_id}"},
            "sk": {"S": f"{event.at.isoformat()}#{next(self._numbers):06d}#{event.event}"},
        }
        put = {"TableName": self._table, "Item": {**key, "event": body, "expires_at": _expiry(event.at)}}
        if isinstance(event, CanaryStarted):
            moves = _moves(event)
            said = {"started_at": event.at.isoformat(), "versions": moves, "started_by": event.origin.started_by}
            self._put_listed(event, put, said)
        elif isinstance(event, CanaryEnded):
            said = {"ended_at": event.at.isoformat(), "outcome": event.outcome.value, "why": event.why}
            self._put_listed(event, put, {"started_at": event.started_at.isoformat(), **said})
        else:
            self._api.call("PutItem", **put)

    def events(self, canary_id: str) -> Iterator[Event]:
        """All events of one canary, oldest first."""
        for stage in self._stages(canary_id):
            values = {":pk": {"S": f"{stage}#{canary_id}"}}
            found = self._api.pages(
                "Query",
                "Items",
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=values,
                ConsistentRead=True,
            )
            for item in found:
                if event := event_from_json(_text_of(item)):
                    yield event

    def canaries(self, stage: str | None = None) -> Sequence[Mapping[str, str]]:
        """One row per canary, newest first."""
        chosen = stage or self._stage
        if chosen is None:
            found = self._api.pages(
                "Scan",
                "Items",
                TableName=self._table,
                FilterExpression="attribute_exists(canary_id)",
            )
        else:
            found = self._api.pages(
                "Query",
                "Items",
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"{chosen}#canaries"}},
            )
        return sorted((_row(item) for item in found), key=lambda row: row["started_at"], reverse=True)

    def _put_listed(self, event: CanaryStarted | CanaryEnded, put: Mapping[str, Any], said: Mapping[str, str]) -> None:
        said = {**said, "canary_id": event.canary_id, "stage": event.stage}
        values = {f":{name}": {"S": value} for name, value in said.items()}
        row = {
            "TableName": self._table,
            "Key": {"pk": {"S": f"{event.stage}#canaries"}, "sk": {"S": event.canary_id}},
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in (*said, "expires_at")),
            "ExpressionAttributeNames": {f"#{name}": name for name in (*said, "expires_at")},
            "ExpressionAttributeValues": {**values, ":expires_at": _expiry(event.at)},
        }
        self._api.call("TransactWriteItems", TransactItems=[{"Put": put}, {"Update": row}])

    def _stages(self, canary_id: str) -> list[str]:
        if self._stage is not None:
            return [self._stage]
        return [row["stage"] for row in self.canaries() if row["canary_id"] == canary_id]


def _expiry(at: datetime) -> dict[str, str]:
    return {"N": str(int((at + KEPT).timestamp()))}


def _text_of(item: Mapping[str, Any]) -> str:
    """The event's text; empty for an item of other hands."""
    body = item.get("event")
    if not isinstance(body, Mapping) or "B" not in body:
        return str(body.get("S", "")) if isinstance(body, Mapping) else ""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(bytes(body["B"]), EXPAND_TO).decode()
    except (zlib.error, TypeError, ValueError):
        return ""


_COLUMNS: Final = ("canary_id", "stage", "started_at", "started_by", "ended_at", "outcome", "why", "versions")


def _row(item: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(item.get(name, {}).get("S", "")) for name in _COLUMNS}
