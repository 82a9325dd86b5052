"""What the AppConfig stand-in remembers, and how its things are found; no operation is decided here."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from flagkit.testing.appconfig.rollout import Growth, Progress, Stop, progress
from flagkit.testing.clock import VirtualClock
from flagkit.testing.wire import CallContext, Service, ServiceError

AlarmState = Callable[[str], str]
"""Answers an alarm ARN with OK, ALARM or INSUFFICIENT_DATA."""

FEATURE_FLAGS = "AWS.AppConfig.FeatureFlags"
FREEFORM = "AWS.Freeform"
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_PAGE = 50


@dataclass(slots=True)
class HostedVersion:
    """One hosted configuration version."""

    number: int
    content: bytes
    content_type: str
    description: str | None
    label: str | None


@dataclass(slots=True)
class Profile:
    """A configuration profile and its hosted versions."""

    id: str
    name: str
    type: str
    location_uri: str
    created_at: datetime
    description: str | None = None
    retrieval_role_arn: str | None = None
    validators: list[dict[str, str]] = field(default_factory=list)
    versions: dict[int, HostedVersion] = field(default_factory=dict)
    last_number: int = 0
    last_read_at: datetime | None = None

    @property
    def latest(self) -> HostedVersion | None:
        """The newest remaining version; the lock compares with it, deleted numbers don't count [STACKD]."""
        return self.versions[max(self.versions)] if self.versions else None


@dataclass(slots=True)
class Strategy:
    """A deployment strategy."""

    id: str
    name: str
    growth: Growth
    description: str | None = None
    replicate_to: str = "NONE"


@dataclass(slots=True)
class Deployment:
    """One deployment; its state is computed, not stored."""

    number: int
    profile: Profile
    version: HostedVersion
    strategy_id: str
    growth: Growth
    started_at: datetime
    description: str | None = None
    stop: Stop | None = None

    def progress(self, now: datetime) -> Progress:
        """Where it stands at `now`."""
        return progress(self.growth, self.started_at, self.stop, now)


@dataclass(slots=True)
class Environment:
    """An environment and its deployments, oldest first."""

    id: str
    name: str
    created_at: datetime
    description: str | None = None
    monitors: list[dict[str, str]] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    last_read_at: datetime | None = None

    def served(self, profile: Profile, slot_percent: float, now: datetime) -> HostedVersion | None:
        """The version that a session sees: the newest one that holds and has reached the session's slot.

        Args:
            profile: which profile.
            slot_percent: the session's place in a gradual rollout, 0 to below 100.
            now: the moment.
        """
        for deployment in reversed(self.deployments):
            if deployment.profile is profile:
                at = deployment.progress(now)
                reached = at.state in {"COMPLETE", "BAKING"} or (at.state == "DEPLOYING" and slot_percent < at.percent)
                if reached:
                    return deployment.version
        return None


@dataclass(slots=True)
class Application:
    """An application with its environments and profiles."""

    id: str
    name: str
    description: str | None = None
    environments: dict[str, Environment] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)


@dataclass(slots=True)
class Region:
    """Everything of one account in one region."""

    applications: dict[str, Application] = field(default_factory=dict)
    strategies: dict[str, Strategy] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "DeletionProtection": {"Enabled": False, "ProtectionPeriodInMinutes": 60},
            "VendedMetrics": {"Enabled": False},
        }
    )


def _always_ok(_arn: str) -> str:
    return "OK"


