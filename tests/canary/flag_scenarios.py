"""A flag that is rolled out, in a file or in AppConfig; its drivers may be killed, and others edit it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import boto3
import pytest

from canary import runner
from canary.adapters.flag_target import FlagAliases
from canary.core.alias import ALL_BP, AliasSpec, AliasState
from canary.core.events import CanaryEnded, Event, Judged, Measured, PhaseChanged, TrafficShifted
from canary.core.phases import Phase
from canary.core.plan import FlagTarget, FunctionRef, StagePlan
from canary.core.state import CanaryState
from canary.runner import Ports
from canary.simulator import Simulation
from canary.simulator.ports import InMemoryJournal
from canary.testing import AwsStandIn
from flagkit.admin import edits
from flagkit.admin.entries import EMPTY
from flagkit.admin.stores import FlagStore, Note, open_store
from flagkit.admin.stores.disk import Disk
from flagkit.core.documents import FlagDocument
from flagkit.errors import FlagkitError
from flagkit.testing import AppConfigFlags
from tests.canary.runner.test_flag_rollouts import SteadyUsers

KEY = "new_checkout"
READS = ("appconfig.Get", "appconfig.List")
Edit = Callable[[FlagDocument], FlagDocument]


class Killed(BaseException):
    """The driver's process ends here; none of its code sees that."""


class Users(SteadyUsers):
    """Users who suffer at and above a percentage only."""

    suffers_from_bp = 0

    def failing_ratio(self, key: str, version: str, minute: datetime) -> float:
        alias = self.aliases.state_at(key, minute)
        return super().failing_ratio(key, version, minute) if alias.share_bp("2") >= self.suffers_from_bp else 0.0


class Scenario:
    """The flag, its stage, users that are counted, and a journal; everything but the drivers' memory.

    Attributes:
        moments: what the driver did so far that somebody else can see.
        act: called at each of them with its number.
        shares: the percentages that users had, one after the other.
    """

    clock = None

    def __init__(self, url: str, **settings: object) -> None:
        self.url = url
        plan = {"name": "checkout", "flag": f"{url}#{KEY}", "outcomes": "csv:unused.csv", "steps": [1, 25, 100]}
        self.stage = StagePlan.model_validate({**plan, "watch_max": "20m", **settings})
        self.simulation = Simulation(self.stage, clock=self.clock)
        self.simulation.clock.sleep(300)
        self.users = Users()
        self.users.aliases = self.simulation.aliases
        self.simulation.metrics.traffic = self.users
        self.simulation.journal = Watched(self)
        self.moments: list[str] = []
        self.act: Callable[[int], object] = lambda number: None
        self.is_driven = False
        self.shares: list[float] = [0.0]
        self.edit(lambda document: edits.create(edits.create(document, KEY), "other"))

    def store(self) -> FlagStore:
        return open_store(self.url)

    def aliases(self) -> FlagAliases:
        target = self.stage.flag
        assert target is not None
        return Seen(target, self)

    def ports(self, **changes: object) -> Ports:
        """Those of a new process."""
        return replace(self.simulation.ports(), aliases=self.aliases(), **changes)

    def edit(self, change: Edit, *, deploy: bool = True) -> None:
        """What somebody else does."""
        with self.undriven():
            store = self.store()
            base = store.read(missing_ok=True)
            receipt = store.save(base, change(base.document), Note())
            if deploy and store.deployments is not None:
                store.deployments.deploy(receipt.version.number, pace="immediate", when_busy="replace_any")
            store.close()
            self.show()

    @contextmanager
    def undriven(self) -> Iterator[None]:
        was, self.is_driven = self.is_driven, False
        try:
            yield
        finally:
            self.is_driven = was

    def happened(self, what: str) -> None:
        """At each moment of a driver: the n-th may be its last."""
        if self.is_driven:
            self.moments.append(what)
            if not what.startswith(READS):
                with self.undriven():
                    self.show()
            self.act(len(self.moments) - 1)

    def show(self) -> None:
        """Lets the users see what is live."""
        percent = self.percent
        if percent is not None and percent != self.shares[-1]:
            self.shares.append(percent)
            share_bp = round(percent * 100)
            is_shared = 0 < share_bp < ALL_BP
            self.simulation.aliases.change(
                f"flag.{KEY}:on",
                version="2" if share_bp == ALL_BP else "1",
                extra_version="2" if is_shared else None,
                extra_bp=share_bp if is_shared else 0,
            )

    @property
    def document(self) -> FlagDocument:
        """What is live."""
        store = self.store()
        served = None if store.deployments is None else store.deployments.status().served
        return store.read(served, missing_ok=True).document if store.deployments is None or served else EMPTY

    @property
    def percent(self) -> float | None:
        """Who has it; None where no percentage says that."""
        with suppress(FlagkitError):
            return float(edits.exposed_percent(self.document, KEY))
        return None

    @property
    def record(self) -> str | None:
        return edits.rollout_record(self.document, KEY)

    def deploy(self) -> CanaryState:
        """What `canary deploy` does, in a process that may be killed."""
        ports = self.ports()
        self.is_driven = True
        try:
            return runner.run(self.stage, ports, runner.start(self.stage, ports, canary_id="k3f9a2c1"))
        finally:
            self.is_driven = False

    def begin(self) -> CanaryState:
        """The first step is live, and its driver is gone."""
        ports = self.ports()
        return runner.tick(self.stage, ports, runner.start(self.stage, ports, canary_id="k3f9a2c1")).state

    def resumed(self) -> CanaryState:
        """What another process makes of it."""
        ports = self.ports()
        found = runner.current(self.stage, ports)
        if found is None:
            return runner.tick(self.stage, ports).state
        if found.phase is Phase.STARTING:
            found = runner.start(self.stage, ports, canary_id="k3f9a2c1")
        return runner.run(self.stage, ports, runner.resume(self.stage, ports))

    def killed_at(self, number: int) -> bool:
        """Kills `deploy` at a moment; tells whether it came to that."""

        def kill(at: int) -> None:
            if at == number:
                raise Killed

        self.act = kill
        try:
            self.deploy()
        except Killed:
            return True
        finally:
            self.act = lambda at: None
        return False

    @property
    def ends(self) -> list[Phase]:
        return [event.outcome for event in self.simulation.journal.written if isinstance(event, CanaryEnded)]

    @property
    def turns(self) -> list[tuple[object, ...]]:
        """Everything in the journal that a canary does once: each step, each change of phase, one rollback."""
        return [
            (event.weight_bp, event.why.startswith(("canary started", "advanced")))
            if isinstance(event, TrafficShifted)
            else (event.before, event.after)
            for event in self.simulation.journal.written
            if isinstance(event, (TrafficShifted, PhaseChanged))
        ]


