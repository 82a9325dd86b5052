"""Canaries of all stages and engines at once, while drivers are killed and AWS misbehaves; on the virtual clock.

Run as `python -m benchmarks.fleet [seeds] [first seed]`; a seed takes one to two minutes of CPU. Each seed plays 20 canaries: five in turn in each of four stages, each of them with an engine, a
version and a hazard that the seed chooses. What is deployed is the template of `canary infra`. Every canary must end
promoted or rolled back as its data say, within its deadline, and be published once.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

import boto3
import botocore.endpoint

from canary.adapters.engines import engine_of
from canary.assembly import assemble, load_plan
from canary.core import resources
from canary.core.phases import FINAL
from canary.drivers import lambda_handler
from canary.errors import AwsError, CanaryError, NotRunningError, RefusedError
from canary.infra.stand_in import install
from canary.infra.template import Template, template
from canary.runner import Ports, abort, resume, run, start
from canary.runner.engines import follow, hand_over
from canary.testing import AwsStandIn
from flagkit.testing import Fault
from flagkit.testing.wire import CallRecord

TOPIC: Final = "arn:aws:sns:us-east-1:123456789012:releases"
TEXT: Final = "Live traffic"
HEAD: Final = f'journal = "dynamodb://{resources.JOURNAL_TABLE}"\n'
PLAN: Final = """
[stages.{stage}]
functions = ["api-{stage}:live", "worker-{stage}:live"]
steps = [50]
bake = "3m"
min_bake = "3m"
watch_min = "3m"
post_bake = "1m"
hold_max = "6m"
on_inconclusive = "rollback"
on_no_data = "rollback"
gates.latency = false
rules = {{ clean_tree = false }}
notifications = [{{ kind = "sns", topic_arn = "{topic}" }}]
"""
CODE: Final = """
import random

VERSION = {version}

def handler(event, context):
    if random.random() < {failing}:
        raise RuntimeError("no")
    return {{"statusCode": 200}}
"""
ENGINES: Final = ("local", "stepfunctions", "lambda")
SWITCH_AFTER: Final = timedelta(minutes=15)
"""Of the plan's default: when the dead-man switch starts the rollback."""
LATE: Final = timedelta(minutes=13)
"""Scheduler's precision, its retries for 10 minutes, and the waits of the state machine between two tries."""
LONGEST: Final = timedelta(minutes=90)


class Killed(BaseException):
    """The process is gone; no code of it sees that."""


class Process:
    """A program on a machine of its own: it runs until it waits, one at a time, and can be killed at any call.

    It is the clock of its program.
    """

    def __init__(self, fleet: Fleet, main: Callable[[Process], object]) -> None:
        self._fleet, self._main = fleet, main
        self._go, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        self.calls_left: int | None = None
        self.is_over = False
        self.error: BaseException | None = None
        threading.Thread(target=self._run, daemon=True).start()
        fleet.aws.clock.call_after(0, self._turn)

    def now(self) -> datetime:
        return self._fleet.aws.clock.now()

    def sleep(self, seconds: float) -> None:
        self._fleet.aws.clock.call_after(seconds, self._turn)
        self._waits.release()
        self._go.acquire()
        self.check()

    def kill(self) -> None:
        """At its next call or wait."""
        self.calls_left = 0

    def check(self, *, is_call: bool = False) -> None:
        if self.calls_left is None:
            return
        if self.calls_left <= 0:
            raise Killed
        self.calls_left -= is_call

    def _turn(self) -> None:
        if not self.is_over:
            before, self._fleet.running = self._fleet.running, self
            self._go.release()
            self._waits.acquire()
            self._fleet.running = before

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._main(self)
        except Killed:
            pass
        except BaseException as error:  # shown with the stage that it belongs to
            self.error = error
        self.is_over = True
        self._waits.release()


class _LambdaClock:
    """Inside a function time is the invocation's."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


class _OneClientEach(boto3.Session):
    """Clients cost more than everything else; nothing of a driver is in one."""

    def client(self, service: str, **settings: Any) -> Any:  # type: ignore[override]
        known: dict[object, Any] = self.__dict__.setdefault("_known", {})
        key = service, str(vars(settings["config"]) if "config" in settings else "")
        if key not in known:
            known[key] = super().client(service, **settings)  # type: ignore[call-overload]
        return known[key]


class _Pauses:
    """botocore's pauses between two tries: a process waits, others move on."""

    def __init__(self, fleet: Fleet, before: Any) -> None:
        self._fleet, self._before = fleet, before

    def sleep(self, seconds: float) -> None:
        (self._fleet.running or self._before).sleep(seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._before, name)


