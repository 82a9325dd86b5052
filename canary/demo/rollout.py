"""The demo's guarded rollout: a feature that breaks some of its users, raised step by step by the shipped driver.

Every second new users come to a program that reads the flag; what happened to each of them is reported by
`flags.report`, counted by user, and written to the table that the plan names.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from canary import runner
from canary.adapters.flag_target import FlagAliases
from canary.assembly import assemble
from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.demo.scenario import APPLICATION, ENVIRONMENT, Screen
from canary.view.model import CanaryView
from flagkit import Flags
from flagkit.outcomes import MemoryStore, Outcomes

if TYPE_CHECKING:
    from canary.testing import AwsStandIn

FEATURE = "express_delivery"
PROFILE = "features"
SOURCE = f"appconfig://{APPLICATION}/{ENVIRONMENT}/{PROFILE}"
USERS_PER_SECOND = 50
OTHERS_FAILING = 0.01
"""Share of users with a failed request, with and without the feature."""

PLAN = """\
journal = "file:{journal}"

[stages.express]
flag = "{source}#{feature}"
steps = [1, 5, 25, 50, 100]
bake = "10m"
outcomes = "csv:{table}"

[stages.express.rules]
clean_tree = false
"""


@dataclass(frozen=True, slots=True)
class RolledOut:
    """How the rollout ended.

    Attributes:
        broken: share of users for whom the feature breaks a request, 0 to 1.
        exposed: users that got it.
        failed: those of them with a failed request.
        percent: the flag's percentage afterwards, read from the document.
    """

    broken: float
    phase: Phase
    view: CanaryView
    exposed: int
    failed: int
    percent: float
    minutes: float


class Users:
    """New users of the program, from now on.

    Args:
        aws: the stand-in.
        table: where the outcomes are written, once a minute.
        broken: share of users for whom the feature breaks a request.
        seed: who they are.
    """

    def __init__(self, aws: AwsStandIn, table: Path, broken: float, seed: int) -> None:
        self._random, self._broken = Random(f"{seed}/feature"), broken  # noqa: S311 - synthetic users
        self._store, self._table, self._number = MemoryStore(), table, 0
        self._outcomes = Outcomes(
            self._store,
            secret=f"demo {seed}",
            experiments={FEATURE},
            flush_interval_s=None,
            clock=aws.clock,
        )
        self._flags = Flags.connect(SOURCE, session=aws.session(), clock=aws.clock)
        self._flags.report_to(self._outcomes)
        self.exposed = self.failed = 0
        self._write()
        self._stops = [
            aws.clock.call_every(1.0, self._come),
            aws.clock.call_every(60.0, self._flags.refresh),
            aws.clock.call_every(60.0, self._write),
        ]

    def stop(self) -> None:
        """Nobody comes any more."""
        for stop in self._stops:
            stop()
        self._flags.close()
        self._outcomes.close()

    def _come(self) -> None:
        for _ in range(USERS_PER_SECOND):
            self._number += 1
            user = f"user-{self._number}"
            has = self._flags.is_enabled(FEATURE, user)
            fails = self._random.random() < (self._broken if has else 0.0) or self._random.random() < OTHERS_FAILING
            if fails:
                self._flags.report(user, failed=True)
            self.exposed += has
            self.failed += has and fails
        self._outcomes.flush()

    def _write(self) -> None:
        with self._table.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(("experiment", "minute", "arm", "users", "failed"))
            for name in self._store.experiments:
                for row in self._store.rows(name):
                    minute = datetime.fromtimestamp(row.minute * 60, UTC)
                    lines.writerow((name, f"{minute:%Y-%m-%dT%H:%M}", row.arm, row.users, row.bad.get("failed", 0)))


@contextmanager
def _feature(aws: AwsStandIn) -> Iterator[None]:
    """The feature's profile: a flag that is off, and the strategy without a bake that `flagkit init` creates."""
    from flagkit.admin.edits import create
    from flagkit.admin.stores import Note, open_store

    client: Any = aws.session().client("appconfig")
    application = next(item["Id"] for item in client.list_applications()["Items"] if item["Name"] == APPLICATION)
    client.create_configuration_profile(
        ApplicationId=application, Name=PROFILE, LocationUri="hosted", Type="AWS.Freeform"
    )
    client.create_deployment_strategy(
        Name="flagkit-immediate",
        DeploymentDurationInMinutes=0,
        FinalBakeTimeInMinutes=0,
        GrowthFactor=100,
        ReplicateTo="NONE",
    )
    store = open_store(SOURCE, session=aws.session(), clock=aws.clock)
    base = store.read(missing_ok=True)
    receipt = store.save(base, create(base.document, FEATURE, name="Express delivery"), Note(reason="demo"))
    assert store.deployments is not None
    store.deployments.deploy(receipt.version.number, pace="immediate")
    aws.clock.advance(60)
    yield
    store.close()


def roll_out(aws: AwsStandIn, base: Path, broken: float, seed: int, screen: Screen, plan: Plan) -> RolledOut:
    """Raises the feature's percentage until everybody has it, or its users suffer."""
    stage = plan.stage("express")
    with _feature(aws):
        users = Users(aws, base / "outcomes.csv", broken, seed)
        with screen:
            ports = assemble(plan, "express", base=base, clock=aws.clock, observers=(screen,))
            began = aws.clock.now()
            state = runner.run(stage, ports, runner.start(stage, ports))
        minutes = (aws.clock.now() - began).total_seconds() / 60
        users.stop()
        assert isinstance(ports.aliases, FlagAliases)
        found = ports.aliases.read(stage.functions[0])
        percent = 100.0 if found.version == "2" else found.extra_bp / 100
    return RolledOut(broken, state.phase, screen.builder.view(), users.exposed, users.failed, percent, minutes)


def plan_of(base: Path) -> Plan:
    """The whole plan of the rollout."""
    text = PLAN.format(journal=base / "journal", source=SOURCE, feature=FEATURE, table=base / "outcomes.csv")
    return Plan.parse(text)