class Seen(FlagAliases):
    """A flag whose share the synthetic users see."""

    def __init__(self, target: FlagTarget, scenario: Scenario) -> None:
        super().__init__(target, "on", None, clock=scenario.clock)
        self._scenario = scenario

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        try:
            return super().write(function, spec, revision_id)
        finally:
            with self._scenario.undriven():
                self._scenario.show()


class Watched(InMemoryJournal):
    """A journal before and after whose lines a driver may be killed."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self._scenario = scenario

    def append(self, event: Event) -> None:
        is_turn = not isinstance(event, (Measured, Judged))
        if is_turn:
            self._scenario.happened(f"before the event {type(event).__name__}")
        super().append(event)
        if is_turn:
            self._scenario.happened(f"after the event {type(event).__name__}")


class FileScenario(Scenario):
    """The flag is in a file: saving is serving."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, **settings: object) -> None:
        folder.mkdir(exist_ok=True)
        for name in ("append", "replace"):
            patch.setattr(Disk, name, self._watched(name, getattr(Disk, name)))
        super().__init__(f"file:{folder / 'flags.json'}", **settings)

    def _watched(self, name: str, call: Callable[..., None]) -> Callable[..., None]:
        def watched(*arguments: object, **named: object) -> None:
            self.happened(f"before the file's {name}")
            call(*arguments, **named)
            self.happened(f"after the file's {name}")

        return watched


class AppConfigScenario(Scenario):
    """The flag is in AppConfig, whose stand-in is called over the wire."""

    def __init__(self, aws: AwsStandIn, **settings: object) -> None:
        self.aws, self.clock = aws, aws.clock
        self.flags = AppConfigFlags(boto3.Session())
        self.flags.client.create_deployment_strategy(
            Name="flagkit-immediate",
            DeploymentDurationInMinutes=0,
            GrowthFactor=100,
            FinalBakeTimeInMinutes=0,
            ReplicateTo="NONE",
        )
        super().__init__(self.flags.url, **settings)
        aws.wire.watchers.append(lambda call: self.happened(call.call))

    def store(self) -> FlagStore:
        return open_store(self.url, clock=self.clock)