# What goes wrong.


@dataclass(slots=True)
class Canary:
    """One canary: what was released how, what went wrong, and how it ended."""

    stage: Stage
    engine: str
    is_bad: bool
    hazard: str
    canary_id: str
    began: datetime
    is_disturbed: bool = False
    """Whether a fault that strikes every stage came while it was in progress."""
    outcome: str = ""
    why: str = ""
    drivers: list[Process] = field(default_factory=list)

    def __str__(self) -> str:
        version = "bad" if self.is_bad else "good"
        return f"{self.canary_id}: {self.engine}, {version} version, {self.hazard}"


def _nothing(canary: Canary) -> None:
    """All goes well."""


def _killed(canary: Canary) -> None:
    """The command is killed; a local canary is lost, an engine goes on."""
    canary.drivers[-1].calls_left = canary.stage.random.randrange(60)


def _killed_and_resumed(canary: Canary) -> None:
    """The driver is killed, an execution or a schedule is gone; somebody resumes within minutes."""
    stage = canary.stage
    _killed(canary)
    stage.wait(stage.random.uniform(60, 240))
    for arn, execution in stage.fleet.aws.states.executions.items():
        if execution.name.partition(".")[0] == canary.canary_id:
            stage.client("stepfunctions").stop_execution(executionArn=arn)
    stage.wait(stage.random.uniform(30, 400))
    stage.drive(canary, is_resumed=True)


def _stopped(canary: Canary) -> None:
    """Every driver is gone for good."""
    stage = canary.stage
    canary.drivers[-1].calls_left = stage.random.randrange(20, 60)
    stage.wait(stage.random.uniform(0, 300))
    canary.drivers[-1].kill()
    stage.is_broken = True
    for arn, execution in stage.fleet.aws.states.executions.items():
        if execution.name.partition(".")[0] == canary.canary_id:
            stage.client("stepfunctions").stop_execution(executionArn=arn)


def _broken(canary: Canary) -> None:
    """The code of the tick function is broken from some moment on; a command that drives itself is killed."""
    stage = canary.stage
    stage.wait(stage.random.uniform(0, 300))
    stage.is_broken = True
    if canary.engine == "local":
        canary.drivers[-1].kill()


def _restarted(canary: Canary) -> None:
    """Every other tick is killed at some call, and each begins with an empty memory; a local driver is killed twice."""
    stage = canary.stage
    stage.kills_ratio = 0.5
    for _ in range(2 if canary.engine == "local" else 0):
        canary.drivers[-1].calls_left = stage.random.randrange(40)
        stage.wait(stage.random.uniform(60, 200))
        canary.drivers[-1].kill()
        stage.wait(1)
        stage.drive(canary, is_resumed=True)


def _twice(canary: Canary) -> None:
    """Ticks come twice, and somebody resumes a canary that is driven already."""
    stage = canary.stage
    stage.is_double = True
    stage.wait(stage.random.uniform(60, 300))
    if canary.engine == "local":
        stage.drive(canary, is_resumed=True)


def _faults(ratio: float, calls: str, minutes: float, *kinds: Fault) -> Callable[[Canary], None]:
    def act(canary: Canary) -> None:
        stage = canary.stage
        stage.wait(stage.random.uniform(0, 240))
        with stage.fleet.faults(ratio, calls, kinds):
            stage.wait(minutes * 60)

    return act


def _aborted(canary: Canary) -> None:
    """A person ends it from another machine."""
    stage = canary.stage
    stage.wait(stage.random.uniform(30, 300))
    stage.person(lambda ports: abort(stage.plan, ports))


