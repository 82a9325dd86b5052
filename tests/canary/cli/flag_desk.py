"""The commands on a flag in a file, with a table of outcomes that synthetic users fill: no AWS, virtual time."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from canary.assembly import assemble, load_plan
from canary.cli import run
from canary.cli.session import CliContext
from canary.core.plan import StagePlan
from canary.runner import Ports
from flagkit.admin import edits
from flagkit.admin.stores import Note, open_store
from flagkit.core.documents import FlagDocument
from flagkit.errors import FlagkitError
from flagkit.testing import VirtualClock
from tests.canary.cli.conftest import Done, FakeRevision

KEY = "new_checkout"
PLAN = """\
journal = "file:journal"

[stages.checkout]
flag = "file:flags.json#new_checkout"
steps = [5, 50, 100]
bake = "10m"
outcomes = "csv:outcomes.csv"
window = "5m"

[stages.checkout.gates]
orders = { kind = "value", metric = "orders", percent_of_baseline = 90 }

[stages.checkout.rules]
clean_tree = false
"""


@dataclass
class FlagDesk:
    """A person at a terminal, and users of the program.

    Attributes:
        per_minute: new users.
        failing: share of them with a failed request, with the flag and without it.
        lost: share of the users with the flag that are never counted.
        counted: whether the program counts anybody.
    """

    base: Path
    capture: pytest.CaptureFixture[str]
    clock: VirtualClock = field(default_factory=VirtualClock)
    per_minute: int = 2000
    failing: tuple[float, float] = (0.01, 0.01)
    lost: float = 0.0
    counted: bool = True
    answer: str = "y"
    asked: list[str] = field(default_factory=list)
    rows: list[tuple[datetime, str, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.write_plan(PLAN)
        self.edit(lambda document: edits.create(document, KEY))
        self._write()
        self.clock.call_every(60.0, self._come)

    def __call__(self, *words: str) -> Done:
        self.capture.readouterr()
        context = CliContext(clock=self.clock, revision=FakeRevision(), base=self.base, ask=self._ask)
        code = run(words, context)
        caught = self.capture.readouterr()
        return Done(code, caught.out, caught.err)

    @property
    def stage(self) -> StagePlan:
        return load_plan(self.base / "canary.toml").stage("checkout")

    def ports(self) -> Ports:
        return assemble(load_plan(self.base / "canary.toml"), "checkout", base=self.base, clock=self.clock)

    def write_plan(self, text: str) -> None:
        (self.base / "canary.toml").write_text(text)

    def edit(self, change: Callable[[FlagDocument], FlagDocument]) -> None:
        store = open_store(f"file:{self.base / 'flags.json'}")
        found = store.read(missing_ok=True)
        store.save(found, change(found.document), Note())
        store.close()

    @property
    def percent(self) -> Decimal:
        document = open_store(f"file:{self.base / 'flags.json'}").read().document
        try:
            return edits.exposed_percent(document, KEY)
        except FlagkitError:
            return Decimal(0)

    def _ask(self, question: str) -> str:
        self.asked.append(question)
        return self.answer

    def _come(self) -> None:
        """The users of the last minute, whose windows end in four."""
        ends = self.clock.now().replace(second=0, microsecond=0) + timedelta(minutes=3)
        share = float(self.percent) / 100
        with_it = round(self.per_minute * share)
        for arm, users, failing in (
            ("on", round(with_it * (1 - self.lost)), self.failing[0]),
            ("off", self.per_minute - with_it, self.failing[1]),
        ):
            self.rows.append((ends, arm, users, round(users * failing)))
        self._write()

    def _write(self) -> None:
        if not self.counted:
            return
        with (self.base / "outcomes.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(("minute", "arm", "users", "failed", "orders.sum", "orders.squares"))
            for minute, arm, users, failed in self.rows:
                table.writerow((f"{minute:%Y-%m-%dT%H:%M}", arm, users, failed, 20.0 * users, 500.0 * users))
