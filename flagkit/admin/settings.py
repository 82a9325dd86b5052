"""The settings of sources, in flagkit.toml: who is notified, who approves, and where exposures are counted.

Addresses and signing secrets are named by environment variables, because the file belongs into version control.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from flagkit.authoring.source import problems_of
from flagkit.errors import UsageError

MAX_BYTES: Final = 1_000_000

_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_BUS = r"^(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[/.A-Za-z0-9_-]{1,256}$"
_TOPIC = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$"


def _http_url(text: str) -> str:
    problem = url_problem(text)
    if problem:
        raise ValueError(problem)
    return text


def url_problem(text: str) -> str:
    """Return what is wrong with the address of a receiver, or an empty text. The address itself is a secret."""
    try:
        parts = urlsplit(text)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    return "" if fine and text.isprintable() and " " not in text else "not a valid http or https URL"


class _OfSource(BaseModel):
    """What all tables have: the sources that they are about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(default="*", min_length=1)


class HttpReceiver(_OfSource):
    """Slack, Microsoft Teams, or any program that takes a signed webhook."""

    kind: Literal["slack", "teams", "webhook"]
    url: Annotated[str, AfterValidator(_http_url)] | None = None
    url_env: str | None = Field(default=None, pattern=_NAME)
    secret_env: str | None = Field(default=None, pattern=_NAME)

    @model_validator(mode="after")
    def _check(self) -> HttpReceiver:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("give either url_env, the environment variable with the address, or url")
        if self.secret_env is not None and self.kind != "webhook":
            raise ValueError(f"{self.kind} takes no secret_env: only a webhook is signed")
        return self


class SnsReceiver(_OfSource):
    """An SNS topic."""

    kind: Literal["sns"]
    topic_arn: str = Field(pattern=_TOPIC)


class EventBridgeReceiver(_OfSource):
    """An EventBridge bus: its name, or its ARN."""

    kind: Literal["eventbridge"]
    bus: str = Field(default="default", pattern=_BUS)


Receiver = HttpReceiver | SnsReceiver | EventBridgeReceiver


