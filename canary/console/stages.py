"""What the panel reads: the plan, each stage as it is now, and the journal. It changes nothing and sends nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from canary.adapters.aws import Session, open_session
from canary.adapters.clock import SystemClock
from canary.assembly import assemble, load_plan, open_journal
from canary.console.reads import Answer, Read, Reads
from canary.console.settings import ReleasesSettings
from canary.core.events import CanaryStarted, Event, Origin
from canary.core.plan import Plan, StagePlan
from canary.core.state import CanaryState
from canary.errors import NotFoundError, UnavailableError
from canary.ports import Clock, Journal
from canary.runner import Ports
from canary.runner.session import NoPairs
from canary.view.current import StageNow, measured_now, past_view, stage_now
from canary.view.model import CanaryView

PAST_FRESH: Final = 5
"""How much longer the list of past canaries is used again than what a stage is now."""

Row = Mapping[str, str]


class Stages:
    """The stages of a plan.

    Args:
        settings: where the plan is.
    """

    def __init__(self, settings: ReleasesSettings) -> None:
        self.settings = settings
        self.reads = Reads(settings.deadline_s)
        self._lock = threading.Lock()
        self._plan: tuple[object, Plan] | None = None
        self._ports: dict[str, tuple[StagePlan, Ports]] = {}
        self._files: dict[str, Journal] = {}
        self._measured: dict[str, tuple[datetime, tuple[Event, ...]]] = {}

    @property
    def plan(self) -> Plan:
        """The plan as its file says now.

        Raises:
            PlanError: no such file, or the plan is wrong.
        """
        try:
            found = self.settings.plan.stat()
            mark: object = (found.st_mtime_ns, found.st_size)
        except OSError:
            mark = None
        known = self._plan
        if known is None or known[0] != mark:
            known = self._plan = (mark, load_plan(self.settings.plan))
        return known[1]

    def now(self, names: Sequence[str]) -> dict[str, Answer]:
        """Each stage as it is now (`StageNow`), under one deadline."""
        plan = self.plan
        fresh_s = self.settings.fresh_s
        reads: dict[Hashable, Read] = {
            ("now", name): Read(partial(self._now, plan.stage(name)), fresh_s) for name in names
        }
        answers = self.reads.all(reads)
        return {name: answers["now", name] for name in names}

    def past(self, name: str | None = None) -> Answer:
        """The rows of the journal (a list), newest first; of all stages where no name is given."""
        plan = self.plan
        stages: list[str | None] = [None]  # a directory has them all, a table is asked for each stage
        if plan.journal.startswith("dynamodb:"):
            stages = list(plan.stages) if name is None else [name]
        fresh_s = PAST_FRESH * self.settings.fresh_s
        found = self.reads.all({("past", stage): Read(partial(self._rows, plan, stage), fresh_s) for stage in stages})
        rows = [row for answer in found.values() for row in answer.value or () if name in {None, row["stage"]}]
        problem = next((answer.problem for answer in found.values() if answer.problem), None)
        return Answer(sorted(rows, key=lambda row: row["started_at"], reverse=True), problem=problem)

    def one(self, name: str, canary_id: str) -> CanaryView:
        """A canary as the journal tells it.

        Raises:
            NotFoundError: the journal has no such canary in this stage.
            CanaryError: it can't be read now.
        """
        plan = self.plan
        answer = self.reads.one(("one", name, canary_id), Read(partial(self._one, plan, plan.stage(name), canary_id)))
        if answer.value is None:
            assert answer.problem is not None
            raise answer.problem
        view: CanaryView = answer.value
        return view

    def changed(self, name: str) -> None:
        """Something was changed in a stage: what was read before is old."""
        self.reads.forget(("now", name))
        self.reads.forget(("past", None))
        self.reads.forget(("past", name))

    def ports(self, stage: StagePlan, by: str) -> Ports:
        """Ports that act, with the plan's notifications and dead-man switch, for one action of a person."""
        clock = self.settings.clock or SystemClock()
        return assemble(
            self.plan,
            stage.name,
            base=self.settings.base,
            session=self._session(stage),
            clock=clock,
            origin=Origin(started_by=by),
            engine=stage.engine,
        )

    def reading_ports(self, stage: StagePlan) -> Ports:
        """Ports that only read, and ask once: a page asks again by itself. Made once for each plan of a stage."""
        with self._lock:
            known = self._ports.get(stage.name)
            if known is None or known[0] != stage:
                ports = assemble(
                    self.plan,
                    stage.name,
                    base=self.settings.base,
                    session=self._session(stage),
                    clock=_AskedOnce(self.settings.clock),
                )
                ports = replace(
                    ports, observers=(), hooks=None, pairs=NoPairs(), journal=_ReadOnly(ports.journal), jitter=float
                )
                known = self._ports[stage.name] = (stage, ports)
            return known[1]

    def _now(self, stage: StagePlan) -> StageNow:
        return stage_now(stage, self.reading_ports(stage), measure=self._measure, trusts_driver=True)

    def _measure(self, state: CanaryState, ports: Ports) -> tuple[Event, ...]:
        """Asks the metrics, which cost money, no more often than a driver would."""
        key, now = f"{state.stage.name} {state.canary_id} {state.weight_bp}", ports.clock.now()
        known = self._measured.get(key)
        if known is None or now - known[0] >= state.stage.tick:
            known = self._measured[key] = (now, tuple(measured_now(state, ports)))
        return known[1]

    def _rows(self, plan: Plan, stage: str | None) -> Sequence[Row]:
        return self._journal(plan, stage).canaries(stage)

    def _one(self, plan: Plan, stage: StagePlan, canary_id: str) -> CanaryView:
        events = list(self._journal(plan, stage.name).events(canary_id))
        if not any(isinstance(event, CanaryStarted) and event.stage == stage.name for event in events):
            raise NotFoundError(
                f"the journal has no canary {canary_id} in stage {stage.name}", hint="The list has all canaries."
            )
        return past_view(events, plan)

    def _journal(self, plan: Plan, stage: str | None) -> Journal:
        """The journal to read; that of files remembers what it has read."""
        if stage is not None and plan.journal.startswith("dynamodb:"):
            return open_journal(plan, base=self.settings.base, session=self._session(plan.stage(stage)), stage=stage)
        with self._lock:
            return self._files.setdefault(plan.journal, open_journal(plan, base=self.settings.base))

    def _session(self, stage: StagePlan) -> Session:
        if self.settings.sessions is not None:
            return self.settings.sessions(stage)
        return open_session(self.settings.region or stage.region, self.settings.profile)


class _AskedOnce(SystemClock):
    """A clock that doesn't wait: what would wait for another attempt ends with the error of the first.

    Args:
        clock: another clock to read; the machine's where None.
    """

    def __init__(self, clock: Clock | None) -> None:
        super().__init__()
        self._clock = clock

    def now(self) -> datetime:
        """The time of day."""
        return super().now() if self._clock is None else self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Ends the call."""
        error = sys.exception()
        raise error if isinstance(error, UnavailableError) else UnavailableError(f"not ready within {seconds:g} s")


class _ReadOnly:
    """A journal that takes nothing: whoever looks leaves no trace."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, event: Event) -> None:
        """Drops the event."""

    def events(self, canary_id: str) -> Iterable[Event]:
        """All events of one canary."""
        return self._journal.events(canary_id)

    def canaries(self, stage: str | None = None) -> Sequence[Row]:
        """One row per canary."""
        return self._journal.canaries(stage)
