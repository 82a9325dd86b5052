"""Functions and their versions: create, update, publish, list, delete."""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

from datetime import timedelta
from typing import Any

from canary.testing.lambda_ import refusals
from canary.testing.lambda_.catalogue import Catalogue
from canary.testing.lambda_.code import Code, ZipCode
from canary.testing.lambda_.paging import page
from canary.testing.lambda_.state import LATEST, Function, Version
from flagkit.testing import CallContext

_DEFAULTS: dict[str, Any] = {
    "Runtime": "python3.13",
    "Handler": "app.handler",
    "Timeout": 3,
    "MemorySize": 128,
    "Description": "",
}
_SETTINGS = (
    "Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "Environment", "DeadLetterConfig",
    "VpcConfig", "TracingConfig", "Layers", "EphemeralStorage", "SnapStart", "LoggingConfig", "KMSKeyArn",
    "FileSystemConfigs", "ImageConfig", "Architectures", "DurableConfig",
)  # fmt: skip


class Functions(Catalogue):
    """The function and version operations."""

    def CreateFunction(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Makes a function, with version 1 if `Publish` is set."""
        code = params["Code"]
        if "ZipFile" not in code:
            raise refusals.invalid("The stand-in takes code as a ZipFile only.")
        config = {**_DEFAULTS, **{name: params[name] for name in _SETTINGS if name in params}}
        function = self.add_function(params["FunctionName"], ZipCode(code["ZipFile"]), config, params.get("Tags"))
        if params.get("Publish"):
            return self.describe(function, self.publish(function))
        return self.describe(function, function.latest)

    def add_function(
        self, name: str, code: Code, config: dict[str, Any], tags: dict[str, str] | None = None
    ) -> Function:
        """Puts a function into the account."""
        name, _ = self.split(name)
        if name in self.functions:
            raise refusals.conflict(f"Function already exist: {name}")
        now = self.clock.now()
        latest = Version(
            number=LATEST,
            code=code,
            config={**_DEFAULTS, **config},
            revision_id=self.invoker.new_id(),
            modified_at=now,
            active_at=now + timedelta(seconds=self.settings.pending_s),
            updated_at=now,
        )
        function = Function(name=name, arn=self.arn_prefix + name, latest=latest, tags=dict(tags or {}))
        self.functions[name] = function
        return function

    def UpdateFunctionCode(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Gives `$LATEST` other code."""
        function, _ = self.find(params)
        self._check_revision(function.latest, params)
        if "ZipFile" not in params:
            raise refusals.invalid("The stand-in takes code as a ZipFile only.")
        code = ZipCode(params["ZipFile"])
        if params.get("DryRun"):
            return {**self.describe(function, function.latest), "CodeSha256": code.sha256}
        self.change_latest(function, code=code)
        if params.get("Publish"):
            return self.describe(function, self.publish(function))
        return self.describe(function, function.latest)

    def UpdateFunctionConfiguration(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Gives `$LATEST` other settings."""
        function, _ = self.find(params)
        self._check_revision(function.latest, params)
        self.change_latest(function, config={name: params[name] for name in _SETTINGS if name in params})
        return self.describe(function, function.latest)

    def change_latest(
        self, function: Function, *, code: Code | None = None, config: dict[str, Any] | None = None
    ) -> None:
        """Changes `$LATEST`; its environments end."""
        latest = function.latest
        self._check_settled(function)
        self.invoker.forget(latest)
        if code is not None:
            latest.code = code
        latest.config = {**latest.config, **(config or {})}
        latest.revision_id, latest.modified_at = self.invoker.new_id(), self.clock.now()
        latest.updated_at = self.clock.now() + timedelta(seconds=self.settings.pending_s)

    def PublishVersion(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Freezes `$LATEST` as a numbered version."""
        function, _ = self.find(params)
        latest = function.latest
        if params.get("RevisionId") not in {None, latest.revision_id}:
            raise refusals.precondition(refusals.STALE)
        expected = params.get("CodeSha256")
        if expected not in {None, "", latest.code.sha256}:
            raise refusals.invalid(
                f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({latest.code.sha256}). "
                "Please try again with the CodeSHA256 in $LATEST."
            )
        return self.describe(function, self.publish(function, params.get("Description")))

    def publish(self, function: Function, description: str | None = None) -> Version:
        """Publishes `$LATEST`; the last version again if neither code nor settings have changed since."""
        latest = function.latest
        self._check_settled(function)
        if function.versions:
            last = list(function.versions.values())[-1]
            if (last.code.sha256, last.config_sha256) == (latest.code.sha256, latest.config_sha256):
                return last
        now = self.clock.now()
        config = dict(latest.config) if description is None else {**latest.config, "Description": description}
        version = Version(
            number=str(next(function.numbers)),
            code=latest.code,
            config=config,
            revision_id=self.invoker.new_id(),
            modified_at=now,
            active_at=now + timedelta(seconds=self.settings.pending_s),
            updated_at=now,
        )
        function.versions[version.number] = version
        return version

    def GetFunctionConfiguration(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads the configuration of a version, or of an alias' primary version under the alias' ARN."""
        function, qualifier = self.find(params)
        self.known(function, qualifier)
        alias = function.aliases.get(qualifier)
        version = function.version(alias.primary if alias else qualifier or LATEST)
        if version is None:
            raise refusals.function_not_found(function.qualified_arn(qualifier))
        answer = self.describe(function, version)
        answer["FunctionArn"] = function.qualified_arn(qualifier)
        return answer

    def GetFunction(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads configuration, place of the code, tags and reserved concurrency."""
        function, _ = self.find(params)
        answer: dict[str, Any] = {
            "Configuration": self.GetFunctionConfiguration(params, context),
            "Code": {"RepositoryType": "S3", "Location": f"https://code.invalid/{function.name}"},
        }
        if function.tags:
            answer["Tags"] = dict(function.tags)
        if function.reserved_concurrency is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return answer

    def ListVersionsByFunction(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists `$LATEST` and the versions."""
        function, _ = self.find(params)
        every = (function.latest, *function.versions.values())
        return page("Versions", [self._listed(function, version) for version in every], params)

    def ListFunctions(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists functions, with all their versions if asked."""
        found = []
        for _, function in sorted(self.functions.items()):
            every = (function.latest, *function.versions.values())
            wanted = every if params.get("FunctionVersion") == "ALL" else (function.latest,)
            found += [self._listed(function, version) for version in wanted]
        return page("Functions", found, params)

    def DeleteFunction(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Deletes a function, or one version that no alias refers to."""
        function, qualifier = self.find(params)
        if not qualifier:
            for version in (function.latest, *function.versions.values()):
                self.invoker.forget(version)
            del self.functions[function.name]
            return {"StatusCode": 204}
        if qualifier == LATEST:
            raise refusals.invalid("$LATEST version cannot be deleted without deleting the function.")
        if not qualifier.isdigit():
            raise refusals.invalid("Deletion of aliases is not currently supported.")
        users = [a.name for a in function.aliases.values() if qualifier == a.primary or qualifier in a.weights]
        if users:
            names = ", ".join(users)
            raise refusals.conflict(f"Unable to delete version because the following aliases reference it: [{names}]")
        gone = function.versions.pop(qualifier, None)
        if gone is not None:
            self.invoker.forget(gone)
        return {"StatusCode": 204}

    def _check_settled(self, function: Function) -> None:
        if function.latest.updated_at > self.clock.now():
            raise refusals.conflict(
                f"The operation cannot be performed at this time. An update is in progress for resource: {function.arn}"
            )

    def _check_revision(self, version: Version, params: dict[str, Any]) -> None:
        if params.get("RevisionId") not in {None, version.revision_id}:
            raise refusals.precondition(refusals.STALE)

    def _listed(self, function: Function, version: Version) -> dict[str, Any]:
        return {**self.describe(function, version), "FunctionArn": function.qualified_arn(version.number)}

    def describe(self, function: Function, version: Version) -> dict[str, Any]:
        """AWS's FunctionConfiguration of a version."""
        now = self.clock.now()
        active, updated = version.active_at <= now, version.updated_at <= now
        answer: dict[str, Any] = {
            "FunctionName": function.name,
            "FunctionArn": function.arn if version.number == LATEST else function.qualified_arn(version.number),
            "Version": version.number,
            "CodeSha256": version.code.sha256,
            "CodeSize": version.code.size_bytes,
            "ConfigSha256": version.config_sha256,
            "RevisionId": version.revision_id,
            "LastModified": self.stamp(version.modified_at),
            "State": "Active" if active else "Pending",
            "LastUpdateStatus": "Successful" if active and updated else "InProgress",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "TracingConfig": {"Mode": "PassThrough"},
            **version.config,
        }
        if not active:
            answer["StateReason"] = "The function is being created."
            answer["StateReasonCode"] = "Creating"
        answer["SnapStart"] = {
            "ApplyOn": version.config.get("SnapStart", {}).get("ApplyOn", "None"),
            "OptimizationStatus": "Off",
        }
        return answer