HAZARDS: Final[dict[str, Callable[[Canary], None]]] = {
    "none": _nothing,
    "command killed": _killed,
    "killed and resumed": _killed_and_resumed,
    "every driver lost": _stopped,
    "tick function broken": _broken,
    "ticks killed half-way": _restarted,
    "ticks twice": _twice,
    "25 % faults": _faults(
        0.25, "*", 5, Fault.THROTTLED, Fault.SERVER_ERROR, Fault.LOST_ANSWER, Fault.UNREACHABLE
    ),
    "cut answers": _faults(0.15, "*", 5, Fault.CUT),
    "AWS away": _faults(1.0, "*", 3, Fault.SERVER_ERROR),
    "CloudWatch away": _faults(1.0, "cloudwatch.*", 4, Fault.SERVER_ERROR),
    "UpdateAlias throttled": _faults(0.7, "lambda.UpdateAlias", 8, Fault.THROTTLED),
    "UpdateAlias revoked": _faults(1.0, "lambda.UpdateAlias", 4, Fault.DENIED),
    "aborted": _aborted,
}  # fmt: skip
HARMLESS: Final = {"none", "ticks twice"}
"""Under all others a good version may be rolled back."""


# The stages.


class Stage:
    """One stage: its functions, and the people and pipelines that release there, one canary after the other."""

    def __init__(self, fleet: Fleet, name: str, seed: str) -> None:
        self.fleet, self.name, self.random = fleet, name, Random(seed)
        self.plan = fleet.plan.stage(name)
        self.functions = [function.name for function in self.plan.functions]
        self.canaries: list[Canary] = []
        self.version = 1
        self.is_broken = self.is_double = False
        self.kills_ratio = 0.0
        self._operator: Process | None = None
        for function in self.functions:
            fleet.aws.lambda_.deploy(function, CODE.format(version=1, failing=0), alias="live")
            self.client("lambda").update_alias(FunctionName=function, Name="live", Description=TEXT)
            fleet.aws.traffic.steady(function, "live", requests_per_minute=30)

    def client(self, service: str) -> Any:
        return self.fleet.client(service)

    def play(self, canaries: int) -> None:
        """Releases so many canaries, one after the other."""

        def main(process: Process) -> None:
            for number in range(canaries):
                self._release(number)

        self._operator = Process(self.fleet, main)

    def problem(self) -> BaseException | None:
        assert self._operator is not None
        return self._operator.error

    @property
    def is_over(self) -> bool:
        return self._operator is not None and self._operator.is_over

    def wait(self, seconds: float) -> None:
        assert self._operator is not None
        self._operator.sleep(seconds)

    def person(self, act: Callable[[Ports], object]) -> None:
        """Somebody runs one command until it does something; that nothing is in progress is an answer, too."""

        def main(process: Process) -> None:
            for _ in range(20):
                try:
                    act(self.ports(process))
                except NotRunningError:
                    return
                except AwsError:
                    process.sleep(30)
                else:
                    return

        process = Process(self.fleet, main)
        while not process.is_over:
            self.wait(5)
        if process.error is not None:
            raise process.error

    def ports(self, clock: Any) -> Ports:
        return assemble(self.fleet.whole, self.name, session=self.fleet.session, clock=clock)

    # What drives.

    def drive(self, canary: Canary, *, is_resumed: bool = False) -> None:
        """A new process of `canary deploy` or `canary resume`."""

        def main(process: Process) -> None:
            ports = self.ports(process)
            if is_resumed:
                try:
                    state = resume(self.plan, ports)
                except (NotRunningError, RefusedError):
                    return
            else:
                state = start(self.plan, ports, canary_id=canary.canary_id)
            if state.phase in FINAL:
                return
            engine = engine_of(canary.engine, self.plan, self.fleet.whole.journal, self.fleet.session)  # type: ignore[arg-type]
            with suppress(CanaryError):  # a command says it, and exits with a code
                if engine is None:
                    run(self.plan, ports, state)
                else:
                    shown = hand_over(self.plan, ports, state, engine)
                    follow(
                        self.plan, ports, state, engine, shown=shown, show=lambda _: None, stop_requested=lambda: False
                    )

        canary.drivers.append(Process(self.fleet, main))

    def tick(self, event: dict[str, Any], context: object) -> object:
        """The tick function."""
        del context
        if self.is_broken:
            raise ImportError("no module named canary")
        answer: object = None
        for _ in range(2 if self.is_double else 1):
            if self.kills_ratio:
                lambda_handler._memories.clear()
            with self.fleet.killed_at(self.random.randrange(40) if self.random.random() < self.kills_ratio else None):
                answer = lambda_handler.act(
                    event, plan_path=self.fleet.path, session=self.fleet.session, clock=_LambdaClock()
                )
        return answer

    # One canary.

    def _release(self, number: int) -> None:
        hazard = self.fleet.hazard(self, number)
        canary = Canary(
            self,
            self.random.choice(ENGINES),
            self.random.random() < 0.35,
            hazard,
            f"{self.name}x{number:04}x",
            self.fleet.aws.clock.now(),
        )
        canary.is_disturbed = bool(self.fleet.aws.faults.rules)
        self.canaries.append(canary)
        self.is_broken = self.is_double = False
        self.kills_ratio = 0.0
        self.version += 1
        before = self.aliases()[0][0]
        for function in self.functions:
            code = CODE.format(version=self.version, failing=0.5 if canary.is_bad else 0)
            self.fleet.aws.lambda_.deploy(function, code)
        candidate = str(self.version)
        self.drive(canary)
        self.wait(1)
        try:
            HAZARDS[hazard](canary)
            self._rest(canary)
            self._check(canary, before, candidate)
            broken = [driver.error for driver in canary.drivers if not isinstance(driver.error, CanaryError | None)]
            assert not broken, f"a driver ended with {broken[0]!r}"
        except BaseException as error:
            error.add_note(str(canary))
            for event in self.fleet.journal(self).events(canary.canary_id):
                error.add_note(f"{event.at:%H:%M:%S} {_line(event)}")
            raise
        finally:
            for driver in canary.drivers:
                driver.kill()
        self.wait(120)

    def aliases(self) -> list[tuple[str, object, str]]:
        answers = [self.fleet.alias(function) for function in self.functions]
        return [(a["FunctionVersion"], a.get("RoutingConfig") or None, a.get("Description", "")) for a in answers]

    def _is_at_rest(self) -> bool:
        return all(weights is None and text == TEXT for _, weights, text in self.aliases())

    def _rest(self, canary: Canary) -> None:
        """Waits for the end, and lets a person look after a canary whose end nobody has published."""
        began = self.fleet.aws.clock.now()
        while not (self._is_at_rest() and self._row(canary).get("outcome")):
            self.wait(20)
            if self.fleet.aws.clock.now() - began < SWITCH_AFTER + LATE:
                continue
            row = self._row(canary)
            if self._is_at_rest() and not row:
                return  # it never started
            if self._is_at_rest():
                self.person(lambda ports: resume(self.plan, ports))
                assert self._row(canary).get("outcome"), "nobody ever publishes the end"
                return
            if all(weights is None for _, weights, _ in self.aliases()):
                self.person(lambda ports: abort(self.plan, ports))
            assert self.fleet.aws.clock.now() - began < LONGEST, f"never at rest: {self.aliases()}"

    def _row(self, canary: Canary) -> dict[str, Any]:
        rows = self.fleet.journal(self).canaries(self.name)
        return next((dict(row) for row in rows if row["canary_id"] == canary.canary_id), {})

    def _check(self, canary: Canary, before: str, candidate: str) -> None:
        self.wait(180)  # a last tick or message may still be on its way
        versions = {version for version, _, _ in self.aliases()}
        assert self._is_at_rest(), f"there are weights or a record again: {self.aliases()}"
        assert len(versions) == 1, f"the functions ended on different versions: {self.aliases()}"
        row = self._row(canary)
        canary.outcome, canary.why = str(row.get("outcome", "never started")), str(row.get("why", ""))
        is_promoted = versions == {candidate}
        assert is_promoted or versions == {before}, versions
        assert (canary.outcome == "promoted") == is_promoted, f"{canary.outcome}, and the aliases are on {versions}"
        assert not (canary.is_bad and is_promoted), "a bad version was promoted"
        if canary.hazard in HARMLESS and not canary.is_disturbed:
            assert is_promoted != canary.is_bad, f"a {'bad' if canary.is_bad else 'good'} version: {canary.outcome}"
        if canary.engine != "lambda":
            return
        name = resources.tick_schedule(self.name, canary.canary_id)
        assert self.is_broken or (resources.SCHEDULE_GROUP, name) not in self.fleet.aws.scheduler.schedules, "ticks"


