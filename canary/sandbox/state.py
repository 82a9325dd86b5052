"""Keeps a sandbox between runs: everything in one file, replaced as a whole. It serves nothing.

The file holds Python objects (pickle): a file from somebody else can run code. Handlers' imported code isn't in it, it
is imported again. Calls to moto's services are kept as they came, and made again.
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import json
import os
import pickle
import random
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from canary.sandbox.errors import SandboxError
from canary.sandbox.http import Request
from canary.sandbox.pace import Pace
from canary.testing import AwsStandIn
from flagkit.lazy import version as package_version
from flagkit.testing.turns import TurnLock
from flagkit.testing.wire import Wire

FORMAT: Final = 3
FILE: Final = "sandbox.state"
_PARTS: Final = (
    "clock", "faults", "appconfig", "appconfig_data", "lambda_", "cloudwatch", "metrics", "scheduler", "states",
    "logs", "traffic", "foreign",
)  # fmt: skip
_present: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a state file."""

    format: int
    version: str
    region: str
    seed: int
    scenario: str
    sha256: str


def save(path: Path, aws: AwsStandIn, moto_calls: list[Request], scenario: str) -> None:
    """Writes everything; the caller holds the lock.

    Raises:
        OSError: the file can't be written.
    """
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    # What belongs to the running process is named, not written.
    pickler.dispatch_table = copyreg.dispatch_table.copy()
    for kind, name in ((AwsStandIn, "aws"), (Wire, "wire"), (TurnLock, "lock"), (Pace, "pace")):
        pickler.dispatch_table[kind] = _named(name)
    parts = {name: getattr(aws, name) for name in _PARTS}
    pickler.dump((parts, aws.wire.regions, random.getstate(), moto_calls))
    body = zlib.compress(buffer.getvalue(), 1)
    digest = hashlib.sha256(body).hexdigest()
    head = Head(FORMAT, package_version(), aws.region, aws.seed, scenario, digest)
    line = json.dumps({name: getattr(head, name) for name in Head.__slots__}).encode()
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(line + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_head(path: Path) -> Head | None:
    """What a state file says of itself; None if there is none.

    Raises:
        SandboxError: it is no state file, or one of another version.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(10_000)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SandboxError(f"{path}: {error.strerror}", hint="Name a directory that can be read.") from error
    try:
        head = Head(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise SandboxError(f"{path} is not a state file of canary sandbox", hint=_HINT) from error
    if (head.format, head.version) != (FORMAT, package_version()):
        raise SandboxError(
            f"{path} was written by version {head.version} of flagkit-canary, this is {package_version()}", hint=_HINT
        )
    return head


def load(path: Path, aws: AwsStandIn, pace: Pace, repeat: Callable[[Request], object]) -> list[Request]:
    """Puts what a file holds in the place of what a new stand-in has.

    Args:
        path: the file.
        aws: a new stand-in, entered.
        pace: of its clock.
        repeat: makes a call to one of moto's services again.

    Returns:
        the calls to moto's services, to be kept further.

    Raises:
        SandboxError: the file is damaged.
    """
    head = read_head(path)
    body = path.read_bytes().partition(b"\n")[2]
    if head is None or hashlib.sha256(body).hexdigest() != head.sha256:
        raise SandboxError(f"{path} is damaged", hint=_HINT)
    try:
        with _resolving(aws=aws, wire=aws.wire, lock=aws.wire.lock, pace=pace):
            parts, regions, random_state, calls = pickle.loads(zlib.decompress(body))  # noqa: S301 - see above
    except Exception as error:  # whatever unpickling raises
        raise SandboxError(f"{path} can't be read ({type(error).__name__}: {error})", hint=_HINT) from error
    aws.replace(parts, regions)
    pace.follow(aws.clock)
    random.setstate(random_state)
    for request in calls:
        repeat(request)
    return list(calls)


_HINT: Final = "Nothing was changed. Use another --state directory, or delete the file to start anew."


def _named(name: str) -> Callable[[Any], tuple[Callable[[str], Any], tuple[str]]]:
    return lambda _: (present, (name,))


def present(name: str) -> Any:
    """What a name in a state file means in this process."""
    return _present[name]


@contextmanager
def _resolving(**objects: Any) -> Iterator[None]:
    _present.update(objects)
    try:
        yield
    finally:
        _present.clear()


class StateFile:
    """Saves a sandbox from time to time, and at its end.

    Args:
        path: the file.
        aws: the stand-in.
        scenario: its name.
    """

    INTERVAL_S: Final = 2.0
    _SHARE: Final = 0.05
    _MOTO_CALLS: Final = 5000

    def __init__(self, path: Path, aws: AwsStandIn, scenario: str) -> None:
        self.path = path
        self.moto_calls: list[Request] = []
        self._aws, self._scenario = aws, scenario

    def remember(self, request: Request) -> None:
        """Keeps a call to one of moto's services that changed something."""
        self.moto_calls.append(request)
        del self.moto_calls[: -self._MOTO_CALLS]

    def save(self) -> None:
        """Saves now."""
        with self._aws.wire.lock:
            save(self.path, self._aws, self.moto_calls, self._scenario)

    def run(self, wait: Callable[[float], bool], seconds: Callable[[], float]) -> None:
        """Saves until `wait` says that it is over; seldom enough to take a twentieth of the time.

        Args:
            wait: waits so many seconds; True at the end.
            seconds: a clock.
        """
        pause_s, problem = self.INTERVAL_S, ""
        while not wait(pause_s):
            began_s, before = seconds(), problem
            try:
                self.save()
                problem = ""
            except OSError as error:
                problem = f"{self.path}: {error.strerror}"
            if problem and problem != before and sys.__stderr__ is not None:
                print(f"sandbox: the state is not saved: {problem}", file=sys.__stderr__, flush=True)
            pause_s = max(self.INTERVAL_S, (seconds() - began_s) / self._SHARE)
