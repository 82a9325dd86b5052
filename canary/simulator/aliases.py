"""Time that jumps and aliases in memory, for an invented world; nothing here draws or judges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from canary.core.plan import FunctionRef
from canary.core.traffic import ALL_BP, AliasSpec, AliasState, FunctionFacts, VersionFacts
from canary.errors import StaleRevisionError

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
BASE = "1"
CANDIDATE = "2"


class SimulatedClock:
    """Time that passes only when somebody waits."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """The invented time."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Jumps."""
        self._now += timedelta(seconds=seconds)


class SimulatedTraffic:
    """Aliases in memory, with revisions, and when their weights changed."""

    def __init__(self, functions: Iterable[FunctionRef], clock: SimulatedClock) -> None:
        self._clock = clock
        self._revision = 0
        self._aliases = {
            function.key: AliasState(function, BASE, None, 0, "", self._next_revision()) for function in functions
        }
        self.shares: dict[str, list[tuple[datetime, float]]] = {key: [(clock.now(), 0.0)] for key in self._aliases}

    def read(self, function: FunctionRef) -> AliasState:
        """What the alias says."""
        return self._aliases[function.key]

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        """Writes like `UpdateAlias` with a RevisionId."""
        known = self._aliases[function.key]
        if known.revision_id != revision_id:
            raise StaleRevisionError(f"{function} was written by somebody else")
        state = replace(
            known,
            version=spec.version,
            extra_version=spec.extra_version,
            extra_bp=spec.extra_bp,
            description=spec.description,
            revision_id=self._next_revision(),
        )
        self._aliases[function.key] = state
        share = 1.0 if spec.version == CANDIDATE else spec.extra_bp / ALL_BP
        if self.shares[function.key][-1][1] != share:
            self.shares[function.key].append((self._clock.now(), share))
        return state

    def publish(self, function: FunctionRef) -> str:  # noqa: ARG002 - every function has the same two versions
        """The new version."""
        return CANDIDATE

    def newest_version(self, function: FunctionRef) -> str | None:  # noqa: ARG002
        """The new version."""
        return CANDIDATE

    def version_facts(self, function: FunctionRef, version: str) -> VersionFacts:  # noqa: ARG002
        """A version that passes every check."""
        return VersionFacts(
            version=version,
            state="Active",
            role="role",
            dead_letter_arn="",
            timeout_s=3,
            code_sha256=version,
            config_sha256=version,
            durable=False,
        )

    def function_facts(self, function: FunctionRef) -> FunctionFacts:  # noqa: ARG002
        """A function that nothing calls past its alias."""
        return FunctionFacts()

    def share_in(self, key: str, start: datetime, end: datetime) -> float:
        """The new version's mean share of a span of time, as ratio."""
        changes = self.shares[key]
        total = 0.0
        for index, (at, share) in enumerate(changes):
            until = changes[index + 1][0] if index + 1 < len(changes) else end
            overlap = (min(until, end) - max(at, start)).total_seconds()
            if overlap > 0:
                total += share * overlap
        span = (end - start).total_seconds()
        return total / span if span > 0 else 0.0

    def _next_revision(self) -> str:
        self._revision += 1
        return str(self._revision)
