"""What flagkit needs in an AWS account: application, environment, profile, strategies. Safe to repeat.

It changes nothing that exists. It looks for every part first, also after a lost answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flagkit.admin.proposals.keeping import SUFFIX
from flagkit.admin.stores.control import Control
from flagkit.admin.stores.deployments import GUARDED, IMMEDIATE, Strategy, found_strategies
from flagkit.core.documents import FlagDocument
from flagkit.errors import SourceError, SourceUnavailableError, SourceUrlError
from flagkit.runtime.clock import Clock
from flagkit.sources.urls import parse

if TYPE_CHECKING:
    import boto3

ProfileType = Literal["freeform", "feature_flags"]
_TYPES = {"freeform": "AWS.Freeform", "feature_flags": "AWS.AppConfig.FeatureFlags"}


@dataclass(frozen=True, slots=True)
class SetupReport:
    """What was created, and what existed; each as `kind name`."""

    created: tuple[str, ...]
    found: tuple[str, ...]


def init(
    url: str,
    *,
    profile_type: ProfileType = "freeform",
    bake_minutes: int = GUARDED.bake_minutes,
    alarms: Mapping[str, str] | None = None,
    proposals: bool = False,
    session: boto3.Session | None = None,
    clock: Clock | None = None,
) -> SetupReport:
    """Create what is missing for a source.

    Args:
        url: `appconfig://APPLICATION/ENVIRONMENT/PROFILE[?region=…]`.
        profile_type: Freeform profiles deliver rules to every client; profiles of AWS's type for flags have AWS's
            console and validation (decision 0002).
        bake_minutes: how long alarms watch after a deployment; 1 to 1440.
        alarms: CloudWatch alarm ARN by the ARN of the role that may look at it; for a new environment.
        proposals: also create the profile that keeps change proposals.
        session: boto3 session; the usual chain where None.
        clock: the machine's where None.

    Raises:
        SourceUrlError: not such an address.
        SourceError: AWS refused; repeat when the cause is gone.
    """
    address = parse(url)
    if address.scheme != "appconfig":
        raise SourceUrlError(
            f"{url} is not an AppConfig source", hint="A file needs no setup: `flagkit create` creates it."
        )
    application, environment, profile = address.names(3)
    control = Control(
        application, profile, environment, session=session, region=address.options.get("region"), clock=clock
    )
    setup = _Setup(control)
    try:
        app = setup.make("application", application, "ListApplications", "CreateApplication", {})
        where = {"ApplicationId": app}
        monitors = [{"AlarmArn": alarm, "AlarmRoleArn": role} for role, alarm in (alarms or {}).items()]
        params: dict[str, Any] = {**where, "Monitors": monitors} if monitors else {**where}
        setup.make("environment", environment, "ListEnvironments", "CreateEnvironment", params, listed=where)
        params = {**where, "LocationUri": "hosted", "Type": _TYPES[profile_type]}
        if profile_type == "freeform":
            # AppConfig checks a Freeform profile only with a schema, and only at deployment (appconfig.md §3.3).
            schema = json.dumps(FlagDocument.json_schema(), separators=(",", ":"))
            params["Validators"] = [{"Type": "JSON_SCHEMA", "Content": schema}]
        setup.make("profile", profile, "ListConfigurationProfiles", "CreateConfigurationProfile", params, listed=where)
        if proposals:
            params = {**where, "LocationUri": "hosted", "Type": "AWS.Freeform"}
            name = profile + SUFFIX
            setup.make("profile", name, "ListConfigurationProfiles", "CreateConfigurationProfile", params, listed=where)
        setup.make_strategy(IMMEDIATE)
        setup.make_strategy(Strategy(GUARDED.name, GUARDED.description, bake_minutes))
    finally:
        control.close()
    return SetupReport(tuple(setup.created), tuple(setup.found))


class _Setup:
    """Makes parts and remembers which."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self.created: list[str] = []
        self.found: list[str] = []

    def make(
        self,
        kind: str,
        name: str,
        listing: str,
        creating: str,
        params: Mapping[str, Any],
        *,
        listed: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the id of a part; make it if it isn't there."""

        def look() -> str | None:
            for item in self._control.pages(listing, **(listed or {})):
                if name in {item["Id"], item["Name"]}:
                    found: str = item["Id"]
                    return found
            return None

        return self._made(f"{kind} {name}", look, creating, {"Name": name, **params})

    def make_strategy(self, strategy: Strategy) -> str:
        """Return the id of a strategy; make it if it isn't there."""
        params = {
            "Name": strategy.name,
            "Description": strategy.description,
            "DeploymentDurationInMinutes": 0,
            "FinalBakeTimeInMinutes": strategy.bake_minutes,
            "GrowthFactor": 100,
            "GrowthType": "LINEAR",
            "ReplicateTo": "NONE",
        }

        def look() -> str | None:
            return found_strategies(self._control).get(strategy.name)

        return self._made(f"strategy {strategy.name}", look, "CreateDeploymentStrategy", params)

    def _made(self, what: str, look: Any, creating: str, params: Mapping[str, Any]) -> str:
        existing: str | None = look()
        if existing is not None:
            self.found.append(what)
            return existing
        failures = 0
        while True:
            try:
                made: str = self._control.once(creating, **params)["Id"]
            except SourceUnavailableError:
                failures += 1
                if failures >= 4:
                    raise
                self._control.pause(failures)
            except SourceError:
                # Names of applications, environments and profiles are unique: a lost answer shows as a refusal.
                if failures == 0:
                    raise
            else:
                self.created.append(what)
                return made
            existing = look()
            if existing is not None:
                self.created.append(what)
                return existing
