"""A guarded rollout with real processes: a sandbox, two servers, users who come to both, and `canary deploy`.

Run it: `python examples/rollout/run.py` (needs flagkit-canary[sandbox,console]; about two minutes). The new checkout
breaks 8 % of its users: it is found and lowered. Then it is mended and rolled out to everybody, although a server and
the driver are killed on the way. At the end the table is compared with what users saw. Ctrl-C ends everything.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3

from flagkit import Flags

HERE = Path(__file__).parent
STAGE = FLAG = "new-checkout"
SOURCE = "appconfig://shop/prod/flags"
TABLE = "canary-outcomes"
SECRET = "one for the whole deployment"
PROMOTED, ROLLED_BACK = 0, 3
MOST_LOST = 100
BEGAN = time.monotonic()


class UnexpectedError(Exception):
    """Something went otherwise than it should; the message says what."""


def say(text: str) -> None:
    seconds = round(time.monotonic() - BEGAN)
    print(f"{seconds // 60}:{seconds % 60:02d}  {text}", flush=True)


@contextmanager
def program(*words: str, environ: dict[str, str], log: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A program that runs while the block runs, in a session of its own: Ctrl-C ends them one after the other."""
    with ExitStack() as stack:
        out = subprocess.PIPE if log is None else stack.enter_context(log.open("a"))
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", *words], env=environ, stdout=out, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def command(*words: str, environ: dict[str, str]) -> None:
    """A command of flagkit that must succeed."""
    say(f"$ flagkit {' '.join(words)}")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "flagkit", *words], env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UnexpectedError(f"flagkit {words[0]}: {done.stderr.strip()}")


