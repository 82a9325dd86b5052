"""Whole releases on virtual time while any answer may be odd; what is checked is how each one ends.

Run as `python -m benchmarks.fuzz_releases [releases] [seed]`. Answers are changed as in `fuzz_adapters` (bytes, headers, JSON, XML, streams, status), calls fail, answers get lost and come late, other writers
move the alias, drivers are killed. A release ends promoted or rolled back as its data say, or a person is told; it never keeps weights untold. Stops at the first failure.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.fuzz_adapters import Broken, changed, visited
from canary import runner
from canary.adapters.aws import Session, open_session
from canary.adapters.health import HealthChecks
from canary.adapters.notify import Notifier
from canary.assembly import assemble
from canary.core.events import CanaryEnded, Noticed
from canary.core.phases import FINAL, Phase
from canary.core.plan import Plan
from canary.core.state import CanaryState
from canary.errors import CanaryError
from canary.runner import Ports
from canary.testing import AwsStandIn
from flagkit.channels.http import Http

PLAN = """
[stages.staging]
functions = {functions}
steps = [{{ weight = 25, bake = "3m" }}, {{ weight = 50, bake = "3m" }}]
min_bake = "2m"
watch_min = "5m"
watch_max = "6m"
post_bake = "{post_bake}"
hold_max = "6m"
on_inconclusive = "{policy}"
on_no_data = "{policy}"
rules = {{ clean_tree = false }}
notifications = [{{ kind = "webhook", url = "https://hooks.example/x" }}]

[stages.staging.evidence]
history = "5m"

[stages.staging.gates]
latency = {{ warm_up = "0s" }}
{gates}
"""
GATES = {
    "call": 'call = { kind = "health", invoke = {} }',
    "visit": 'visit = { kind = "health", url = "https://shop.example/health", version_header = "x-version" }',
    "red": 'red = { kind = "alarms", names = ["api-5xx"] }',
    "letters": 'letters = { kind = "queue", queue = "dlq", max_new_messages = 50 }',
    "throttles": "throttles = {}",
    "lag": 'lag = { kind = "metric", dry_run = true, metric = { namespace = "shop", name = "lag" }, max = 5 }',
}
HANDLER = """
import random

VERSION = {version}

def handler(event, context):
    if random.random() * 100 < {failing_percent}:
        raise RuntimeError("no")
    return {{"statusCode": 200}}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One release and what is against it; everything follows from the seed."""

    seed: int
    functions: tuple[str, ...]
    failing_percent: int
    odd_ratio: float
    fault_ratio: float
    gates: tuple[str, ...]
    policy: str
    kills: int
    foreign: bool

    @staticmethod
    def of(seed: int) -> Case:
        """The case of a seed."""
        random = Random(seed)
        return Case(
            seed=seed,
            functions=("api", "worker")[: random.choice((1, 1, 2))],
            failing_percent=random.choice((0, 0, 60)),
            odd_ratio=random.choice((0.0, 0.02, 0.1, 0.25)),
            fault_ratio=random.choice((0.0, 0.1, 0.25)),
            gates=tuple(name for name in GATES if random.random() < 0.3),
            policy=random.choice(("hold", "hold", "rollback")),
            kills=random.choice((0, 0, 1, 3)),
            foreign=random.random() < 0.1,
        )


class Killed(BaseException):
    """The driver's process ends here."""


class OddAnswers:
    """Changes a share of the answers, and ends the driver at some of its calls."""

    def __init__(self, case: Case) -> None:
        self.random = Random(case.seed + 1)
        self.case = case
        self.kills = case.kills
        self.is_on = True

    def attach(self, session: Session) -> None:
        """Stands between the wire and botocore's parser."""
        session.events.register("before-parse", self._before_parse)

    def _before_parse(self, response_dict: dict[str, Any], **_: object) -> None:
        if not self.is_on:
            return
        if self.kills and self.random.random() < 0.01:
            self.kills -= 1
            raise Killed
        if self.random.random() >= self.case.odd_ratio:
            return
        body = response_dict["body"]
        if not isinstance(body, bytes):
            response_dict["body"] = Broken(self.random, body)
            return
        response_dict["body"] = changed(body, self.random)
        if self.random.random() < 0.1:
            response_dict["status_code"] = self.random.choice(
                (200, 204, 301, 400, 403, 404, 412, 429, 500, 501, 503, 999)
            )
        if self.random.random() < 0.1:
            response_dict["headers"]["date"] = self.random.choice(
                ("", "yesterday", "Mon, 99 Foo 99999 99:99:99 GMT", "Mon, 01 Jan 1990 00:00:00 GMT")
            )