def _line(event: object) -> str:
    text = getattr(event, "why", "") or getattr(event, "text", "") or getattr(event, "error", "")
    return f"{type(event).__name__} {getattr(event, 'weight_bp', '')} {getattr(event, 'outcome', '')} {text}"


# Everything together.


class Fleet:
    """Stages on one stand-in, and what is watched over all of them."""

    def __init__(self, aws: AwsStandIn, folder: Path, seed: int, stages: int) -> None:
        self.aws, self.seed, self.session = aws, seed, _OneClientEach(region_name=aws.region)
        self.running: Process | None = None
        self._journals: dict[str, _Unharmed] = {}
        self._left: int | None = None
        self._alive: dict[str, datetime] = {}
        self.longest = timedelta()
        """The longest time that an alias had weights after the last sign of life of a driver."""
        names = [f"s{number}" for number in range(stages)]
        self.path = folder / "canary.toml"
        self.path.write_text(HEAD + "".join(PLAN.format(stage=name, topic=TOPIC) for name in names))
        self.whole = self.plan = load_plan(self.path)
        botocore.endpoint.time = _Pauses(self, botocore.endpoint.time)  # type: ignore[attr-defined]
        self.client("sns").create_topic(Name="releases")
        self.stages = [Stage(self, name, f"{seed}/{name}") for name in names]
        for stage in self.stages:
            is_first = "true" if stage is self.stages[0] else "false"
            made = template(self.whole, stage.name)
            install(made, self.session, self._deployer(stage), CreateShared=is_first, AlarmRollback=is_first)
        aws.wire.watchers.append(self._on_call)
        aws.clock.advance(4 * 60)
        aws.clock.call_every(60, self._watch)
        self._hazards = [name for name in HAZARDS if name != "none"]
        Random(seed).shuffle(self._hazards)

    def _deployer(self, stage: Stage) -> Callable[[Template], object]:
        return lambda function: self.aws.lambda_.deploy(
            function["FunctionName"], stage.tick, Timeout=function["Timeout"]
        )

    def client(self, service: str) -> Any:
        return self.session.client(service)

    def alias(self, function: str) -> dict[str, Any]:
        """Read past the wire: no fault strikes who only watches."""
        name: Any = {"FunctionName": function, "Name": "live"}
        return self.aws.lambda_.GetAlias(name, None)  # type: ignore[arg-type]

    def journal(self, stage: Stage) -> Any:
        if stage.name not in self._journals:
            self._journals[stage.name] = _Unharmed(self, stage.ports(self.aws.clock).journal)
        return self._journals[stage.name]

    def hazard(self, stage: Stage, number: int) -> str:
        """Each of them in turn over the stages, so that 20 canaries have all; the first one of all goes well."""
        index = self.stages.index(stage) + number * len(self.stages)
        return self._hazards[(index - 1) % len(self._hazards)] if index else "none"

    @contextmanager
    def faults(self, ratio: float, calls: str, kinds: tuple[Fault, ...]) -> Iterator[None]:
        before = set(map(id, self.aws.faults.rules))
        self.aws.faults.add_mix(ratio, calls, faults=kinds)
        made = [rule for rule in self.aws.faults.rules if id(rule) not in before]
        for stage in self.stages:
            if stage.canaries:
                stage.canaries[-1].is_disturbed = True
        try:
            yield
        finally:
            for rule in made:
                self.aws.faults.remove(rule)

    @contextmanager
    def killed_at(self, calls: int | None) -> Iterator[None]:
        """The environment of a function is gone after so many calls."""
        self._left = calls
        try:
            yield
        except Killed:
            raise RuntimeError("Runtime exited") from None
        finally:
            self._left = None

    def _on_call(self, record: CallRecord) -> None:
        if self.running is not None:
            self.running.check(is_call=True)
        elif self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._left = 0
                raise Killed

    def _watch(self) -> None:
        """No alias keeps weights long after the last sign of life: that is when a switch was last set."""
        now = self.aws.clock.now()
        for (_, name), schedule in self.aws.scheduler.schedules.items():
            self._alive[name] = schedule.modified_at
        for stage in self.stages:
            if not stage.canaries or all(weights is None for _, weights, _ in stage.aliases()):
                continue
            canary = stage.canaries[-1]
            signs = [at for name, at in self._alive.items() if f".{canary.canary_id}-" in name]
            since = now - max(signs, default=canary.began)
            self.longest = max(self.longest, since)
            assert since <= SWITCH_AFTER + LATE, f"{canary}: weights {since} after the last sign of life"

    def play(self, canaries: int) -> None:
        """Plays so many canaries in each stage.

        Raises:
            AssertionError: one ended otherwise than it must.
        """
        for stage in self.stages:
            stage.play(canaries)
        while not all(stage.is_over for stage in self.stages):
            self.aws.clock.advance(30)
        for stage in self.stages:
            if (problem := stage.problem()) is not None:
                raise problem

    def notices(self) -> list[dict[str, Any]]:
        """Every message that reached the topic."""
        from moto.sns.models import sns_backends

        topic = sns_backends[self.aws.account_id][self.aws.region].topics[TOPIC]
        return [json.loads(sent[1]) for sent in topic.sent_notifications]