class Server:
    """One of the shop's servers: a process of uvicorn with the application in app.py."""

    def __init__(self, name: str, folder: Path, environ: dict[str, str]) -> None:
        self.name, self.log, self._environ = name, folder / f"{name}.log", environ
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._stack = ExitStack()
        self.process: subprocess.Popen[str] | None = None

    def start(self, broken_percent: float) -> None:
        """Starts it, or starts it anew."""
        self.stop()
        environ = {**self._environ, "SHOP_BROKEN_PERCENT": str(broken_percent)}
        words = ("uvicorn", "app:app", "--app-dir", str(HERE), "--port", str(self.port), "--no-access-log")
        self.process = self._stack.enter_context(program(*words, environ=environ, log=self.log))
        for _ in range(300):
            if self.process.poll() is not None:
                break
            with socket.socket() as connection:
                if connection.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise UnexpectedError(f"{self.name} did not start: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Ends it as a deployment does: it answers what it has begun to, and sends its outcomes."""
        self._stack.close()

    def kill(self) -> None:
        """As the machine's lack of memory would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Browser:
    """Asks the servers for the checkout, as a load balancer does: one that doesn't answer is left out."""

    def __init__(self, servers: list[Server]) -> None:
        self._servers = servers
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def visit(self, user: str, first: int) -> str:
        """What a user sees: `old`, `new`, or `failed`."""
        for attempt in range(4):
            server = self._servers[(first + attempt // 2) % len(self._servers)]
            connection = self._connections.pop(server.name, None) or http.client.HTTPConnection(
                "127.0.0.1", server.port, timeout=10
            )
            try:
                connection.request("GET", "/checkout", headers={"X-User": user})
                answer = connection.getresponse()
                text = answer.read().decode()
            except (OSError, http.client.HTTPException):
                connection.close()
                continue
            self._connections[server.name] = connection
            return "failed" if answer.status >= 500 else text
        raise UnexpectedError("no server answers")


class Users(threading.Thread):
    """New users all the time; every third comes again, to the other server.

    Attributes:
        saw: what each user saw.
    """

    def __init__(self, servers: list[Server], per_second: float) -> None:
        super().__init__(daemon=True)
        self.saw: defaultdict[str, set[str]] = defaultdict(set)
        self._browser, self._per_second, self._random = Browser(servers), per_second, random.Random(1)
        self._ended = threading.Event()
        self._problem: UnexpectedError | None = None

    def run(self) -> None:
        """They come until `end`."""
        due, number = time.monotonic(), 0
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - 1) + 1 / self._per_second
            number += 1
            again = self._random.randrange(max(0, number - 50), number)
            try:
                for user in (number, again) if number % 3 == 0 else (number,):
                    self.saw[f"user-{user}"].add(
                        self._browser.visit(f"user-{user}", number if user == number else user + 1)
                    )
            except UnexpectedError as problem:
                self._problem = problem
                return

    def check(self) -> None:
        """Whether they still come."""
        if self._problem is not None:
            raise self._problem

    def end(self) -> None:
        """Nobody comes any more."""
        self._ended.set()
        self.join()

    def __str__(self) -> str:
        met = [seen for seen in list(self.saw.values()) if seen & {"new", "failed"}]
        failed = sum("failed" in seen for seen in met)
        return f"{len(self.saw):,} users came, {len(met):,} met the new checkout, it failed for {failed:,}"


class Driver:
    """A process of canary that drives the rollout; its lines are shown as they come."""

    def __init__(self, stack: ExitStack, environ: dict[str, str], *words: str) -> None:
        say(f"$ canary {' '.join(words)}")
        plan = ("--plan", environ["CANARY_PLAN"])
        self.process = stack.enter_context(program("canary", *words, *plan, environ=environ))
        self._reader = threading.Thread(target=self._show, daemon=True)
        self._reader.start()

    def _show(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            say(f"    {line.rstrip()}")

    def wait(self, users: Users) -> int:
        """The exit code, once it has ended."""
        while self.process.poll() is None:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                users.check()
                say(f"  {users}")
        self._reader.join()
        return self.process.returncode


def sandbox(stack: ExitStack, speed: float, folder: Path) -> dict[str, str]:
    """AWS on this machine; returns the environment that sends programs there."""
    words = ("canary", "sandbox", "--scenario", "empty", "--speed", str(speed), "--port", "0", "--agent-port", "0")
    process = stack.enter_context(program(*words, "--json", environ=dict(os.environ)))
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        started = json.loads(line)
    except ValueError:
        raise UnexpectedError(f"the sandbox did not start: {line}{process.stdout.read()}") from None
    threading.Thread(target=process.stdout.read, daemon=True).start()
    say(f"$ canary sandbox --scenario empty --speed {speed:g}   # {started['url']}")
    return started["environ"]


def create_table() -> None:
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )


def share_now(users: Users, servers: list[Server]) -> float:
    """The share of 200 visitors that gets the new checkout now, once all servers say the same."""
    browser, shares = Browser(servers), [0.0]
    for _ in range(60):  # programs poll AppConfig every 45 seconds, two of this machine
        shares = []
        for server in range(len(servers)):
            seen = {f"visitor-{number}": browser.visit(f"visitor-{number}", server) for number in range(200)}
            for visitor, saw in seen.items():
                users.saw[visitor].add(saw)
            shares.append(sum(saw != "old" for saw in seen.values()) / len(seen))
        if len(set(shares)) == 1 and shares[0] in {0, 1}:
            break
        time.sleep(0.5)
    return shares[0]


def compare(users: Users) -> None:
    """The table against what users saw: everybody counted once, nobody who never came, and hardly anybody lost."""
    pseudonym = {hmac.new(SECRET.encode(), user.encode(), hashlib.sha256).hexdigest()[:32]: user for user in users.saw}
    known: dict[str, Counter[str]] = defaultdict(Counter)
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    lost = set(users.saw)
    for page in boto3.client("dynamodb").get_paginator("scan").paginate(TableName=TABLE):
        for item in page["Items"]:
            kind, name, last = item["pk"]["S"].split("#")
            if kind == "c":
                arm = item["sk"]["S"].partition("#")[2]
                counted[name][arm] += int(item.get("n", {"N": "0"})["N"])
                counted[name][f"{arm}, failed"] += int(item.get("x#failed", {"N": "0"})["N"])
                continue
            user = pseudonym.get(last)
            if user is None:
                raise UnexpectedError(f"{name} has a user who never came")
            lost.discard(user)
            arm = item["a"]["S"]
            known[name][arm] += 1
            if "failed" in item.get("b", {}).get("SS", ()):
                known[name][f"{arm}, failed"] += 1
                if "failed" not in users.saw[user]:
                    raise UnexpectedError(f"{name}: {user} counts as failed, but no request of this user failed")
    for name, numbers in sorted(known.items()):
        if +numbers != +counted[name]:
            raise UnexpectedError(f"{name}: the table has {dict(numbers)}, its counters say {dict(+counted[name])}")
        say(f"{name}: {', '.join(f'{arm}: {n:,}' for arm, n in sorted(numbers.items()))}; everybody is counted once")
    say(f"lost with the server that was killed: {len(lost):,} of {len(users.saw):,} users")
    if len(lost) > MOST_LOST:
        raise UnexpectedError(f"expected at most {MOST_LOST}: what that server had not sent in its last 5 seconds")


def roll_out(
    name: str, expected: int, users: Users, servers: list[Server], environ: dict[str, str], *, kill: bool
) -> None:
    report = f"rollout-{name}.html"
    with ExitStack() as stack:
        driver = Driver(stack, environ, "deploy", STAGE, "--report", report)
        if kill:
            wait_for_the_second_step(driver)
            say("kill -9: the second server and the driver, in the middle of the rollout")
            servers[1].kill()
            driver.process.kill()
            driver.process.wait()
            time.sleep(1)
            servers[1].start(0)
            driver = Driver(stack, environ, "resume", STAGE, "--report", report)
        code = driver.wait(users)
    if code != expected:
        raise UnexpectedError(f"canary ended with exit code {code}; expected {expected}")
    say(f"report: {Path(report).resolve()}")
    share, wanted = share_now(users, servers), 1.0 if expected == PROMOTED else 0.0
    say(f"{share:.0%} of the users have the new checkout")
    if share != wanted:
        raise UnexpectedError(f"expected {wanted:.0%}")


def wait_for_the_second_step(driver: Driver) -> None:
    """Until 5 % of the users have the new checkout, by the document that is live."""
    with Flags.connect(SOURCE) as flags:
        while sum(flags.is_enabled(FLAG, f"somebody-{number}") for number in range(1000)) < 30:
            if driver.process.poll() is not None:
                raise UnexpectedError("the driver ended before it could be killed")
            time.sleep(0.5)


def play(speed: float, per_second: float) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollout-")))
        names = {"FLAGKIT_SOURCE": SOURCE, "FLAGKIT_OUTCOMES_SECRET": SECRET, "NO_COLOR": "1"}
        aws = sandbox(stack, speed, folder)
        os.environ.update(aws)
        plan = shutil.copy(HERE / "canary.toml", folder)  # the journal is kept beside it
        environ = {**os.environ, **names, "CANARY_PLAN": plan}
        command("init", "--yes", environ=environ)
        command("create", FLAG, "--name", "New checkout", "--yes", environ=environ)
        create_table()
        servers = [Server(f"server-{number}", folder, environ) for number in (1, 2)]
        for server in servers:
            stack.callback(server.stop)
            server.start(8)
        say(f"two servers: {', '.join(f'http://127.0.0.1:{server.port}/checkout' for server in servers)}")
        users = Users(servers, per_second)
        stack.callback(users.end)
        users.start()

        print("\nThe new checkout fails for 8 % of its users")
        roll_out("rolled-back", ROLLED_BACK, users, servers, environ, kill=False)

        print("\nThe new checkout is mended")
        for server in servers:
            server.start(0)
        roll_out("promoted", PROMOTED, users, servers, environ, kill=True)

        print("\nThe table and the users")
        users.end()
        for server in servers:
            server.stop()
        compare(users)
        say(str(users))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--speed", type=float, default=20, help="seconds of the sandbox in a second")
    parser.add_argument("--users-per-second", type=float, default=60, help="new users, real seconds")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        play(options.speed, options.users_per_second)
    except UnexpectedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: everything has ended", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