@dataclass(slots=True)
class Hooks:
    """A receiver of notifications that sometimes fails, and remembers what it took."""

    random: Random
    taken: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.random.random() < 0.1:
            return httpx.Response(self.random.choice((429, 500, 503)))
        self.taken.append(json.loads(request.content))
        return httpx.Response(200, content=self.random.randbytes(9))


@dataclass(frozen=True, slots=True)
class End:
    """How a release ended, as its own driver, the alias, the journal and the people know it."""

    state: CanaryState | None
    error: str
    aliases: dict[str, tuple[str, dict[str, float], str]]
    journal: tuple[Any, ...]
    hooks: tuple[dict[str, Any], ...]

    @property
    def phase(self) -> str:
        """The last phase, or the error that kept it from starting."""
        return self.state.phase.value if self.state else self.error


def release(case: Case, folder: Path) -> End:
    """Plays one release to its end."""
    with AwsStandIn(seed=case.seed) as aws:
        for name in case.functions:
            aws.lambda_.deploy(name, HANDLER.format(version=1, failing_percent=0), alias="live")
            aws.lambda_.deploy(name, HANDLER.format(version=2, failing_percent=case.failing_percent))
            aws.traffic.steady(name, "live", requests_per_minute=150)
            client: Any = aws.session().client("lambda")
            client.update_alias(FunctionName=name, Name="live", Description="Live traffic")
        session = aws.session()
        session.client("sqs").create_queue(QueueName="dlq")
        session.client("cloudwatch").put_metric_alarm(
            AlarmName="api-5xx", Namespace="shop", MetricName="x", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
        )  # fmt: skip
        aws.clock.advance(8 * 60)
        return _Play(case, folder, aws).to_the_end()


class _Play:
    """The pipeline around one release: it starts again what was killed, a few times."""

    def __init__(self, case: Case, folder: Path, aws: AwsStandIn) -> None:
        self.case, self.folder, self.aws = case, folder, aws
        self.random = Random(case.seed + 2)
        self.odd = OddAnswers(case)
        self.hooks = Hooks(Random(case.seed + 3))
        keys = json.dumps([f"{name}:live" for name in case.functions])
        text = PLAN.format(
            functions=keys,
            policy=case.policy,
            post_bake="4m",
            gates="\n".join(GATES[name] for name in case.gates),
        )
        self.plan = Plan.parse(text)
        self.stage = self.plan.stage("staging")

    def ports(self) -> Ports:
        """A new driver's."""
        session = open_session("us-east-1")
        self.odd.attach(session)
        made = assemble(self.plan, "staging", base=self.folder, session=session, clock=self.aws.clock)
        notifier = Notifier(
            self.stage.notifications,
            self.aws.clock,
            http=Http(httpx.MockTransport(self.hooks)),
            environment={},
            journal=made.journal,
        )
        probes = HealthChecks(session, Http(httpx.MockTransport(self._visited)))
        return replace(made, probes=probes, observers=(notifier,), jitter=self.random.random)

    def _visited(self, request: httpx.Request) -> httpx.Response:
        if self.random.random() < self.case.odd_ratio:
            return visited(self.random)(request)
        return httpx.Response(200, headers={"x-version": self.random.choice("12")})

    def to_the_end(self) -> End:
        """Drives until the release rests, or until a pipeline would have given up."""
        self.aws.faults.add_mix(self.case.fault_ratio)
        if self.case.foreign:
            after = self.random.randrange(20, 400)
            move: Callable[[], object] = lambda: self.aws.foreign.move_alias(  # noqa: E731
                self.case.functions[0], "live", "1", weights={}, description="by hand"
            )
            self.aws.clock.call_after(after, move)
        state, error = None, ""
        for _ in range(40):
            try:
                state = self._drive()
                error = ""
                break
            except Killed:
                self.aws.clock.advance(self.random.choice((0, 30, 150)))
            except CanaryError as problem:
                error = f"{problem.code}: {problem.message}"
                self.aws.clock.advance(130)
        self.odd.is_on = False
        self.aws.faults.clear()
        aliases = {name: _alias(self.aws, name) for name in self.case.functions}
        journal = self.ports().journal
        events = () if state is None else tuple(journal.events(state.canary_id))
        return End(state, error, aliases, events, tuple(self.hooks.taken))

    def _drive(self) -> CanaryState:
        ports = self.ports()
        found = runner.current(self.stage, ports)
        if found is None or found.phase is Phase.STARTING:
            state = runner.start(self.stage, ports, versions={"": "2"})
        else:
            state = runner.resume(self.stage, ports)
        return runner.run(self.stage, ports, state)


