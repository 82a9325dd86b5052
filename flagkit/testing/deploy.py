"""A profile that is created and deployed to in one line, through an ordinary boto3 client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3

from flagkit.sources.static import short_form


class AppConfigFlags:
    """An application, an environment and a profile in the stand-in (or in a real account), ready to deploy to.

    ```python
    profile = AppConfigFlags(boto3.Session())
    profile.deploy({"new_checkout": True})
    flags = Flags.connect(profile.url)
    ```

    Args:
        session: a boto3 session.
        application: name.
        environment: name.
        profile: name.
        feature_flags: whether the profile has AWS's type for flags instead of Freeform.
    """

    def __init__(
        self,
        session: boto3.Session,
        *,
        application: str = "shop",
        environment: str = "test",
        profile: str = "flags",
        feature_flags: bool = False,
    ) -> None:
        self.client: Any = session.client("appconfig")
        self.url = f"appconfig://{application}/{environment}/{profile}"
        self.application_id: str = self.client.create_application(Name=application)["Id"]
        self.environment_id: str = self.client.create_environment(ApplicationId=self.application_id, Name=environment)[
            "Id"
        ]
        kind = "AWS.AppConfig.FeatureFlags" if feature_flags else "AWS.Freeform"
        self.profile_id: str = self.client.create_configuration_profile(
            ApplicationId=self.application_id, Name=profile, LocationUri="hosted", Type=kind
        )["Id"]
        self.strategy_id = self.strategy()

    def strategy(self, *, duration_min: int = 0, step_percent: float = 100, bake_min: int = 0) -> str:
        """Create a deployment strategy and return its id."""
        answer = self.client.create_deployment_strategy(
            Name=f"{duration_min}-{step_percent}-{bake_min}",
            DeploymentDurationInMinutes=duration_min,
            GrowthFactor=step_percent,
            FinalBakeTimeInMinutes=bake_min,
            ReplicateTo="NONE",
        )
        strategy_id: str = answer["Id"]
        return strategy_id

    def save(self, document: bytes | Mapping[str, object], *, label: str | None = None) -> int:
        """Save a version and return its number; flags can have the short form: `{"new_checkout": True}`."""
        params: dict[str, Any] = {} if label is None else {"VersionLabel": label}
        answer = self.client.create_hosted_configuration_version(
            ApplicationId=self.application_id,
            ConfigurationProfileId=self.profile_id,
            ContentType="application/json",
            Content=_content(document),
            **params,
        )
        number: int = answer["VersionNumber"]
        return number

    def deploy(
        self, document: bytes | Mapping[str, object], *, label: str | None = None, strategy_id: str | None = None
    ) -> int:
        """Save a version, start its deployment and return the deployment's number."""
        return self.start(str(self.save(document, label=label)), strategy_id=strategy_id)

    def start(self, version: str, *, strategy_id: str | None = None) -> int:
        """Start the deployment of a version, by number or label, and return its number."""
        answer = self.client.start_deployment(
            ApplicationId=self.application_id,
            EnvironmentId=self.environment_id,
            ConfigurationProfileId=self.profile_id,
            ConfigurationVersion=version,
            DeploymentStrategyId=self.strategy_id if strategy_id is None else strategy_id,
        )
        number: int = answer["DeploymentNumber"]
        return number


def _content(document: bytes | Mapping[str, object]) -> bytes:
    if isinstance(document, bytes):
        return document
    whole = document if "version" in document and "values" in document else short_form(document)
    return json.dumps(whole).encode()
