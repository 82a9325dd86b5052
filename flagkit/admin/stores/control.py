"""Calls to AppConfig's control plane: names to ids, retries, and AWS's refusals as flagkit's errors.

It knows no flags. Only calls that may be repeated are retried here; a write that may have happened is its caller's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from flagkit.admin.identity import Caller, aws_caller
from flagkit.errors import (
    AccessDeniedError,
    DocumentError,
    SourceBusyError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
    Violation,
)
from flagkit.runtime.clock import Clock, machine_clock
from flagkit.runtime.refresher import delay_after_failure
from flagkit.sources.answers import refuse_odd_answers
from flagkit.sources.aws import FAILURES, read_body, translate

if TYPE_CHECKING:
    import boto3

TRIES = 6

_Answer = TypeVar("_Answer")

# What a permission must be granted on (appconfig.md §8); the last one is named in errors.
_RESOURCES = {
    "CreateHostedConfigurationVersion": "profile",
    "GetHostedConfigurationVersion": "profile",
    "ListHostedConfigurationVersions": "profile",
    "GetConfigurationProfile": "profile",
    "ListConfigurationProfiles": "application",
    "ListEnvironments": "application",
    "StartDeployment": "strategy",
    "GetDeployment": "environment",
    "ListDeployments": "environment",
    "StopDeployment": "environment",
}


class Control:
    """One profile, and one environment, of an application.

    Args:
        application: id or name.
        profile: id or name.
        environment: id or name.
        session: boto3 session; the usual chain where None.
        region: AWS region; the session's where None.
        clock: to wait between tries.
        chance: a random number from 0 to below 1, for the jitter.
        tries: how often a call is made that gets no answer; as often as an edit needs where None.
    """

    def __init__(
        self,
        application: str,
        profile: str,
        environment: str,
        *,
        session: boto3.Session | None = None,
        region: str | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
        tries: int | None = None,
    ) -> None:
        self._tries = TRIES if tries is None else tries
        self.names = f"{application}/{environment}/{profile}"
        self.clock = machine_clock() if clock is None else clock
        self._wanted = {"application": application, "profile": profile, "environment": environment}
        self._ids: dict[str, str] = {}
        self._known: dict[str, str] = {}
        self._chance = chance
        self._session, self._client = make_control_client(session, region)
        self._region = region
        self._caller: Caller | None = None

    def caller(self) -> Caller:
        """Who calls; asked once."""
        if self._caller is None:
            self._caller = aws_caller(self._session, self._region)
        return self._caller

    def application(self) -> dict[str, str]:
        """The parameter that names the application."""
        return {"ApplicationId": self._id("application", "ListApplications")}

    def profile(self) -> dict[str, str]:
        """The parameters that name the profile."""
        application = self.application()
        found = self._id("profile", "ListConfigurationProfiles", **application)
        return {**application, "ConfigurationProfileId": found}

    def environment(self) -> dict[str, str]:
        """The parameters that name the environment."""
        application = self.application()
        return {**application, "EnvironmentId": self._id("environment", "ListEnvironments", **application)}

    def known_names(self) -> tuple[str, str, str]:
        """Return the names of application, environment and profile, also where they were given by ids.

        Raises:
            SourceError: they can't be found out.
        """
        self.profile()
        self.environment()
        return self._known["application"], self._known["environment"], self._known["profile"]

    def call(self, operation: str, **params: Any) -> Any:
        """Call what may be repeated: reads, and writes that a lock protects from happening twice.

        Raises:
            SourceError: AWS refused, or gave no answer in some tries.
        """
        return self._repeated(lambda: self.once(operation, **params))

    def content(self, operation: str, **params: Any) -> tuple[Any, bytes]:
        """Call what answers with content, and read that too: a connection may end in the middle of it."""

        def read() -> tuple[Any, bytes]:
            answer = self.once(operation, **params)
            return answer, read_body(answer["Content"], f"appconfig:{operation}", names=self.names)

        return self._repeated(read)

    def pages(self, operation: str, **params: Any) -> Iterator[Any]:
        """Yield the items of all pages of a list."""
        for page in self.lists(operation, **params):
            yield from page

    def lists(self, operation: str, **params: Any) -> Iterator[list[Any]]:
        """Yield the pages of a list."""
        token: dict[str, str] = {}
        while True:
            answer = self.call(operation, **params, **token)
            yield answer["Items"]
            # A server that repeats its token would be asked for ever.
            if not answer.get("NextToken") or answer["NextToken"] == token.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def newest_version(self) -> int:
        """Return the number of the newest version of the profile, 0 if there is none.

        AWS lists them newest first. That isn't documented, and other servers answer the other way round.
        """
        newest = 0
        for page in self.lists("ListHostedConfigurationVersions", **self.profile()):
            numbers = [item["VersionNumber"] for item in page]
            newest = max(newest, *numbers) if numbers else newest
            if len(numbers) > 1 and numbers[0] > numbers[-1]:
                break  # newest first: no later page has a newer one
        return newest

    def knows(self, operation: str, parameter: str) -> bool:
        """Tell whether the installed botocore knows a parameter; older ones lack some (appconfig.md §7)."""
        shape = self._client.meta.service_model.operation_model(operation).input_shape
        return parameter in shape.members

    def once(self, operation: str, **params: Any) -> Any:
        """Call without a second try.

        Raises:
            SourceBusyError: AWS's 409: a lock didn't fit, or a deployment runs.
            SourceUnavailableError: no answer; the call may have happened.
            DocumentError: AWS refused the content.
            SourceError: everything else.
        """
        try:
            return getattr(self._client, xform_name(operation))(**params)
        except FAILURES as error:
            raise self._translated(error, operation, params) from error

    def locked(self, operation: str, lock: str, number: int, **params: Any) -> Any:
        """Call, without a second try, under the lock "the newest number is still this one"; 0 is none yet.

        Whether AWS takes 0 isn't documented. A 400 means that the call did not happen, so it is made without the lock.
        A botocore that doesn't know the lock calls without it: AWS still refuses a second deployment at a time.
        """
        if not self.knows(operation, lock):
            return self.once(operation, **params)
        try:
            return self.once(operation, **params, **{lock: number})
        except SourceError as error:
            if number or type(error) is not SourceError:
                raise
            return self.once(operation, **params)

    def pause(self, failures: int, retry_after_s: float | None = None) -> None:
        """Wait before the next try: exponentially longer, with jitter."""
        self.clock.sleep(delay_after_failure(failures, 16.0, self._chance(), retry_after_s=retry_after_s))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def arn(self, kind: str, name: str = "*") -> str:
        """The ARN of a part of this application; `*` stands for what isn't known."""
        caller, region = self.caller(), self._client.meta.region_name
        start = f"arn:{caller.partition}:appconfig:{region}:{caller.account}:"
        application = f"application/{self._ids.get('application', '*')}"
        return start + {
            "profile": f"{application}/configurationprofile/{self._ids.get('profile', '*')}",
            "environment": f"{application}/environment/{self._ids.get('environment', '*')}",
            "strategy": f"deploymentstrategy/{name}",
        }.get(kind, application)

    def _repeated(self, call: Callable[[], _Answer]) -> _Answer:
        failures = 0
        while True:
            try:
                return call()
            except SourceUnavailableError as error:
                failures += 1
                if failures >= self._tries:
                    raise
                self.pause(failures, error.retry_after_s)

    def _id(self, kind: str, operation: str, **params: str) -> str:
        if kind not in self._ids:
            wanted = self._wanted[kind]
            found = {item["Id"]: item["Name"] for item in self.pages(operation, **params)}
            match = wanted if wanted in found else next((key for key, name in found.items() if name == wanted), None)
            if match is None:
                known = ", ".join(sorted(found.values())) or "none"
                message = f"AWS AppConfig has no {kind} called {wanted}"
                hint = f"There are: {known}. Check the spelling, the region and the account, or run `flagkit init`."
                raise SourceNotFoundError(message, hint=hint)
            self._ids[kind], self._known[kind] = match, found[match]
        return self._ids[kind]

    def _translated(self, error: Exception, operation: str, params: dict[str, Any]) -> SourceError | DocumentError:
        response: Any = error.response if isinstance(error, ClientError) else {}
        code = response.get("Error", {}).get("Code", "")
        message = response.get("Error", {}).get("Message", "")
        if code == "ConflictException":
            return SourceBusyError(f"appconfig:{operation}: {message}")
        if code == "PayloadTooLargeException":
            return DocumentError(f"AWS refused the document: it is larger than {response.get('Limit', 2048):.0f} KB")
        invalid = (response.get("Details") or {}).get("InvalidConfiguration")
        if invalid:
            return DocumentError("AWS refused the document: " + message, violations=tuple(map(_violation, invalid)))
        if code == "ResourceNotFoundException" and "HostedConfigurationVersion" in message:
            number = params.get("VersionNumber") or params.get("ConfigurationVersion")
            return SourceNotFoundError(f"{self.names} has no version {number}", hint="`flagkit history` lists them.")
        known = translate(error, f"appconfig:{operation}", names=self.names)
        if isinstance(known, AccessDeniedError) and code:
            arn = self.arn(_RESOURCES.get(operation, "application"), params.get("DeploymentStrategyId", "*"))
            action = f"appconfig:{operation}"
            return AccessDeniedError(
                f"AWS denied {action} on {arn}", hint=f"Grant {action} on {arn} to the caller (see `flagkit iam`)."
            )
        return known


def make_control_client(session: boto3.Session | None, region: str | None) -> tuple[boto3.Session, Any]:
    """Make a session and a control-plane client that doesn't retry by itself.

    Raises:
        SourceUrlError: no region is known.
        SourceError: the session's configuration is broken.
    """
    import boto3

    # A document of 2 MB needs longer than a poll; a second try inside would hide whether the first one happened.
    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})
    try:
        chosen = boto3.Session() if session is None else session
        client = chosen.client("appconfig", region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise translate(error, "appconfig:CreateClient") from error
    refuse_odd_answers(client)
    return chosen, client


def _violation(details: dict[str, Any]) -> Violation:
    reason = details.get("Reason") or ""
    return Violation(
        details.get("Constraint", ""),
        details.get("Location", ""),
        details.get("Type", ""),
        str(details.get("Value", ""))[:200],
        reason,
        f"{details.get('Location', 'document')}: {reason or details.get('Constraint', '')}",
    )