class Accounts:
    """The state of all regions, the clock and the source of ids, shared by control plane and data plane.

    Args:
        clock: virtual time.
        seed: makes ids, tokens and rollout slots repeatable.
        alarm_state: how a monitor's alarm stands; all OK where None.
    """

    def __init__(self, clock: VirtualClock, *, seed: int = 0, alarm_state: AlarmState | None = None) -> None:
        self.clock = clock
        self.random = random.Random(f"appconfig:{seed}")
        self.alarm_state: AlarmState = alarm_state or _always_ok
        self._regions: dict[str, Region] = {}

    def region(self, name: str) -> Region:
        """The state of one region."""
        return self._regions.setdefault(name, Region())

    def live(self, region: str) -> Iterator[tuple[str, str, str, HostedVersion]]:
        """What is live in a region: application, environment, profile and version, by their names."""
        for application in self.region(region).applications.values():
            for environment in application.environments.values():
                for profile in application.profiles.values():
                    version = environment.served(profile, 0, self.clock.now())
                    if version is not None:
                        yield application.name, environment.name, profile.name, version

    def configuration(self, region: str, *names: str) -> tuple[bool, HostedVersion] | None:
        """What is live in a profile: whether it is of AWS's type for flags, and the version.

        Args:
            region: which region.
            names: application, environment and profile, by name or id.
        """
        application = named(self.region(region).applications, names[0])
        if application is None:
            return None
        environment, profile = named(application.environments, names[1]), named(application.profiles, names[2])
        if environment is None or profile is None:
            return None
        version = environment.served(profile, 0, self.clock.now())
        return None if version is None else (profile.type == FEATURE_FLAGS, version)

    def new_id(self) -> str:
        """A fresh id as AWS makes them: seven lower-case letters and digits."""
        return "".join(self.random.choices(_ID_LETTERS, k=7))


class Operations(Service):
    """Base of the operation groups: the state, and the look-ups every group needs."""

    account_id = "123456789012"

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts

    def now(self) -> datetime:
        """Virtual time."""
        return self.accounts.clock.now()

    def region(self, context: CallContext) -> Region:
        """The caller's region."""
        return self.accounts.region(context.region)

    def application(self, params: Mapping[str, Any], context: CallContext) -> Application:
        """The application a call names by id."""
        return find(self.region(context).applications, params["ApplicationId"], "Application")

    def arn(self, context: CallContext, *path: str) -> str:
        """The ARN of a thing, e.g. `arn("application", id)`."""
        return f"arn:aws:appconfig:{context.region}:{self.account_id}:{'/'.join(path)}"

    def tag(self, context: CallContext, tags: Mapping[str, str] | None, *path: str) -> None:
        """Remembers the tags given at creation."""
        if tags:
            self.region(context).tags[self.arn(context, *path)] = dict(tags)


Thing = TypeVar("Thing", Application, Environment, Profile)


def named(things: dict[str, Thing], wanted: str) -> Thing | None:
    """A thing by id or name."""
    if wanted in things:
        return things[wanted]
    return next((thing for thing in things.values() if thing.name == wanted), None)


Found = TypeVar("Found")


def find(things: Mapping[str, Found], name: str, kind: str) -> Found:
    """A thing by id; AWS's 404 otherwise."""
    try:
        return things[name]
    except KeyError:
        raise not_found(kind, name) from None


def not_found(kind: str, name: str) -> ServiceError:
    """The control plane's 404."""
    return ServiceError("ResourceNotFoundException", f"{kind} {name} could not be found.", ResourceName=name)


def bad_request(message: str) -> ServiceError:
    """The control plane's plain 400."""
    return ServiceError("BadRequestException", message)


def refuse_name(name: str, taken: Iterable[str], kind: str) -> None:
    """Names of applications, environments and profiles are unique: 400 (appconfig.md §7, natively)."""
    if name in taken:
        raise bad_request(f"{kind} with name {name} already exists.")


def page(items: Sequence[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """One page of a list answer."""
    token = params.get("NextToken")
    try:
        start = int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError:
        raise bad_request("The NextToken is invalid.") from None
    end = start + int(params.get("MaxResults", _PAGE))
    answer: dict[str, Any] = {"Items": list(items[start:end])}
    if end < len(items):
        answer["NextToken"] = base64.urlsafe_b64encode(str(end).encode()).decode()
    return answer
