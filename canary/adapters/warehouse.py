"""Outcomes by minute and arm as CSV: from a file, or from a command that asks a warehouse. It reads and checks.

The columns: `minute` (ISO 8601, or minutes since 1970), `arm`, `users`, a column for each metric that counts as bad,
and for numbers `NAME.sum` with `NAME.squares`. A column `experiment` selects rows.
"""

from __future__ import annotations

import csv
import io
import math
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from canary.errors import OutcomesError
from flagkit.channels.text import printable
from flagkit.core.outcomes import Row

MOST_BYTES = 16_000_000
COMMAND_S = 30.0
_NAMES = ("minute", "arm", "users")


def from_file(path: Path, experiment: str) -> tuple[Row, ...]:
    """The rows of a file.

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
    return tuple(_rows(text, str(path), experiment))


def from_command(command: str, folder: Path, experiment: str, since: int) -> tuple[Row, ...]:
    """The rows that a command writes to its standard output; `EXPERIMENT` and `SINCE` are in its environment.

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
    return tuple(_rows(done.stdout.decode("utf-8-sig", errors="replace"), repr(command), experiment))


def _rows(text: str, where: str, experiment: str) -> Iterator[Row]:
    table = csv.DictReader(io.StringIO(text), strict=True)
    try:
        header = table.fieldnames or ()
        if absent := [name for name in _NAMES if name not in header]:
            raise OutcomesError(f"outcomes of {where}: there is no column {', '.join(absent)}")
        for line in table:
            if line.get("experiment", experiment) != experiment:
                continue
            try:
                yield _row(line)
            except (TypeError, ValueError, OverflowError) as error:
                raise OutcomesError(f"outcomes of {where}, line {table.line_num}: {printable(str(error))}") from None
    except csv.Error as error:
        raise OutcomesError(f"outcomes of {where}, line {table.line_num}: {error}") from error


def _row(line: Mapping[str | None, str | None]) -> Row:
    if None in line or None in line.values():
        raise ValueError("the number of columns is not the header's")
    cells = {name: value or "" for name, value in line.items() if name is not None}
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
    if not cells["arm"]:
        raise ValueError("arm is empty")
    return Row(_minute(cells["minute"]), cells["arm"], users, bad, sums, squares)


def _ascii(text: str) -> str:
    if not text.isascii():
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
    return value


def _number(text: str, name: str) -> float:
    value = float(_ascii(text) or "0")
    if not math.isfinite(value):
        raise ValueError(f"{name} is not a finite number")
    return value
