"""Aliases and versions in memory, with the rules of `UpdateAlias`; they know nothing of traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from canary.core.alias import ALL_BP, AliasSpec, AliasState, FunctionFacts, VersionFacts
from canary.core.plan import FunctionRef
from canary.errors import NotFoundError, StaleRevisionError
from flagkit.testing.clock import VirtualClock


class InMemoryAliases:
    """Aliases and versions in dictionaries, with the RevisionId rules of `UpdateAlias`.

    Args:
        clock: dates the changes.

    Attributes:
        states: the present state of each alias, by `FunctionRef.key`.
        versions: facts by (function name, version).
        facts: facts by function name.
        writes: every write of a driver, oldest first.
        clock: dates the changes.
        fault: called before and after each call as `fault("before" | "after", "read" | "write" | "version", key)`; what
            it raises is what the caller gets.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.states: dict[str, AliasState] = {}
        self.versions: dict[tuple[str, str], VersionFacts] = {}
        self.facts: dict[str, FunctionFacts] = {}
        self.writes: list[tuple[str, AliasSpec]] = []
        self.fault: Callable[[str, str, str], object] = lambda moment, call, key: None  # noqa: ARG005
        self.clock = clock
        self._history: dict[str, list[tuple[datetime, AliasState]]] = {}
        self._revision = 0

    def add(self, function: FunctionRef, version: str = "1", candidate: str = "2", description: str = "") -> None:
        """Creates an alias on `version`, and both versions."""
        for number in (version, candidate):
            self.versions[function.function, number] = VersionFacts(
                version=number,
                state="Active",
                role="role",
                dead_letter_arn="",
                timeout_s=3,
                code_sha256=f"code{number}",
                config_sha256=f"config{number}",
                durable=False,
            )
        self._set(AliasState(function, version, None, 0, description, ""))

    def change(self, key: str, **changes: object) -> None:
        """Changes fields of an alias the way another writer would: with a new RevisionId."""
        self._set(replace(self.states[key], **changes))  # type: ignore[arg-type]

    def read(self, function: FunctionRef) -> AliasState:
        """The state of the alias.

        Raises:
            NotFoundError: no such alias.
        """
        self.fault("before", "read", function.key)
        if function.key not in self.states:
            raise NotFoundError(f"no alias {function.key}")
        alias = self.states[function.key]
        self.fault("after", "read", function.key)
        return alias

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        """Writes the alias if its RevisionId still is `revision_id`.

        Raises:
            StaleRevisionError: it isn't.
        """
        self.fault("before", "write", function.key)
        alias = self.states[function.key]
        if alias.revision_id != revision_id:
            raise StaleRevisionError(f"{function} has a newer revision")
        if len(spec.description) > 256:
            raise ValueError(f"a description has at most 256 characters, not {len(spec.description)}")
        self.writes.append((function.key, spec))
        alias = self._set(
            replace(
                alias,
                version=spec.version,
                extra_version=spec.extra_version,
                extra_bp=spec.extra_bp,
                description=spec.description,
            )
        )
        self.fault("after", "write", function.key)
        return alias

    def create(self, function: FunctionRef, version: str) -> None:
        """Creates the alias on a version that exists."""
        self._set(AliasState(function, version, None, 0, "", ""))

    def publish(self, function: FunctionRef) -> str:
        """Publishes a version with the facts of version 1."""
        number = str(int(self.newest_version(function) or "0") + 1)
        self.versions[function.function, number] = replace(self.versions[function.function, "1"], version=number)
        return number

    def newest_version(self, function: FunctionRef) -> str | None:
        """The highest version number."""
        numbers = [int(number) for name, number in self.versions if name == function.function]
        return str(max(numbers)) if numbers else None

    def version_facts(self, function: FunctionRef, version: str) -> VersionFacts:
        """The facts of a version.

        Raises:
            NotFoundError: no such version.
        """
        self.fault("before", "version", function.key)
        try:
            return self.versions[function.function, version]
        except KeyError:
            raise NotFoundError(f"no version {version} of {function.function}") from None

    def function_facts(self, function: FunctionRef) -> FunctionFacts:
        """The facts of a function; by default all its traffic goes through the alias."""
        return self.facts.get(function.function, FunctionFacts())

    def state_at(self, key: str, at: datetime) -> AliasState:
        """The state of the alias at a time; before its first change, its first state."""
        history = self._history[key]
        return next((alias for when, alias in reversed(history) if when <= at), history[0][1])

    def share_in(self, key: str, version: str, start: datetime, end: datetime) -> float:
        """The mean share of the alias' traffic that a version had between two moments, as ratio."""
        history = self._history[key]
        if len(history) == 1 or end <= history[1][0]:
            return _share(history[0][1], version)
        total = 0.0
        for index, (at, alias) in enumerate(history):
            begin = start if index == 0 else max(at, start)
            until = min(history[index + 1][0], end) if index + 1 < len(history) else end
            if until > begin:
                total += _share(alias, version) * (until - begin).total_seconds()
        span = (end - start).total_seconds()
        return total / span if span > 0 else 0.0

    def share_changes(self, key: str, version: str) -> list[tuple[datetime, float]]:
        """The moments at which the share of a version changed, with the new share; the first is its beginning."""
        changes: list[tuple[datetime, float]] = []
        for at, alias in self._history[key]:
            share = _share(alias, version)
            if not changes or changes[-1][1] != share:
                changes.append((at, share))
        return changes

    def _set(self, alias: AliasState) -> AliasState:
        self._revision += 1
        alias = replace(alias, revision_id=f"r{self._revision}")
        self.states[alias.function.key] = alias
        self._history.setdefault(alias.function.key, []).append((self.clock.now(), alias))
        return alias


def _share(alias: AliasState, version: str) -> float:
    if alias.version == version:
        return 1.0 - alias.extra_bp / ALL_BP
    return alias.extra_bp / ALL_BP if alias.extra_version == version else 0.0
