"""What Lambda remembers: functions, versions, aliases. Values and look-ups only, no rules of the API."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from canary.testing.lambda_.code import Code, sha256_base64
from canary.testing.lambda_.environments import Environments

LATEST = "$LATEST"


@dataclass(slots=True, eq=False)
class Version:
    """One version of a function, `$LATEST` included.

    Attributes:
        number: `1`, `2`, … or `$LATEST`.
        code: what it runs.
        config: the settings as the client gave them, by AWS's names.
        revision_id: changes with every change.
        modified_at: virtual time.
        active_at: until then the version is Pending.
        updated_at: until then its last update is InProgress.
        environments: its execution environments.
        published_from: the settings of `$LATEST` when it was published.
    """

    number: str
    code: Code
    config: dict[str, Any]
    revision_id: str
    modified_at: datetime
    active_at: datetime
    updated_at: datetime
    environments: Environments = field(default_factory=Environments)
    published_from: dict[str, Any] | None = None

    @property
    def timeout_s(self) -> float:
        """The function's timeout."""
        return float(self.config["Timeout"])

    @property
    def config_sha256(self) -> str:
        """AWS's `ConfigSha256`: with the code's digest the identity of a version (lambda-canary.md §1)."""
        same = {name: value for name, value in self.config.items() if name != "Description"}
        return sha256_base64(json.dumps(same, sort_keys=True).encode())


@dataclass(slots=True, eq=False)
class Alias:
    """An alias: a primary version and at most one further version with a weight.

    Attributes:
        earlier: the routing before the last change, still seen by some requests until it has settled.
        changed_at: when the routing was last changed.
        drain_number: counts the drains that AWS starts itself, so that only the last one ends.
    """

    name: str
    primary: str
    weights: dict[str, float]
    description: str
    revision_id: str
    earlier: tuple[str, dict[str, float]]
    changed_at: datetime
    drain_number: int = 0


@dataclass(slots=True, eq=False)
class Function:
    """A function with everything that hangs on it; the dictionaries are keyed by qualifier ("" for none)."""

    name: str
    arn: str
    latest: Version
    versions: dict[str, Version] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    last_number: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    reserved_concurrency: int | None = None
    provisioned: dict[str, Provisioned] = field(default_factory=dict)
    urls: dict[str, dict[str, Any]] = field(default_factory=dict)
    event_invoke: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def version(self, number: str) -> Version | None:
        """The version of that number, `$LATEST` included."""
        return self.latest if number == LATEST else self.versions.get(number)

    def qualified_arn(self, qualifier: str | None) -> str:
        """The ARN with a version or alias behind it."""
        return f"{self.arn}:{qualifier}" if qualifier else self.arn

    def busy(self, at_s: float) -> int:
        """How many invocations of all versions run at a moment."""
        return sum(version.environments.busy(at_s) for version in (self.latest, *self.versions.values()))


@dataclass(slots=True)
class Provisioned:
    """A provisioned concurrency config of a version or alias."""

    requested: int
    ready_at: datetime
    modified_at: datetime