class ExposureMetrics(_OfSource):
    """Where the exposures of a source are counted: the CloudWatch namespace that `EmfSink` writes to."""

    namespace: str = Field(default="flagkit", pattern=r"^[^:\x00-\x1f][\x20-\x7e]{0,254}$")
    region: str | None = Field(default=None, pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$")


class Approvals(_OfSource):
    """How many other people approve a change of a source before it is saved."""

    count: int = Field(default=1, ge=1, le=5)
    exempt: tuple[Literal["guarded_rollouts"], ...] = ()


def _tables(value: object) -> object:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("not a list of tables: double brackets begin a table, such as [[notices]]")
    return value


class _SignIn(BaseModel):
    """How people sign in to the console, before they reach it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(min_length=1)
    name_claim: str = Field(default="email", min_length=1)
    groups_claim: str = Field(default="cognito:groups", min_length=1)


class BalancerTable(_SignIn):
    """An Application Load Balancer signs people in."""

    kind: Literal["alb"]
    signer: str = Field(min_length=1)
    client_id: str = Field(min_length=1)
    groups_from: Literal["data", "access_token"] = "data"


class TokenTable(_SignIn):
    """A gateway signs people in, and sends `Authorization: Bearer`."""

    kind: Literal["token"]
    audience: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    use: Literal["access", "id"] | None = None


class RoleTable(BaseModel):
    """A role for everybody in a group, in environments whose names fit a pattern."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["viewer", "toggler", "approver", "admin"]
    group: str = Field(min_length=1)
    environments: str = Field(default="*", min_length=1)


class ConsoleTable(BaseModel):
    """How the web console is reached, and who may do what there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosts: tuple[Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)$")], ...] = ()
    audit_file: Path | None = None
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    sign_in: Annotated[BalancerTable | TokenTable, Field(discriminator="kind")] | None = None
    roles: Annotated[tuple[RoleTable, ...], BeforeValidator(_tables)] = ()

    @model_validator(mode="after")
    def _check(self) -> ConsoleTable:
        if self.sign_in is not None and not self.roles:
            raise ValueError("nobody has a role: add [[console.roles]] with a group and a role")
        if self.sign_in is None and self.roles:
            raise ValueError(
                "roles need [console.sign_in]: without it there is one local person, who may do everything"
            )
        return self


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    notices: Annotated[tuple[Annotated[Receiver, Field(discriminator="kind")], ...], BeforeValidator(_tables)] = ()
    exposures: Annotated[tuple[ExposureMetrics, ...], BeforeValidator(_tables)] = ()
    approvals: Annotated[tuple[Approvals, ...], BeforeValidator(_tables)] = ()
    console: ConsoleTable | None = None


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """The receivers of a settings file.

    Attributes:
        path: the file; None if there is none.
        receivers: all of them, for whatever source.
        exposures: where exposures are counted, for whatever source.
        approvals: which sources are changed only after an approval.
        console: how the web console is reached; None where the file says nothing.
    """

    path: Path | None = None
    receivers: tuple[Receiver, ...] = ()
    exposures: tuple[ExposureMetrics, ...] = ()
    approvals: tuple[Approvals, ...] = ()
    console: ConsoleTable | None = None

    def of(self, names: Collection[str]) -> tuple[Receiver, ...]:
        """Return who is notified of a source that has these names (see `name_of_source`)."""
        return tuple(item for item in self.receivers if any(self._fits(item.source, name) for name in names))

    def metrics_of(self, names: Collection[str]) -> ExposureMetrics | None:
        """Return where the exposures of a source are counted; the first table that names it counts."""
        fits = (item for item in self.exposures if any(self._fits(item.source, name) for name in names))
        return next(fits, None)

    def approvals_of(self, names: Collection[str]) -> int:
        """Return how many people approve a change of a source; of all tables that name it, the most."""
        fits = (item.count for item in self.approvals if any(self._fits(item.source, name) for name in names))
        return max(fits, default=0)

    def frees_rollouts_of(self, names: Collection[str]) -> bool:
        """Return whether guarded rollouts of a source need no approval: every table that names it has to say so."""
        fits = [item for item in self.approvals if any(self._fits(item.source, name) for name in names)]
        return bool(fits) and all("guarded_rollouts" in item.exempt for item in fits)

    def _fits(self, pattern: str, name: str) -> bool:
        if pattern == "*" or pattern.startswith("appconfig:"):
            return fnmatchcase(name, pattern)
        folder = Path() if self.path is None else self.path.parent
        return fnmatchcase(name, str((folder / pattern.removeprefix("file:")).resolve()))


def read_settings(path: Path) -> SourceSettings:
    """Read a settings file.

    Raises:
        UsageError: it can't be read, or is not valid; the line is named.
    """
    hint = "Correct the file; docs/notices.md and docs/production.md show its form."
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"{path} is larger than {MAX_BYTES:,} bytes", hint=hint)
        text = content.decode("utf-8-sig")
        tables = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="Check $FLAGKIT_CONFIG.") from error
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", hint="Save it as UTF-8.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}", hint=hint) from None
    try:
        found = _File.model_validate(tables)
        return SourceSettings(path.resolve(), found.notices, found.exposures, found.approvals, found.console)
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(problems_of(error, text, _KEYS))}", hint=hint) from None


def problems(receiver: Receiver, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is likely wrong with a receiver, without asking it."""
    if not isinstance(receiver, HttpReceiver):
        return ()
    named = [name for name in (receiver.url_env, receiver.secret_env) if name is not None]
    found = [f"the environment variable {name} is not set" for name in named if not environment.get(name)]
    url = receiver.url or environment.get(receiver.url_env or "", "")
    if url and url_problem(url):
        found.append(f"the environment variable {receiver.url_env} holds no valid http or https URL")
    elif url and urlsplit(url).scheme == "http" and not _is_local(urlsplit(url).hostname or ""):
        found.append("notices are sent unencrypted: use https")
    if receiver.url is not None and receiver.kind != "webhook":
        found.append("the address of a chat is a secret: put it into an environment variable, and name that in url_env")
    if receiver.kind == "webhook" and receiver.secret_env is None:
        found.append("notices are not signed: name the environment variable with the secret in secret_env")
    return tuple(found)


def _is_local(host: str) -> bool:
    return host in {"localhost", "::1"} or re.fullmatch(r"127(\.[0-9]+){3}", host) is not None


_CONSOLE = (ConsoleTable, BalancerTable, TokenTable, RoleTable)
_KEYS = sorted(
    {
        name
        for model in (_File, *_CONSOLE, Approvals, ExposureMetrics, HttpReceiver, SnsReceiver, EventBridgeReceiver)
        for name in model.model_fields
    }
)
