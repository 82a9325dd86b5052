"""Releases of real `canary deploy` processes against a real server, while something goes wrong with each of them.

Run as `make torture`, or `python -m benchmarks.torture [releases] [workers]`. The server is the sandbox at 60 times real time, and so is the clock of the drivers; signals, pipes, limits and sockets are the machine's.
Each release must end promoted or rolled back as its data say, or a person must be told that it is not: on standard output, by the exit code and by a notification. No process prints a traceback. See
docs/canary/how-it-works.md#what-can-happen-to-a-driver.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from canary.core.resources import JOURNAL_TABLE
from flagkit.testing import Fault

ROOT: Final = Path(__file__).parents[1]
SPEED: Final = 60.0
PATIENCE_S: Final = 150.0
"""Real seconds after which a driver hangs."""

PLAN = """
[stages.{stage}]
functions = ["{function}:live"]
steps = [{{ weight = 25, bake = "3m" }}, {{ weight = 50, bake = "3m" }}]
min_bake = "2m"
watch_min = "5m"
watch_max = "6m"
post_bake = "4m"
hold_max = "6m"
rules = {{ clean_tree = false }}
notifications = [{{ kind = "webhook", url = "{hooks}" }}]
{more}

[stages.{stage}.evidence]
history = "5m"

[stages.{stage}.gates]
latency = {{ warm_up = "0s" }}
"""
MORE = """hooks = [
  {{ when = "before_traffic", url = "{hooks}hook" }},
  {{ when = "after_traffic", url = "{hooks}hook" }},
]
probes = {{ invoke = {{}}, per_minute = 6 }}
"""
"""What every other plan has besides."""
JOURNAL = f'journal = "dynamodb://{JOURNAL_TABLE}"\n'
"""What every third plan begins with; the others keep their journal in files."""
HANDLER = """
import random

VERSION = {version}

def handler(event, context):
    if random.random() * 100 < {failing_percent}:
        raise RuntimeError("no")
    return {{"statusCode": 200}}
