"""Deployments: start, watch, stop and revert; validators and alarms decide whether one goes on."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from flagkit.testing.appconfig.rollout import Growth, Stop
from flagkit.testing.appconfig.store import (
    Application,
    Deployment,
    Environment,
    Operations,
    Profile,
    bad_request,
    find,
    not_found,
    page,
)
from flagkit.testing.appconfig.strategies import StrategyOperations, growth_members
from flagkit.testing.appconfig.validators import validate
from flagkit.testing.appconfig.versions import VersionOperations, resolve_version
from flagkit.testing.wire import CallContext, ServiceError

Answer = dict[str, Any]
_REVERT_WITHIN = timedelta(hours=72)
_ALARM_CHECK_S = 15.0  # how often AppConfig looks isn't documented


class DeploymentOperations(VersionOperations, StrategyOperations, Operations):
    """The operations on deployments."""

    def StartDeployment(self, params: Answer, context: CallContext) -> Answer:
        """Starts a deployment; one at a time per environment, baking included (appconfig.md §7)."""
        application = self.application(params, context)
        environment = find(application.environments, params["EnvironmentId"], "Environment")
        profile = self.profile(application, params)
        strategy = self.strategy(params["DeploymentStrategyId"], context)
        version = resolve_version(profile, params["ConfigurationVersion"])
        number = environment.deployments[-1].number + 1 if environment.deployments else 1
        self._check_free(environment, params.get("LatestDeploymentNumber"))
        validate(profile, version.content)
        deployment = Deployment(
            number, profile, version, strategy.id, strategy.growth, self.now(), params.get("Description")
        )
        environment.deployments.append(deployment)
        path = ("application", application.id, "environment", environment.id, "deployment", str(number))
        self.tag(context, params.get("Tags"), *path)
        if environment.monitors:
            self._watch_alarms(environment, deployment)
        return self._deployment(application, environment, deployment)

    def GetDeployment(self, params: Answer, context: CallContext) -> Answer:
        """One deployment with its events, newest first."""
        application = self.application(params, context)
        environment = find(application.environments, params["EnvironmentId"], "Environment")
        return self._deployment(application, environment, _by_number(environment, params["DeploymentNumber"]))

    def ListDeployments(self, params: Answer, context: CallContext) -> Answer:
        """All deployments of an environment, newest first."""
        application = self.application(params, context)
        environment = find(application.environments, params["EnvironmentId"], "Environment")
        items = [self._summary(item) | {"Type": "USER"} for item in reversed(environment.deployments)]
        return page(items, params)

    def StopDeployment(self, params: Answer, context: CallContext) -> Answer:
        """Rolls a running deployment back, or with AllowRevert a finished one within 72 hours."""
        application = self.application(params, context)
        environment = find(application.environments, params["EnvironmentId"], "Environment")
        deployment = _by_number(environment, params["DeploymentNumber"])
        at = deployment.progress(self.now())
        allow_revert = params.get("AllowRevert", False)
        # The model's text: "works only on deployments that have a status of DEPLOYING, unless an AllowRevert
        # parameter is supplied"; then in-progress becomes ROLLED_BACK and complete becomes REVERTED, ≤ 72 h.
        if at.state == "COMPLETE" and allow_revert:
            if at.completed_at is not None and self.now() - at.completed_at > _REVERT_WITHIN:
                raise bad_request("A deployment can be reverted only within 72 hours of its completion.")
        elif not (at.state == "DEPLOYING" or (at.in_progress and allow_revert)):
            raise bad_request(f"Cannot stop a deployment with state {at.state}.")
        deployment.stop = Stop(self.now(), "USER")
        return self._deployment(application, environment, deployment)

    def ValidateConfiguration(self, params: Answer, context: CallContext) -> Answer:
        """Runs the profile's validators on a version."""
        profile = self.profile(self.application(params, context), params)
        validate(profile, resolve_version(profile, params["ConfigurationVersion"]).content)
        return {}

    def _check_free(self, environment: Environment, expected: int | None) -> None:
        latest = environment.deployments[-1] if environment.deployments else None
        actual = 0 if latest is None else latest.number
        if expected is not None and expected != actual:
            message = f"Expected latest deployment {expected} does not match actual latest deployment {actual}"
            raise ServiceError("ConflictException", message)
        if latest is not None and latest.progress(self.now()).in_progress:
            # The text that racing terraform runs show (terraform-provider-aws #36975).
            raise ServiceError("ConflictException", f"Deployment number {latest.number} already exists")

    def _watch_alarms(self, environment: Environment, deployment: Deployment) -> None:
        """An alarm during deployment or bake rolls back (appconfig.md §7)."""
        self.accounts.clock.call_after(_ALARM_CHECK_S, partial(self._look, environment, deployment))

    def _look(self, environment: Environment, deployment: Deployment) -> None:
        if not deployment.progress(self.now()).in_progress:
            return
        for monitor in environment.monitors:
            if self.accounts.alarm_state(monitor["AlarmArn"]) == "ALARM":
                reason = f"Rollback triggered by alarm {monitor['AlarmArn']}"
                deployment.stop = Stop(self.now(), "CLOUDWATCH_ALARM", reason)
                return
        self._watch_alarms(environment, deployment)

    def _deployment(self, application: Application, environment: Environment, deployment: Deployment) -> Answer:
        events = [
            {
                "EventType": event.kind,
                "TriggeredBy": event.triggered_by,
                "Description": event.description,
                "OccurredAt": event.at,
            }
            for event in deployment.progress(self.now()).events
        ]
        return self._summary(deployment) | {
            "ApplicationId": application.id,
            "EnvironmentId": environment.id,
            "DeploymentStrategyId": deployment.strategy_id,
            "ConfigurationLocationUri": deployment.profile.location_uri,
            "Description": deployment.description,
            "EventLog": events,
        }

    def _summary(self, deployment: Deployment) -> Answer:
        at = deployment.progress(self.now())
        growth: Growth = deployment.growth
        profile: Profile = deployment.profile
        return {
            "DeploymentNumber": deployment.number,
            "ConfigurationProfileId": profile.id,
            "ConfigurationName": profile.name,
            "ConfigurationVersion": str(deployment.version.number),
            "VersionLabel": deployment.version.label,
            **growth_members(growth),
            "State": at.state,
            "PercentageComplete": at.percent,
            "StartedAt": deployment.started_at,
            "CompletedAt": at.completed_at,
        }


def _by_number(environment: Environment, number: int) -> Deployment:
    for deployment in environment.deployments:
        if deployment.number == number:
            return deployment
    raise not_found("Deployment", str(number))
