"""Outcomes by minute and arm as CSV: from a file, or from a command that asks a warehouse. It reads and checks.

The columns: `minute` (ISO 8601, or minutes since 1970), `arm`, `users`, a column for each metric that counts as bad,
and for numbers `NAME.sum` with `NAME.squares`. A column `experiment` selects rows. What a gate needs and the table
hasn't is unknown, and an error: it would look like users without a failure.
"""

from __future__ import annotations

import csv
import io
import math
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from canary.errors import OutcomesError
from flagkit.channels.text import printable
from flagkit.core.outcomes import Row

MOST_BYTES = 16_000_000
COMMAND_S = 30.0
MOST_USERS = 10**12
_LARGEST = 1e100
"""Of a sum, and of a sum of squares: their products are finite numbers."""
_ROUNDED = 0.99
"""Sums of squares may be rounded, and be so much of what their sums take at least."""
_NAMES = ("minute", "arm", "users")


def from_file(path: Path, experiment: str, columns: Sequence[str] = ()) -> tuple[Row, ...]:
    """The rows of a file.

    Args:
        path: of the file.
        experiment: whose rows are wanted.
        columns: that gates need, besides those that every table has.

    Raises:
        OutcomesError: it can't be read, or is not such a table; the message names the line.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise OutcomesError(f"{path} has more than {MOST_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it isn't UTF-8 text"
        raise OutcomesError(f"{path} can't be read: {reason}") from error
    return tuple(_rows(text, str(path), experiment, columns))


def from_command(
    command: str, folder: Path, experiment: str, since: int, columns: Sequence[str] = ()
) -> tuple[Row, ...]:
    """The rows that a command writes to its standard output; `EXPERIMENT` and `SINCE` are in its environment.

    Args:
        command: with its arguments.
        folder: in which it runs.
        experiment: whose rows are wanted.
        since: the start of the rollout, in minutes since 1970.
        columns: that gates need, besides those that every table has.

    Raises:
        OutcomesError: it could not be run, failed, took too long, or wrote something else.
    """
    from os import environ

    started = datetime.fromtimestamp(since * 60, UTC).isoformat()
    try:
        done = subprocess.run(  # noqa: S603 - the plan's own command, without a shell
            shlex.split(command),
            cwd=folder,
            env={**environ, "EXPERIMENT": experiment, "SINCE": started},
            capture_output=True,
            timeout=COMMAND_S,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise OutcomesError(f"outcomes: {command!r} could not be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise OutcomesError(f"outcomes: {command!r} did not end within {COMMAND_S:g} s") from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OutcomesError(f"outcomes: {command!r} ended with {done.returncode}: {printable(last)[:200]}")
    if len(done.stdout) > MOST_BYTES:
        raise OutcomesError(f"outcomes: {command!r} wrote more than {MOST_BYTES:,} bytes")
    return tuple(_rows(done.stdout.decode("utf-8-sig", errors="replace"), repr(command), experiment, columns))


def _rows(text: str, where: str, experiment: str, columns: Sequence[str]) -> Iterator[Row]:
    table = csv.DictReader(io.StringIO(text), strict=True)
    first_lines: dict[tuple[int, str], int] = {}
    try:
        header = table.fieldnames or ()
        if absent := [name for name in (*_NAMES, *columns) if name not in header]:
            raise OutcomesError(f"outcomes of {where}: there is no column {', '.join(absent)}")
        if twice := [name for name in header if name and header.count(name) > 1]:
            raise OutcomesError(f"outcomes of {where}: the column {printable(twice[0])[:100]} is there twice")
        for line in table:
            if line.get("experiment", experiment) != experiment:
                continue
            try:
                row = _row(line, columns)
                _refuse_second(first_lines.setdefault((row.minute, row.arm), table.line_num), table.line_num)
                yield row
            except (TypeError, ValueError, OverflowError) as error:
                raise OutcomesError(f"outcomes of {where}, line {table.line_num}: {printable(str(error))}") from None
    except csv.Error as error:
        raise OutcomesError(f"outcomes of {where}, line {table.line_num}: {error}") from error


def _row(line: Mapping[str | None, str | None], columns: Sequence[str]) -> Row:
    if None in line or None in line.values():
        raise ValueError("the number of columns is not the header's")
    cells = {name: value or "" for name, value in line.items() if name}
    _refuse_empty(cells, columns)
    users = _count(cells["users"], "users")
    bad: dict[str, int] = {}
    sums: dict[str, float] = {}
    squares: dict[str, float] = {}
    for name, value in cells.items():
        metric, _, what = name.rpartition(".")
        if name in (*_NAMES, "experiment"):
            continue
        if metric and what in ("sum", "squares"):
            (sums if what == "sum" else squares)[metric] = _number(value, name)
        else:
            bad[name] = _count(value, name)
            if bad[name] > users:
                raise ValueError(f"{name} is {bad[name]}, more than {users} users")
    if lacking := sums.keys() ^ squares.keys():
        raise ValueError(f"{min(lacking)} needs both .sum and .squares")
    for metric, total in sums.items():
        _refuse_impossible(metric, users, total, squares[metric])
    return Row(_minute(cells["minute"]), cells["arm"], users, bad, sums, squares)


def _refuse_empty(cells: Mapping[str, str], columns: Sequence[str]) -> None:
    counts = (name for name in columns if not name.endswith(".sum"))
    if empty := [name for name in ("arm", "users", *counts) if not cells[name].strip()]:
        raise ValueError(f"{empty[0]} is empty")


def _refuse_second(first: int, line: int) -> None:
    if first != line:
        raise ValueError(f"line {first} has the same minute and arm, and users would count twice")


def _refuse_impossible(metric: str, users: int, total: float, squares: float) -> None:
    """A variance below 0 would be no doubt at all."""
    if squares < 0 or squares * users < _ROUNDED * total * total:
        raise ValueError(f"{metric}.squares is {squares:g}, too little for {users} users with the sum {total:g}")


def _ascii(text: str) -> str:
    if not text.isascii() or "_" in text:
        raise ValueError(f"{text!r} is not written in the digits 0 to 9")
    return text


def _minute(text: str) -> int:
    if _ascii(text).isdecimal():
        return int(text)
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() // 60)


def _count(text: str, name: str) -> int:
    value = int(_ascii(text) or "0")
    if value < 0:
        raise ValueError(f"{name} is {value}, but counts are 0 or more")
    if value > MOST_USERS:
        raise ValueError(f"{name} is more than {MOST_USERS:,}")
    return value


def _number(text: str, name: str) -> float:
    value = float(_ascii(text) or "0")
    if not math.isfinite(value):
        raise ValueError(f"{name} is not a finite number")
    if abs(value) > _LARGEST:
        raise ValueError(f"{name} is beyond {_LARGEST:g}")
    return value