"""
CODES: Final = {0: "promoted", 3: "rolled back", 4: "inconclusive", 6: "conflict", 7: "not watched", 130: "interrupted"}


# The driver's process.


def drive(arguments: list[str]) -> None:
    """Runs the command line on a clock that AWS's `Date` corrects, as on AWS; it is as fast as the server's."""
    from canary import assembly
    from canary.adapters.clock import SystemClock
    from canary.cli import drive as release_loop
    from canary.cli import main, views
    from canary.cli.signals import StoppableClock

    class Paced(SystemClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds / SPEED)

        def _counted(self) -> Any:
            return self._began + timedelta(seconds=(time.monotonic() - self._began_s) * SPEED)

    class PacedAndStoppable(Paced, StoppableClock):
        pass

    assert release_loop.StoppableClock is views.StoppableClock is StoppableClock
    release_loop.StoppableClock = views.StoppableClock = PacedAndStoppable  # type: ignore[misc]
    assembly.SystemClock = Paced  # type: ignore[misc]
    main(arguments)


# What goes wrong.


@dataclass(slots=True)
class Run:
    """One release: its process, the server behind it, and what people were told."""

    seed: int
    hazard: str
    is_bad: bool
    folder: Path
    server: Any
    hooks: Hooks
    random: Random
    child: subprocess.Popen[bytes] | None = None
    ally: subprocess.Popen[bytes] | None = None
    redirections: str = ""
    limit_bytes: int = 0
    killed: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    @property
    def stage(self) -> str:
        """Name of its stage."""
        return f"s{self.seed}"

    @property
    def function(self) -> str:
        """Name of its function."""
        return f"f{self.seed}"

    def wait(self, minutes: float) -> None:
        """Lets so many minutes of the server pass, or the driver end."""
        due = time.monotonic() + minutes * 60 / SPEED
        while time.monotonic() < due and self.child is not None and self.child.poll() is None:
            time.sleep(0.02)

    def kill(self, number: int) -> None:
        """Sends a signal, if the driver still lives."""
        assert self.child is not None
        with suppress(ProcessLookupError):
            os.kill(self.child.pid, number)

    @contextmanager
    def fault(self, fault: Fault, minutes: float, **rule: Any) -> Iterator[None]:
        """A fault of the server for so many minutes."""
        with self.server.lock:
            made = self.server.aws.faults.add(fault, **rule)
        self.wait(minutes)
        try:
            yield
        finally:
            with self.server.lock:
                self.server.aws.faults.remove(made)


def _signalled(number: int) -> Callable[[Run], None]:
    return lambda run: run.kill(number)


def _stopped(run: Run) -> None:
    run.kill(signal.SIGSTOP)
    time.sleep(run.random.uniform(3, 8) * 60 / SPEED)
    run.kill(signal.SIGCONT)


def _faults(run: Run) -> None:
    kinds = (Fault.THROTTLED, Fault.SERVER_ERROR, Fault.LOST_ANSWER, Fault.UNREACHABLE, Fault.CUT)
    with run.server.lock:
        run.server.aws.faults.add_mix(0.25, faults=kinds)
    run.wait(60)


def _moved(run: Run) -> None:
    with run.server.lock:
        run.server.aws.foreign.move_alias(
            run.function, "live", run.random.choice("12"), weights={}, description="by hand"
        )


def _date(hours: float) -> Callable[[Run], None]:
    """The server tells another time for a while."""

    def act(run: Run) -> None:
        aws = run.server.aws
        aws.wire.date_offset = timedelta(hours=hours)
        run.wait(run.random.uniform(1, 4))
        aws.wire.date_offset = timedelta()

    return act


def _refused(fault: Fault, calls: str, minutes: float) -> Callable[[Run], None]:
    def act(run: Run) -> None:
        with run.fault(fault, minutes, calls=calls):
            pass

    return act


def _slow(run: Run) -> None:
    with run.fault(Fault.SLOW, 4, calls="*", delay_s=20, probability_ratio=0.5):
        pass


def _second_driver(run: Run) -> None:
    run.ally = _started(run, "resume")


HAZARDS: Final[dict[str, Callable[[Run], None] | None]] = {
    "none": None,
    "INT": _signalled(signal.SIGINT),
    "TERM": _signalled(signal.SIGTERM),
    "HUP": _signalled(signal.SIGHUP),
    "STOP and CONT": _stopped,
    "kill": _signalled(signal.SIGKILL),
    "closed streams": None,
    "closed streams, TERM": _signalled(signal.SIGTERM),
    "reader gone, HUP": _signalled(signal.SIGHUP),
    "25 % faults": _faults,
    "another writer": _moved,
    "clock an hour ahead": _date(1),
    "clock an hour back": _date(-1),
    "full disk": None,
    "credentials end, renewed": _refused(Fault.CREDENTIALS_EXPIRED, "*", 4),
    "credentials end": _refused(Fault.CREDENTIALS_EXPIRED, "*", 30),
    "UpdateAlias revoked": _refused(Fault.DENIED, "lambda.UpdateAlias", 60),
    "slow answers": _slow,
    "dripping webhook": None,
    "CloudWatch away": _refused(Fault.SERVER_ERROR, "cloudwatch.*", 4),
    "two drivers": _second_driver,
}
INTERRUPTED: Final = {"INT", "TERM", "HUP", "closed streams, TERM", "reader gone, HUP"}
MAY_END_OTHERWISE: Final = {
    "STOP and CONT", "kill", "25 % faults", "another writer", "clock an hour ahead", "clock an hour back",
    "credentials end, renewed", "credentials end", "UpdateAlias revoked", "slow answers", "CloudWatch away",
}  # fmt: skip
"""Troubles under which a good version need not be promoted, if a person is told."""


# One release.


class Hooks:
    """A receiver of notifications; a dripping one answers a byte a second."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.is_dripping = False
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/hook":
                    hooks.taken.append(body)
                with suppress(OSError):
                    if hooks.is_dripping:
                        for letter in b"HTTP/1.1 200 OK\r\n":
                            self.wfile.write(bytes([letter]))
                            time.sleep(1)
                    self.send_response(200)
                    self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def sent(self, stage: str) -> Counter[str]:
        """How often which transition of a stage was told."""
        return Counter(body["transition"] for body in self.taken if body["stage"] == stage)


