"""The AppConfig control plane: applications, environments, profiles, strategies, tags and account settings.

Hosted versions and deployments live in their own modules; this class joins all groups into one service.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flagkit.testing.appconfig.deployments import DeploymentOperations
from flagkit.testing.appconfig.limits import refuse_beyond_model
from flagkit.testing.appconfig.store import (
    FEATURE_FLAGS,
    FREEFORM,
    Application,
    Environment,
    Profile,
    bad_request,
    find,
    page,
    refuse_name,
)
from flagkit.testing.appconfig.strategies import StrategyOperations
from flagkit.testing.appconfig.versions import VersionOperations
from flagkit.testing.codec import service_model
from flagkit.testing.wire import CallContext

Answer = dict[str, Any]
_FRESH = timedelta(hours=1)


class AppConfig(DeploymentOperations, VersionOperations, StrategyOperations):
    """boto3's `appconfig`: one method per operation."""

    service = "appconfig"

    def handle(self, operation: str, params: Answer, context: CallContext) -> Answer:
        """Runs one operation on parameters that the service model allows."""
        refuse_beyond_model(service_model(self.service).operation_model(operation).input_shape, params)
        return super().handle(operation, params, context)

    # applications

    def CreateApplication(self, params: Answer, context: CallContext) -> Answer:
        """Creates an application; names are unique (appconfig.md §7)."""
        region = self.region(context)
        refuse_name(params["Name"], (item.name for item in region.applications.values()), "Application")
        application = Application(self.accounts.new_id(), params["Name"], params.get("Description"))
        region.applications[application.id] = application
        self.tag(context, params.get("Tags"), "application", application.id)
        return _application(application)

    def GetApplication(self, params: Answer, context: CallContext) -> Answer:
        """One application."""
        return _application(self.application(params, context))

    def ListApplications(self, params: Answer, context: CallContext) -> Answer:
        """All applications."""
        return page([_application(item) for item in self.region(context).applications.values()], params)

    def UpdateApplication(self, params: Answer, context: CallContext) -> Answer:
        """Renames or describes an application."""
        application = self.application(params, context)
        others = (item.name for item in self.region(context).applications.values() if item is not application)
        refuse_name(params.get("Name", ""), others, "Application")
        application.name = params.get("Name", application.name)
        application.description = params.get("Description", application.description)
        return _application(application)

    def DeleteApplication(self, params: Answer, context: CallContext) -> Answer:
        """Deletes an application; refused while it has children (appconfig.md §7)."""
        application = self.application(params, context)
        if application.environments or application.profiles:
            raise bad_request("Cannot delete application with undeleted environments or configuration profiles.")
        del self.region(context).applications[application.id]
        return {}

    # environments

    def CreateEnvironment(self, params: Answer, context: CallContext) -> Answer:
        """Creates an environment."""
        application = self.application(params, context)
        refuse_name(params["Name"], (item.name for item in application.environments.values()), "Environment")
        environment = Environment(self.accounts.new_id(), params["Name"], self.now(), params.get("Description"))
        environment.monitors = _checked_monitors(params.get("Monitors", []))
        application.environments[environment.id] = environment
        self.tag(context, params.get("Tags"), "application", application.id, "environment", environment.id)
        return self._environment(application, environment)

    def GetEnvironment(self, params: Answer, context: CallContext) -> Answer:
        """One environment with its state."""
        application = self.application(params, context)
        return self._environment(application, find(application.environments, params["EnvironmentId"], "Environment"))

    def ListEnvironments(self, params: Answer, context: CallContext) -> Answer:
        """All environments of an application."""
        application = self.application(params, context)
        return page([self._environment(application, item) for item in application.environments.values()], params)

    def UpdateEnvironment(self, params: Answer, context: CallContext) -> Answer:
        """Renames, describes or monitors an environment."""
        application = self.application(params, context)
        environment = find(application.environments, params["EnvironmentId"], "Environment")
        others = (item.name for item in application.environments.values() if item is not environment)
        refuse_name(params.get("Name", ""), others, "Environment")
        if "Monitors" in params:
            environment.monitors = _checked_monitors(params["Monitors"])
        environment.name = params.get("Name", environment.name)
        environment.description = params.get("Description", environment.description)
        return self._environment(application, environment)

    def DeleteEnvironment(self, params: Answer, context: CallContext) -> Answer:
        """Deletes an environment, unless deletion protection holds it."""
        application = self.application(params, context)
        environment = find(application.environments, params["EnvironmentId"], "Environment")
        self._protect(params, context, environment.created_at, environment.last_read_at)
        del application.environments[environment.id]
        return {}

    def _environment(self, application: Application, environment: Environment) -> Answer:
        # "ReadyForDeployment" natively, not the model's READY_FOR_DEPLOYMENT (appconfig.md §7).
        state = "ReadyForDeployment"
        if environment.deployments:
            at = environment.deployments[-1].progress(self.now())
            state = {"BAKING": "Deploying", "DEPLOYING": "Deploying", "ROLLED_BACK": "RolledBack"}.get(at.state, state)
        return {
            "ApplicationId": application.id,
            "Id": environment.id,
            "Name": environment.name,
            "Description": environment.description,
            "State": state,
            "Monitors": environment.monitors,
        }

    # configuration profiles

    def CreateConfigurationProfile(self, params: Answer, context: CallContext) -> Answer:
        """Creates a profile; flag profiles only over hosted storage (appconfig.md §1.1)."""
        application = self.application(params, context)
        refuse_name(params["Name"], (item.name for item in application.profiles.values()), "ConfigurationProfile")
        kind = params.get("Type", FREEFORM)
        if kind not in {FREEFORM, FEATURE_FLAGS}:
            raise bad_request(f"Invalid configuration profile type {kind}.")
        if kind == FEATURE_FLAGS and params["LocationUri"] != "hosted":
            raise bad_request("Feature flag configuration profiles must have a LocationUri of hosted.")
        profile = Profile(self.accounts.new_id(), params["Name"], kind, params["LocationUri"], self.now())
        profile.description = params.get("Description")
        profile.retrieval_role_arn = params.get("RetrievalRoleArn")
        profile.validators = _checked_validators(params.get("Validators", []))
        application.profiles[profile.id] = profile
        self.tag(context, params.get("Tags"), "application", application.id, "configurationprofile", profile.id)
        return _profile(application, profile)

    def GetConfigurationProfile(self, params: Answer, context: CallContext) -> Answer:
        """One profile."""
        application = self.application(params, context)
        return _profile(application, self.profile(application, params))

    def ListConfigurationProfiles(self, params: Answer, context: CallContext) -> Answer:
        """All profiles of an application, of one type if asked."""
        application = self.application(params, context)
        items = [
            {
                "ApplicationId": application.id,
                "Id": item.id,
                "Name": item.name,
                "LocationUri": item.location_uri,
                "ValidatorTypes": [validator["Type"] for validator in item.validators],
                "Type": item.type,
            }
            for item in application.profiles.values()
            if params.get("Type", item.type) == item.type
        ]
        return page(items, params)

    def UpdateConfigurationProfile(self, params: Answer, context: CallContext) -> Answer:
        """Renames or describes a profile, or changes its validators."""
        application = self.application(params, context)
        profile = self.profile(application, params)
        others = (item.name for item in application.profiles.values() if item is not profile)
        refuse_name(params.get("Name", ""), others, "ConfigurationProfile")
        if "Validators" in params:
            profile.validators = _checked_validators(params["Validators"])
        profile.name = params.get("Name", profile.name)
        profile.description = params.get("Description", profile.description)
        return _profile(application, profile)

    def DeleteConfigurationProfile(self, params: Answer, context: CallContext) -> Answer:
        """Deletes a profile; refused while it has versions (appconfig.md §7)."""
        application = self.application(params, context)
        profile = self.profile(application, params)
        if profile.versions:
            raise bad_request("Cannot delete configuration profile with hosted configuration versions.")
        self._protect(params, context, profile.created_at, profile.last_read_at)
        del application.profiles[profile.id]
        return {}

    # tags and account settings

    def TagResource(self, params: Answer, context: CallContext) -> Answer:
        """Adds tags."""
        self.region(context).tags.setdefault(params["ResourceArn"], {}).update(params["Tags"])
        return {}

    def UntagResource(self, params: Answer, context: CallContext) -> Answer:
        """Removes tags."""
        tags = self.region(context).tags.get(params["ResourceArn"], {})
        for key in params["TagKeys"]:
            tags.pop(key, None)
        return {}

    def ListTagsForResource(self, params: Answer, context: CallContext) -> Answer:
        """The tags of a thing."""
        return {"Tags": self.region(context).tags.get(params["ResourceArn"], {})}

    def GetAccountSettings(self, params: Answer, context: CallContext) -> Answer:  # noqa: ARG002
        """Deletion protection and vended metrics."""
        return dict(self.region(context).settings)

    def UpdateAccountSettings(self, params: Answer, context: CallContext) -> Answer:
        """Switches deletion protection or vended metrics."""
        settings = self.region(context).settings
        for name in settings.keys() & params.keys():
            settings[name] = {**settings[name], **params[name]}
        return dict(settings)

    def _protect(self, params: Answer, context: CallContext, created_at: datetime, read_at: datetime | None) -> None:
        # appconfig.md §7: default 60 minutes; things younger than an hour are exempt unless APPLY.
        check = params.get("DeletionProtectionCheck", "ACCOUNT_DEFAULT")
        setting = self.region(context).settings["DeletionProtection"]
        fresh = self.now() - created_at < _FRESH
        off = check == "BYPASS" or (check == "ACCOUNT_DEFAULT" and (fresh or not setting["Enabled"]))
        period = timedelta(minutes=setting["ProtectionPeriodInMinutes"])
        if not off and read_at is not None and self.now() - read_at < period:
            raise bad_request("Deletion protection: the resource was read within the protection period.")


def _application(application: Application) -> Answer:
    return {"Id": application.id, "Name": application.name, "Description": application.description}


def _profile(application: Application, profile: Profile) -> Answer:
    return {
        "ApplicationId": application.id,
        "Id": profile.id,
        "Name": profile.name,
        "Description": profile.description,
        "LocationUri": profile.location_uri,
        "RetrievalRoleArn": profile.retrieval_role_arn,
        "Validators": profile.validators or None,
        "Type": profile.type,
    }


def _checked_monitors(monitors: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(monitors) > 5:
        raise bad_request("An environment can have at most 5 monitors.")
    for monitor in monitors:
        # The model says optional; natively it is mandatory (appconfig.md §7).
        if not monitor.get("AlarmRoleArn"):
            raise bad_request("AlarmRoleArn is required for a monitor.")
    return monitors


def _checked_validators(validators: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(validators) > 2:
        raise bad_request("A configuration profile can have at most 2 validators.")
    return validators
