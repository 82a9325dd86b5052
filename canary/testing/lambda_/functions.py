"""Functions and their versions: create, update, publish, list, delete."""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta
from functools import cache, partial
from typing import Any

from canary.testing.lambda_ import refusals
from canary.testing.lambda_.catalogue import Catalogue
from canary.testing.lambda_.code import Code, ZipCode
from canary.testing.lambda_.paging import page
from canary.testing.lambda_.state import LATEST, Function, Version
from flagkit.testing import CallContext, ServiceError
from flagkit.testing.codec import service_model

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


_STATES = ("State", "LastUpdateStatus", "RuntimeVersionConfig")
_RUNTIME_VERSION = "arn:aws:lambda:{}::runtime:8eeff65f6809a3ce81507fe733fe09b835899b99481ba22fd75b5a7338290ec1"
_ROLE = re.compile(r"arn:aws[a-zA-Z-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
_ROLE_SHOWN = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"


class Functions(Catalogue):
    """The function and version operations."""

    def CreateFunction(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Makes a function, with version 1 if `Publish` is set."""
        code = params["Code"]
        if "ZipFile" not in code:
            raise refusals.invalid("The stand-in takes code as a ZipFile only.")
        self.check_names(params)
        config = {**_DEFAULTS, **{name: params[name] for name in _SETTINGS if name in params}}
        _check_settings(config)
        made = _zip_code(code["ZipFile"])
        pending_s = self.settings.pending_s
        function = self.add_function(params["FunctionName"], made, config, params.get("Tags"), pending_s)
        if not params.get("Publish"):
            return self.describe(function, function.latest)
        # The version, but under the function's own ARN (lambda-canary.md §1).
        return {**self.describe(function, self.publish(function, pending_s=pending_s)), "FunctionArn": function.arn}

    def add_function(
        self,
        name: str,
        code: Code,
        config: dict[str, Any],
        tags: dict[str, str] | None = None,
        pending_s: float = 0.0,
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
            active_at=now + timedelta(seconds=pending_s),
            updated_at=now,
        )
        self._settle_later(latest, pending_s)
        function = Function(name=name, arn=self.arn_prefix + name, latest=latest, tags=dict(tags or {}))
        self.functions[name] = function
        return function

    def UpdateFunctionCode(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Gives `$LATEST` other code."""
        function, _ = self.find(params)
        self._check_revision(function.latest, params)
        if "ZipFile" not in params:
            raise refusals.invalid("The stand-in takes code as a ZipFile only.")
        code = _zip_code(params["ZipFile"])
        if params.get("DryRun"):
            return {**self.describe(function, function.latest), "CodeSha256": code.sha256}
        pending_s = self.settings.pending_s
        self.change_latest(function, code=code, pending_s=pending_s)
        if params.get("Publish"):
            return self.describe(function, self.publish(function, pending_s=pending_s, is_part_of_update=True))
        return self.describe(function, function.latest)

    def UpdateFunctionConfiguration(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Gives `$LATEST` other settings."""
        function, _ = self.find(params)
        self._check_revision(function.latest, params)
        config = {name: params[name] for name in _SETTINGS if name in params}
        _check_settings(config)
        self.change_latest(function, config=config, pending_s=self.settings.pending_s)
        return self.describe(function, function.latest)

    def change_latest(
        self,
        function: Function,
        *,
        code: Code | None = None,
        config: dict[str, Any] | None = None,
        pending_s: float = 0.0,
    ) -> None:
        """Changes `$LATEST`; its environments end."""
        latest = function.latest
        self._check_settled(function)
        self.invoker.forget(latest)
        if code is not None:
            latest.code = code
        latest.config = {**latest.config, **(config or {})}
        latest.revision_id, latest.modified_at = self.invoker.new_id(), self.clock.now()
        latest.updated_at = self.clock.now() + timedelta(seconds=pending_s)
        self._settle_later(latest, pending_s)

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
        pending_s = self.settings.pending_s
        return self.describe(function, self.publish(function, params.get("Description"), pending_s=pending_s))

    def publish(
        self,
        function: Function,
        description: str | None = None,
        *,
        pending_s: float = 0.0,
        is_part_of_update: bool = False,
    ) -> Version:
        """Publishes `$LATEST`; the last version again if neither code nor settings have changed since.

        Args:
            function: which.
            description: of the version, instead of that of `$LATEST`.
            pending_s: the version stays Pending for so long.
            is_part_of_update: `$LATEST` was changed by the same call.
        """
        latest = function.latest
        if not is_part_of_update:
            self._check_settled(function)
        if function.versions:
            last = list(function.versions.values())[-1]
            if (last.code.sha256, last.published_from) == (latest.code.sha256, latest.config):
                return last
        now = self.clock.now()
        config = dict(latest.config) if description is None else {**latest.config, "Description": description}
        function.last_number += 1
        version = Version(
            number=str(function.last_number),
            code=latest.code,
            config=config,
            revision_id=self.invoker.new_id(),
            modified_at=now,
            active_at=now + timedelta(seconds=pending_s),
            updated_at=now,
            published_from=latest.config,
        )
        self._settle_later(version, pending_s)
        latest.revision_id = self.invoker.new_id()  # lambda-canary.md §1
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
            is_all = params.get("FunctionVersion") == "ALL"
            found += [self._listed(function, version, is_qualified=is_all) for version in wanted]
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

    def _settle_later(self, version: Version, pending_s: float) -> None:
        """The RevisionId changes again when the version becomes Active or its update Successful."""
        if pending_s > 0:
            self.clock.call_after(pending_s, partial(self._settle, version))

    def _settle(self, version: Version) -> None:
        version.revision_id = self.invoker.new_id()

    def _listed(self, function: Function, version: Version, *, is_qualified: bool = True) -> dict[str, Any]:
        """A version in a list: without its state, which only single reads show (lambda-canary.md §1)."""
        full = self.describe(function, version)
        full["FunctionArn"] = function.qualified_arn(version.number if is_qualified else None)
        return {name: value for name, value in full.items() if not name.startswith(_STATES)}

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
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "TracingConfig": {"Mode": "PassThrough"},
            "EphemeralStorage": {"Size": 512},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.name}"},
            "RuntimeVersionConfig": {"RuntimeVersionArn": _RUNTIME_VERSION.format(function.arn.split(":")[3])},
            **version.config,
        }
        if not active:
            answer["StateReason"] = "The function is being created."
            answer["StateReasonCode"] = "Creating"
        else:
            answer["LastUpdateStatus"] = "Successful" if updated else "InProgress"
            if not updated:
                answer["LastUpdateStatusReason"] = "The function is being created."
                answer["LastUpdateStatusReasonCode"] = "Creating"
        answer["SnapStart"] = {
            "ApplyOn": version.config.get("SnapStart", {}).get("ApplyOn", "None"),
            "OptimizationStatus": "Off",
        }
        return answer


def _zip_code(content: bytes) -> ZipCode:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise refusals.invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
    return ZipCode(content)


def _check_settings(config: dict[str, Any]) -> None:
    role, runtime = config.get("Role"), config.get("Runtime")
    if role is not None and not _ROLE.fullmatch(role):
        pattern = f"Member must satisfy regular expression pattern: {_ROLE_SHOWN}"
        raise refusals.validation(role, "role", pattern)
    known = _runtimes()
    if runtime is not None and runtime not in known:
        shown = ", ".join(known)
        raise refusals.invalid(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{shown}] or be a valid ARN"
        )
    if runtime is not None and not runtime.startswith("python3"):
        raise ServiceError("NotImplementedException", f"the stand-in runs no {runtime}, only Python", status=501)


@cache
def _runtimes() -> list[str]:
    shape = service_model("lambda").shape_for("Runtime")
    return list(getattr(shape, "enum", []))