def play(seed: int, server: Any, hooks: Hooks) -> str:
    """Plays one release and answers how it ended.

    Raises:
        AssertionError: otherwise than it must.
    """
    names = list(HAZARDS)
    hazard = names[seed % len(names)]
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = Run(seed, hazard, (seed // len(names)) % 3 == 1, Path(folder), server, hooks, Random(seed))
        try:
            return _play(run)
        except BaseException as error:
            error.add_note(f"seed {seed}: {hazard}, {'bad' if run.is_bad else 'good'} version")
            for text in run.outputs:
                error.add_note(text[-3000:])
            raise
        finally:
            with server.lock:
                server.aws.faults.clear()
            for child in (run.child, run.ally):
                if child is not None and child.poll() is None:
                    child.send_signal(signal.SIGCONT)
                    child.kill()


def _play(run: Run) -> str:
    aws = run.server.aws
    run.hooks.is_dripping = run.hazard == "dripping webhook"
    with run.server.lock:
        aws.lambda_.deploy(run.function, HANDLER.format(version=1, failing_percent=0), alias="live")
        aws.lambda_.deploy(run.function, HANDLER.format(version=2, failing_percent=60 if run.is_bad else 0))
        aws.foreign.move_alias(run.function, "live", description="Live traffic")
        stream = aws.traffic.steady(run.function, "live", requests_per_minute=150)
    run.server.step(8 * 60)
    more = MORE.format(hooks=run.hooks.url) if run.seed % 2 else ""
    (run.folder / "canary.toml").write_text(
        (JOURNAL if run.seed % 3 == 2 else "")
        + PLAN.format(stage=run.stage, function=run.function, hooks=run.hooks.url, more=more)
    )
    if run.hazard.startswith("closed streams"):
        run.redirections = run.random.choice(("<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&-", "<&- >&- 2>&-"))
    if run.hazard == "full disk":
        run.limit_bytes = run.random.choice((0, 4_000, 20_000)) or 1
    try:
        code = _released(run)
        return _judged(run, code)
    finally:
        stream.stop()


def _released(run: Run) -> int:
    code = _driven(run, "deploy", HAZARDS[run.hazard])
    if code != -signal.SIGKILL or not _alias(run)[2].startswith("canary1"):
        return code
    time.sleep(4 * 60 / SPEED)
    _driven(run, "status", None)
    assert "Not watched" in run.outputs[-1], "status says that somebody watches"
    return _driven(run, "resume", None)


def _driven(run: Run, command: str, hazard: Callable[[Run], None] | None) -> int:
    """Runs a command to its end, and lets the hazard come once the new version has traffic."""
    run.child = _started(run, command)
    reader = _Reader(run.child, 2 if run.hazard.startswith("reader gone") else None)
    if hazard is not None:
        _until_shifted(run)
        run.wait(run.random.uniform(0, 1.5 if run.is_bad else 6))  # a bad version is gone after two minutes
        hazard(run)
    try:
        code = run.child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        run.kill(signal.SIGABRT)  # shows where it hangs
        run.outputs.append(f"{command}: hangs\n{reader.text()}")
        raise AssertionError("the driver hangs") from None
    run.outputs.append(f"{command}: exit code {code}\n{reader.text()}")
    if run.ally is not None:
        said, _ = run.ally.communicate(timeout=PATIENCE_S)
        run.outputs.append(f"the second driver: exit code {run.ally.returncode}\n{said.decode('utf-8', 'replace')}")
        over = run.ally.returncode == 5 and b"no canary is in progress" in said  # it came too late
        assert over or run.ally.returncode == code, f"{code}, and the second driver {run.ally.returncode}"
    return code


def _started(run: Run, command: str) -> subprocess.Popen[bytes]:
    hidden = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    served = run.server.environ
    module = "canary"
    if run.hazard.startswith("clock"):  # whoever follows the sandbox's clock doesn't listen to its Date
        module = "benchmarks.torture drive"
        served = {name: value for name, value in served.items() if name != "SANDBOX_CLOCK_URL"}
    words = f"exec {sys.executable} -m {module} {command} {run.stage}"
    return subprocess.Popen(
        ["/bin/sh", "-c", f"{words} {run.redirections}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=run.folder,
        env={
            **environ,
            **served,
            "PYTHONPATH": str(ROOT),
            "USER": "torture",
            # A process under a limit would leave half a file for all others.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONFAULTHANDLER": "1",
        },
        preexec_fn=(lambda: _limit(run.limit_bytes)) if run.limit_bytes else None,  # noqa: PLW1509 - no threads there
    )


def _limit(size: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


class _Reader:
    """Reads what a process writes, or goes away after some lines."""

    def __init__(self, child: subprocess.Popen[bytes], lines: int | None) -> None:
        self._child, self._lines, self._text = child, lines, bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for number, line in enumerate(self._child.stdout, 1):
            self._text += line
            if number == self._lines:
                self._child.stdout.close()
                return

    def text(self) -> str:
        self._thread.join(10)
        return self._text.decode("utf-8", "replace")


def _until_shifted(run: Run) -> None:
    due = time.monotonic() + PATIENCE_S / 2
    while time.monotonic() < due and run.child is not None and run.child.poll() is None:
        if _alias(run)[1]:
            return
        time.sleep(0.05)


def _alias(run: Run) -> tuple[str, dict[str, float], str]:
    with run.server.lock:
        said = run.server.aws.lambda_.GetAlias({"FunctionName": run.function, "Name": "live"}, None)
    weights = dict((said.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
    return said["FunctionVersion"], weights, said.get("Description", "")


def _judged(run: Run, code: int) -> str:
    """Holds the end to what it must be."""
    version, weights, description = _alias(run)
    sent = run.hooks.sent(run.stage)
    everything = "\n".join(run.outputs)
    assert "Traceback" not in everything, "a traceback"
    assert "This is a bug" not in everything, "an internal error"
    ended = CODES.get(code, f"exit code {code}")
    by_hand = description == "by hand"
    if weights:
        assert code in {1, 4, 6}, f"weights stay, and the exit code is {code}"
        assert sent["alert"] or sent["decision_needed"] or sent["conflict"], (
            f"weights stay, and nobody was told: {sent}"
        )
        assert run.hazard in MAY_END_OTHERWISE, "weights stay for no reason"
    elif not by_hand:
        assert description == "Live traffic" or code == 1, f"the description is {description!r}"
    is_over = not weights and version == ("1" if run.is_bad or run.hazard in INTERRUPTED else "2")
    if code < 0 and run.hazard in INTERRUPTED | {"kill"} and is_over:
        return "over when the signal came"  # it hit the process on its way out
    if run.is_bad and code in {0, 130}:
        assert version == "1" or by_hand, "a bad version was promoted"
    once = 1 if run.hazard != "dripping webhook" else None  # who answers too late gets a message again, or not any more
    if code == 0:
        assert version == "2" or by_hand, f"promoted, but version {version}"
        assert once in {None, sent["promoted"]}, sent
    if code == 3:
        assert version == "1" or by_hand, f"rolled back, but version {version}"
        assert once in {None, sent["rolled_back"] + sent["aborted"]}, sent
    if run.hazard in INTERRUPTED and code == 130:
        assert version == "1", "interrupted, and the new version stays"
    if not run.is_bad and run.hazard not in MAY_END_OTHERWISE | INTERRUPTED:
        assert code == 0, f"a good version ended with exit code {code}"
    if run.is_bad and run.hazard not in MAY_END_OTHERWISE | INTERRUPTED:
        assert code == 3, f"a bad version ended with exit code {code}"
    if run.hazard not in MAY_END_OTHERWISE:
        assert code in CODES, f"exit code {code}"
    return f"{ended}{', weights stay and somebody was told' if weights else ''}"


# The workers.


def work(seeds: list[int]) -> None:
    """Plays releases on a server of its own, and prints one line of JSON for each."""
    from canary.sandbox import serve

    hooks = Hooks()
    with serve(speed=SPEED, seed=seeds[0]) as server:
        _with_date_offset(server)
        with server.lock:
            server.aws.session().client("dynamodb").create_table(
                TableName=JOURNAL_TABLE,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
                BillingMode="PAY_PER_REQUEST",
            )
        for seed in seeds:
            began = time.monotonic()
            result: dict[str, object] = {"seed": seed, "hazard": list(HAZARDS)[seed % len(HAZARDS)]}
            try:
                result["end"] = play(seed, server, hooks)
            except AssertionError as error:
                result["failure"] = "\n".join([str(error), *getattr(error, "__notes__", ())])
            result["took_s"] = round(time.monotonic() - began, 1)
            print(json.dumps(result), flush=True)


def _with_date_offset(server: Any) -> None:
    """Lets the server tell another time than it has."""
    wire = server.aws.wire
    wire.date_offset = timedelta()
    respond = wire._respond

    def respond_later(*arguments: Any, **more: Any) -> Any:
        response = respond(*arguments, **more)
        response.headers["Date"] = format_datetime(wire.clock.now() + wire.date_offset, usegmt=True)
        return response

    wire._respond = respond_later


def main(releases: int = 63, workers: int = 3) -> int:
    """Plays the releases, prints how each ended, and answers the exit code."""
    began = time.monotonic()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.torture", "work", *map(str, range(first, releases, workers))],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for first in range(min(workers, releases))
    ]
    lock, failures = threading.Lock(), 0
    played = 0

    def show(worker: subprocess.Popen[str]) -> None:
        nonlocal failures, played
        assert worker.stdout is not None
        for line in worker.stdout:
            result = json.loads(line)
            with lock:
                played += 1
                failures += "failure" in result
                print(
                    f"{result['seed']:>4}  {result['hazard']:<26}{result.get('end', 'FAILED')}  ({result['took_s']} s)"
                )
                if "failure" in result:
                    print("      " + str(result["failure"]).replace("\n", "\n      "))

    threads = [threading.Thread(target=show, args=(worker,)) for worker in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    crashed = sum(worker.wait() != 0 for worker in running)
    print(f"{played} releases, {failures} failed, {time.monotonic() - began:.0f} s")
    return 1 if failures or crashed or played < releases else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["drive", *words]:
            drive(words)
        case ["work", *numbers]:
            work([int(number) for number in numbers])
        case numbers:
            sys.exit(main(*(int(number) for number in numbers)))