def _alias(aws: AwsStandIn, name: str) -> tuple[str, dict[str, float], str]:
    answer: Any = aws.session().client("lambda").get_alias(FunctionName=name, Name="live")
    weights = dict(answer.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}))
    return answer["FunctionVersion"], weights, answer["Description"]


def check(case: Case, end: End) -> None:
    """Holds the end of a release to what its data say.

    Raises:
        AssertionError: it ended otherwise.
    """
    versions = {version for version, _, _ in end.aliases.values()}
    weights = [share for _, shares, _ in end.aliases.values() for share in shares.values()]
    sent = Counter(message["transition"] for message in end.hooks)
    foreign = case.foreign
    if end.state is None:
        assert not weights or sent["alert"], "weights stay, and nobody was told"
        return
    phase = end.state.phase
    assert phase in {*FINAL, Phase.INCONCLUSIVE}, phase
    if phase is Phase.CONFLICT:
        assert foreign, f"a conflict without another writer: {end.state.why}"
        assert sent["conflict"] == 1, sent
        return
    if phase in FINAL:
        assert not weights, "a release that is over left weights"
        assert all(text in {"Live traffic", "by hand"} for _, _, text in end.aliases.values()), "a description is lost"
        ended = [event.outcome for event in end.journal if isinstance(event, CanaryEnded)]
        assert ended[-1:] == [phase], ended
    if phase is Phase.PROMOTED:
        assert versions == {"2"}, versions
        assert case.failing_percent == 0 or not end.state.is_watched, "a bad version was promoted"
        assert sent["promoted"] == 1, sent
    if phase is Phase.ROLLED_BACK:
        assert versions == {"1"}, versions
        assert sent["rolled_back"] == 1 or foreign, sent
        data_say_so = case.failing_percent or case.policy == "rollback" or {"call", "visit"} & set(case.gates)
        refused = "refused" in end.state.why
        assert data_say_so or refused or foreign, f"a good version was rolled back: {end.state.why}"
    if phase is Phase.INCONCLUSIVE:
        assert sent["decision_needed"] >= 1, sent
    assert not [event for event in end.journal if isinstance(event, Noticed) and "internal error" in event.text]


def one(seed: int) -> str:
    """Plays and checks the release of a seed; answers how it ended.

    Raises:
        Exception: with the seed and the case as notes.
    """
    case = Case.of(seed)
    with TemporaryDirectory() as folder:
        try:
            end = release(case, Path(folder))
            check(case, end)
        except BaseException as error:
            error.add_note(f"seed {seed}: {case}")
            raise
    kind = "bad" if case.failing_percent else "good"
    return f"{kind} version: {end.phase.split(':')[0]}"


def main(releases: int = 400, first: int = 0) -> None:
    """Plays the releases and prints how they ended."""
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + releases):
        outcomes[one(seed)] += 1
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:>6,}  {outcome}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