class _Unharmed:
    """A journal that is read while no fault strikes."""

    def __init__(self, fleet: Fleet, journal: Any) -> None:
        self._fleet, self._journal = fleet, journal

    def __getattr__(self, name: str) -> Any:
        def read(*arguments: Any) -> Any:
            with patch.object(self._fleet.aws.faults, "_rules", []):
                return list(getattr(self._journal, name)(*arguments))

        return read


ENDS: Final = {"promoted": "promoted", "rolled_back": "rolled_back", "aborted": "aborted"}


def check_notices(fleet: Fleet) -> Counter[str]:
    """Each transition is published once; what is sent again has the same id.

    Raises:
        AssertionError: otherwise.
    """
    found = Counter[str]()
    sent: dict[tuple[str, str], list[str]] = {}
    for notice in fleet.notices():
        sent.setdefault((notice["canary_id"], notice["transition"]), []).append(notice["id"])
    for stage in fleet.stages:
        journal = fleet.journal(stage)
        for canary in stage.canaries:
            lost = {
                event.text.split()[1]
                for event in journal.events(canary.canary_id)
                if getattr(event, "text", "").startswith("notification ") and "not delivered" in event.text
            }
            ends = {name: sent.get((canary.canary_id, name), []) for name in ("promoted", "rolled_back", "aborted")}
            ids = {one for ids in ends.values() for one in ids}
            assert len(ids) <= 1, f"{canary}: {ends}"
            wanted = ENDS.get(canary.outcome, "")
            assert not wanted or ends[wanted] or wanted in lost, (
                f"{canary} ended as {canary.outcome}, and that was not published"
            )
            started = sent.get((canary.canary_id, "started"), [])
            assert len(set(started)) <= 1, f"{canary}: started {started}"
            found["notices"] += len(started) + sum(map(len, ends.values()))
            found["duplicates"] += max(0, len(started) - 1) + max(0, sum(map(len, ends.values())) - 1)
            found["undelivered"] += len(lost)
    return found


