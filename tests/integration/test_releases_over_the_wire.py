"""Whole canaries through boto3 against the stand-in: real handlers and metrics, virtual time, all that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canary import runner
from canary.assembly import assemble
from canary.core.events import CanaryEnded, Event
from canary.core.measurements import Observations
from canary.core.phases import Phase
from canary.core.plan import Plan, StagePlan
from canary.core.state import CanaryState
from canary.errors import ConflictError, UnavailableError
from canary.runner import Ports
from canary.testing import AwsStandIn
from flagkit.testing import CallRecord, Fault

pytestmark = pytest.mark.sweep

PLAN = """
journal = "file:journal"

[stages.staging]
functions = ["api:live", "worker:live"]
steps = [20, 50]
bake = "5m"
watch_min = "10m"
post_bake = "2m"
hold_max = "10m"

[stages.staging.evidence]
history = "10m"
"""


class Killed(BaseException):
    """The driver's process was killed."""


def handler(version: int, failing: float = 0.0) -> str:
    return f"""
import random

def handler(event, context):
    if random.random() < {failing}:
        raise RuntimeError("version {version} is broken")
    return {{"statusCode": 200, "version": {version}}}
"""


class Stage:
    """Two functions under traffic, a candidate of each, and drivers that may die."""

    def __init__(self, aws: AwsStandIn, base: Path, failing: float) -> None:
        self.aws, self.base = aws, base
        self.plan = Plan.parse(PLAN)
        self.stage: StagePlan = self.plan.stage("staging")
        for name in ("api", "worker"):
            aws.lambda_.deploy(name, handler(1), alias="live", Timeout=3)
            aws.traffic.steady(name, "live", 120)
        client = aws.session().client("lambda")
        for name in ("api", "worker"):
            client.update_alias(FunctionName=name, Name="live", Description="Live traffic")
        aws.clock.advance(900)
        aws.lambda_.deploy("api", handler(2), Timeout=3)
        aws.lambda_.deploy("worker", handler(2, failing), Timeout=3)
        aws.clock.advance(60)

    def ports(self) -> Ports:
        return assemble(self.plan, "staging", base=self.base, clock=self.aws.clock)

    def drive(self) -> CanaryState:
        """Deploys, or goes on with what is under way; tries again when AWS is down at the very start."""
        for _ in range(30):
            ports = self.ports()
            try:
                found = runner.current(self.stage, ports)
                if found is None or found.phase is Phase.STARTING:
                    state = runner.start(self.stage, ports, versions={"": "2"})
                else:
                    state = runner.resume(self.stage, ports)
                return runner.run(self.stage, ports, state)
            except UnavailableError:
                self.aws.clock.advance(10)
        raise AssertionError

    def aliases(self) -> set[tuple[str, str, bool]]:
        """Version, description, whether there are weights: of both aliases."""
        client = self.aws.session().client("lambda")
        found = [client.get_alias(FunctionName=name, Name="live") for name in ("api", "worker")]
        return {(a["FunctionVersion"], a["Description"], "RoutingConfig" in a) for a in found}

    def under_way(self) -> bool:
        return runner.current(self.stage, self.ports()) is not None

    def events(self) -> list[Event]:
        journal = self.ports().journal
        return [event for row in journal.canaries() for event in journal.events(row["canary_id"])]

    def kill_at(self, number: int) -> Callable[[], int]:
        """Kills the driver right after its n-th write of an alias happened (its answer never arrives)."""
        count = 0

        def watch(record: CallRecord) -> None:
            nonlocal count
            if record.call != "lambda.UpdateAlias":
                return
            count += 1
            if count == number:
                raise Killed

        self.aws.wire.watchers.append(watch)
        return lambda: count


PROMOTED = {("2", "Live traffic", False)}
BACK = {("1", "Live traffic", False)}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[float], Stage]]:
    made: list[AwsStandIn] = []

    def begin(failing: float) -> Stage:
        while made:
            made.pop().__exit__(None, None, None)
        aws = AwsStandIn(seed=7)
        aws.__enter__()
        made.append(aws)
        return Stage(aws, tmp_path / str(len(list(tmp_path.iterdir()))), failing)

    yield begin
    while made:
        made.pop().__exit__(None, None, None)


Make = Callable[[float], Stage]


@pytest.mark.parametrize(
    ("failing", "phase", "aliases"), [(0.0, Phase.PROMOTED, PROMOTED), (0.3, Phase.ROLLED_BACK, BACK)]
)
def test_a_fleet_is_promoted_or_rolled_back_as_one(
    make: Make, failing: float, phase: Phase, aliases: set[tuple[str, str, bool]]
) -> None:
    release = make(failing)
    state = release.drive()
    assert (state.phase, release.aliases()) == (phase, aliases), state.why
    if failing:
        assert "worker:live" in state.why
    ended = release.events()[-1]
    assert isinstance(ended, CanaryEnded)
    assert ended.outcome is phase


@pytest.mark.parametrize(("failing", "aliases"), [(0.0, PROMOTED), (0.3, BACK)])
def test_killed_after_every_write_in_turn_and_restarted_it_ends_the_same(
    make: Make, failing: float, aliases: set[tuple[str, str, bool]]
) -> None:
    calm = make(failing)
    count = calm.kill_at(-1)
    calm.drive()
    total = count()
    assert total >= 8
    for number in range(1, total + 1):
        release = make(failing)
        release.kill_at(number)
        with pytest.raises(Killed):
            release.drive()
        release.aws.wire.watchers.clear()
        release.aws.clock.advance(150)
        if release.under_way() or release.aliases() == BACK:
            release.drive()
        assert release.aliases() == aliases, f"killed after write {number}"


@pytest.mark.parametrize(("failing", "aliases"), [(0.0, PROMOTED), (0.3, BACK)])
def test_faults_on_a_third_of_all_calls_lost_answers_included_end_the_same(
    make: Make, failing: float, aliases: set[tuple[str, str, bool]]
) -> None:
    release = make(failing)
    for fault in (Fault.THROTTLED, Fault.SERVER_ERROR, Fault.LOST_ANSWER):
        release.aws.faults.add(fault, "lambda.*", probability_ratio=0.11)
        release.aws.faults.add(fault, "cloudwatch.*", probability_ratio=0.11)
    release.drive()
    release.aws.faults.clear()
    assert release.aliases() == aliases


@pytest.mark.parametrize("delay_s", [600.0, 86_400.0])
def test_a_late_or_silent_cloudwatch_never_promotes_anything_unseen(make: Make, delay_s: float) -> None:
    release = make(0.3)
    release.aws.metrics.delay_s = delay_s
    state = release.drive()
    assert state.phase in {Phase.INCONCLUSIVE, Phase.ROLLED_BACK}
    assert state.weight_bp <= 2000


def test_of_two_drivers_one_wins(make: Make) -> None:
    release = make(0.0)
    winner: list[str] = []

    class Overtaken:
        """The loser has read and checked everything; then somebody else starts and is faster."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ports.metrics, name)

        def measure(self, *arguments: Any) -> Observations:
            found = ports.metrics.measure(*arguments)
            if not winner:
                winner.append("")
                winner[0] = runner.start(release.stage, release.ports(), versions={"": "2"}).canary_id
            return found

    ports = release.ports()
    metrics: Any = Overtaken()
    with pytest.raises(ConflictError, match=r"canary \w{8} ") as lost:
        runner.start(release.stage, replace(ports, metrics=metrics), versions={"": "2"})
    assert winner[0] in lost.value.message
    with pytest.raises(ConflictError, match=winner[0]):
        runner.start(release.stage, release.ports(), versions={"": "2"})
    assert (
        runner.run(release.stage, release.ports(), runner.resume(release.stage, release.ports())).phase
        is Phase.PROMOTED
    )


@pytest.mark.parametrize("nth", [1, 3, 5])
def test_a_foreign_writer_stops_the_canary_and_is_never_written_over(make: Make, nth: int) -> None:
    release = make(0.0)
    release.aws.lambda_.deploy("worker", handler(3))
    release.aws.foreign.move_alias(
        "worker", "live", "3", weights={}, description="by hand", after_call="lambda.UpdateAlias", nth=nth
    )
    try:
        state = release.drive()
        assert state.phase is Phase.CONFLICT
    except ConflictError:
        assert nth == 1
    alias = release.aws.session().client("lambda").get_alias(FunctionName="worker", Name="live")
    assert (alias["FunctionVersion"], alias["Description"]) == ("3", "by hand")