def play(seed: int, stages: int = 4, canaries: int = 5) -> tuple[Fleet, Counter[str]]:
    """Plays one seed and checks everything.

    Raises:
        AssertionError: a canary ended otherwise than it must, or not in time.
    """
    kept = botocore.endpoint.time  # type: ignore[attr-defined]
    with TemporaryDirectory() as folder, AwsStandIn(seed=seed) as aws:
        try:
            with patch.object(lambda_handler.tempfile, "gettempdir", lambda: folder):
                fleet = Fleet(aws, Path(folder), seed, stages)
                fleet.play(canaries)
                return fleet, check_notices(fleet)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        finally:
            botocore.endpoint.time = kept  # type: ignore[attr-defined]


def main(seeds: int = 5, first: int = 1) -> int:
    """Plays the seeds, prints how each ended, and answers the exit code."""
    print("seed  canaries  promoted  rolled back  aborted  longest without a driver  notices  again  lost  took")
    failures = 0
    for seed in range(first, first + seeds):
        began = time.monotonic()
        try:
            fleet, notices = play(seed)
        except Exception as error:
            failures += 1
            print(f"{seed:>4}  FAILED: {error}")
            print("      " + "\n      ".join(getattr(error, "__notes__", ())))
            continue
        ends = Counter(canary.outcome for stage in fleet.stages for canary in stage.canaries)
        print(
            f"{seed:>4}  {ends.total():>8}  {ends['promoted']:>8}  {ends['rolled_back']:>11}  {ends['aborted']:>7}"
            f"  {fleet.longest!s:>24}  {notices['notices']:>7}  {notices['duplicates']:>5}"
            f"  {notices['undelivered']:>4}  {time.monotonic() - began:.0f} s"
        )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*(int(number) for number in sys.argv[1:])))
