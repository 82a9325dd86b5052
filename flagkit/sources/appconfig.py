"""Documents from AWS AppConfig: deployed ones from the data plane, hosted versions from the control plane.

It follows the tokens of the session protocol (appconfig.md §4) and reads from the control plane what the data plane
hides. It must not retry or wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from flagkit.errors import (
    AccessDeniedError,
    DocumentError,
    FlagkitError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from flagkit.sources.aws import FAILURES, make_client, read_body, translate
from flagkit.sources.base import Document, DocumentKind, content_version, is_whole, rules_are_hidden

if TYPE_CHECKING:
    import boto3


START = "appconfig:StartConfigurationSession"
GET = "appconfig:GetLatestConfiguration"
_WARNING = (
    "the profile {names} has flags with rules, which AWS delivers only to its Agent; "
    "only default variants are served ({why})"
)


class AppConfigSource:
    """An AppConfig profile, polled through the data plane.

    A Freeform profile is delivered as it is. Of a FeatureFlags profile AWS delivers default variants only; if the
    deployed version carries a label, the whole version is read once from the control plane instead (decision 0002).

    Args:
        application: id or name.
        environment: id or name.
        profile: id or name.
        session: boto3 session; the default credentials and region if None.
        region: AWS region; the session's if None.
        poll_interval_s: at least 15; the server can answer with a longer one, which is used.

    Raises:
        SourceUrlError: no region is known.
    """

    def __init__(
        self,
        application: str,
        environment: str,
        profile: str,
        *,
        session: boto3.Session | None = None,
        region: str | None = None,
        poll_interval_s: float = 45.0,
    ) -> None:
        self.names = f"{application}/{environment}/{profile}"
        self.url = f"appconfig://{self.names}"
        self._identifiers = {
            "ApplicationIdentifier": application,
            "EnvironmentIdentifier": environment,
            "ConfigurationProfileIdentifier": profile,
        }
        self._session = session
        self._region = region
        self._asked_interval_s = max(15, round(poll_interval_s))  # AWS takes 15 to 86400
        self.poll_interval_s = float(self._asked_interval_s)
        self._client: Any = make_client("appconfigdata", session, region)
        self._hosted: HostedVersions | None = None
        self._token: str | None = None
        # A FeatureFlags answer whose rules are still to be read from the control plane, how often that came up, and the
        # refusal of a caller without permission.
        self._pending: Document | None = None
        self._tries = 0
        self._denied: AccessDeniedError | None = None
        self._generation = 0  # counts the sessions that were discarded, perhaps while a fetch hung

    def fetch(self) -> Document | None:
        """Return the deployed document, or None if it is unchanged for this session.

        A document whose rules can't be read has a `shortfall`, and its rules are asked for again by the next calls.
        """
        generation = self._generation
        try:
            document, token = self._polled()
        except _EarlyPollError:
            if self._pending is None:
                raise
            # Its rules were asked for again before the next poll is due, which the data plane has just said.
            return self._complete(self._pending)
        if generation != self._generation:
            raise SourceUnavailableError(f"the session of {self.names} was discarded during a poll")
        if document is not None:
            self._pending = document if rules_are_hidden(document.content) else None
            self._tries, self._denied = 0, None
        if self._pending is not None:
            document = self._complete(self._pending)
        # Only now: whatever ended this method before, the answer would be lost, and the next one "unchanged".
        self._token = token
        return document

    def reset(self) -> None:
        """Discard the session and its connections: tokens are single use, so a forked child needs its own."""
        self._client = make_client("appconfigdata", self._session, self._region)
        self._hosted = self._token = self._pending = None
        self._generation += 1

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        if self._hosted is not None:
            self._hosted.close()

    def _polled(self) -> tuple[Document | None, str | None]:
        """Return what the data plane answers, with the next token; without the rules of a FeatureFlags profile."""
        answer = self._poll()
        content = read_body(answer["Configuration"], GET, names=self.names)
        # AWS always returns both; not every emulator does.
        token = answer.get("NextPollConfigurationToken")
        self.poll_interval_s = float(max(1, answer.get("NextPollIntervalInSeconds") or self._asked_interval_s))
        if not content:
            return None, token
        label = answer.get("VersionLabel") or None
        kind = DocumentKind.FREEFORM if is_whole(content) else DocumentKind.FEATURE_FLAGS
        return Document(content, label or content_version(content), label, kind), token

    def _poll(self) -> Any:
        if self._token is not None:
            try:
                return self._get(self._token)
            except _TokenRefusedError:
                # A new session, once. All the fleet's tokens may expire together after an outage; polls are
                # spread by the refresher's jitter, so the new sessions are too.
                self._token = None
        try:
            return self._get(self._start())
        except _TokenRefusedError as error:
            raise SourceUnavailableError(f"AppConfig refused the token of a new session of {self.names}") from error

    def _start(self) -> str:
        try:
            answer = self._client.start_configuration_session(
                **self._identifiers, RequiredMinimumPollIntervalInSeconds=self._asked_interval_s
            )
        except FAILURES as error:
            raise translate(error, START, names=self.names) from error
        token: str = answer["InitialConfigurationToken"]
        return token

    def _get(self, token: str) -> Any:
        # The token is spent with the request: a lost answer means a new session (§4).
        self._token = None
        try:
            return self._client.get_latest_configuration(ConfigurationToken=token)
        except ClientError as error:
            problem = _token_problem(error)
            if problem in {"Expired", "Corrupted"}:
                raise _TokenRefusedError from error
            # The request was refused before it was processed, so the token should still be valid; if not, the next
            # answer is Expired. A new session would cost a whole "received" configuration (§5).
            if problem == "PollIntervalNotSatisfied" or _refused_unprocessed(error):
                self._token = token
            if problem == "PollIntervalNotSatisfied":
                raise _EarlyPollError(
                    f"AppConfig refused an early poll of {self.names}", retry_after_s=self.poll_interval_s
                ) from error
            raise translate(error, GET, names=self.names) from error
        except FAILURES as error:
            raise translate(error, GET, names=self.names) from error

    def _complete(self, reduced: Document) -> Document:
        """Return the whole version behind a reduced answer, or the reduced answer with what is missing."""
        if reduced.label is None:
            self._pending = None
            why = f"the deployed version of {self.names} has flags with rules, but no VersionLabel to read them by"
            hint = "Save versions with a VersionLabel, as flagkit does, or use a Freeform profile."
            return self._short(reduced, DocumentError(why, hint=hint))
        self._tries += 1
        if self._denied is not None and not _worth_a_try(self._tries):
            return self._short(reduced, self._denied)
        try:
            content = self._versions().by_label(reduced.label)
        except SourceError as error:
            self._denied = error if isinstance(error, AccessDeniedError) else None
            return self._short(reduced, error)
        except Exception as error:  # noqa: BLE001  (an answer in another form; what the data plane said must not be lost)
            odd = f"AWS's answer about version {reduced.label} of {self.names} can't be read: {type(error).__name__}"
            return self._short(reduced, SourceUnavailableError(odd))
        self._pending = None
        return Document(content, reduced.version, reduced.label, DocumentKind.FREEFORM)

    def _short(self, reduced: Document, error: FlagkitError) -> Document:
        warning = _WARNING.format(names=self.names, why=error.message)
        return replace(reduced, warning=warning, shortfall=error)

    def _versions(self) -> HostedVersions:
        if self._hosted is None:
            self._hosted = HostedVersions(
                self._identifiers["ApplicationIdentifier"],
                self._identifiers["ConfigurationProfileIdentifier"],
                session=self._session,
                region=self._region,
            )
        return self._hosted


class _TokenRefusedError(Exception):
    """The token is too old or unreadable: a new session is needed."""


class _EarlyPollError(SourceUnavailableError):
    """The data plane refused a poll that came before its time; the token stays valid."""


def _worth_a_try(number: int) -> bool:
    """Whether to ask a control plane that denied access: at try 1, 2, 4, … 64, 128, 192, … Every denial is audited."""
    return number & (number - 1) == 0 or number % 64 == 0


def _token_problem(error: ClientError) -> str | None:
    response: Any = error.response
    invalid = response.get("Details", {}).get("InvalidParameters", {})
    return next((item.get("Problem") for item in invalid.values()), None)


def _refused_unprocessed(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status == 429 or status >= 500


class HostedVersions:
    """The hosted versions of one profile.

    Needs `appconfig:ListApplications`, `ListConfigurationProfiles` (only when given names),
    `ListHostedConfigurationVersions` and `GetHostedConfigurationVersion`.

    Args:
        application: id or name.
        profile: id or name.
        session: boto3 session; the default credentials and region if None.
        region: AWS region; the session's if None.
    """

    def __init__(
        self, application: str, profile: str, *, session: boto3.Session | None = None, region: str | None = None
    ) -> None:
        self.names = f"{application}/{profile}"
        self._application = application
        self._profile = profile
        self._client: Any = make_client("appconfig", session, region)
        self._ids: dict[str, str] | None = None

    def by_label(self, label: str) -> bytes:
        """Return the content of the version with a label."""
        return self.by_number(self.number_of(label))

    def by_number(self, number: int) -> bytes:
        """Return the content of one version."""
        answer = self._call("GetHostedConfigurationVersion", **self._resolved(), VersionNumber=number)
        return read_body(answer["Content"], "appconfig:GetHostedConfigurationVersion", names=self.names)

    def number_of(self, label: str) -> int:
        """Return the number of the version with a label."""
        for item in self._pages("ListHostedConfigurationVersions", **self._resolved(), VersionLabel=label):
            if item.get("VersionLabel") == label:
                number: int = item["VersionNumber"]
                return number
        raise SourceNotFoundError(f"{self.names} has no version with the label {label!r}")

    def latest(self) -> int:
        """Return the number of the newest version."""
        for item in self._pages("ListHostedConfigurationVersions", **self._resolved()):
            newest: int = item["VersionNumber"]  # newest first (appconfig.md §7)
            return newest
        raise SourceNotFoundError(f"{self.names} has no versions")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _resolved(self) -> dict[str, str]:
        if self._ids is None:
            application = self._id(self._application, "application", "ListApplications")
            profile = self._id(self._profile, "profile", "ListConfigurationProfiles", ApplicationId=application)
            self._ids = {"ApplicationId": application, "ConfigurationProfileId": profile}
        return self._ids

    def _id(self, wanted: str, kind: str, operation: str, **params: str) -> str:
        for item in self._pages(operation, **params):
            if wanted in {item["Id"], item["Name"]}:
                found: str = item["Id"]
                return found
        raise SourceNotFoundError(f"AWS AppConfig has no {kind} named {wanted!r}")

    def _pages(self, operation: str, **params: Any) -> Iterator[Any]:
        token: dict[str, str] = {}
        while True:
            answer = self._call(operation, **params, **token)
            yield from answer["Items"]
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def _call(self, operation: str, **params: Any) -> Any:
        from botocore import xform_name

        try:
            return getattr(self._client, xform_name(operation))(**params)
        except FAILURES as error:
            raise translate(error, f"appconfig:{operation}", names=self.names) from error


class HostedSource:
    """One hosted version, whether deployed or not: for CI, audits and comparisons, not for running services.

    Args:
        application: id or name.
        profile: id or name.
        version: number or label; the newest version if None.
        session: boto3 session; the default credentials and region if None.
        region: AWS region; the session's if None.
    """

    poll_interval_s = 60.0

    def __init__(
        self,
        application: str,
        profile: str,
        *,
        version: str | None = None,
        session: boto3.Session | None = None,
        region: str | None = None,
    ) -> None:
        at = "" if version is None else f"@{version}"
        self.url = f"hosted://{application}/{profile}{at}"
        self._make = partial(HostedVersions, application, profile, session=session, region=region)
        self._versions = self._make()
        self._wanted = version
        self._delivered: int | None = None

    def fetch(self) -> Document | None:
        """Return the version's document, or None if it was delivered before."""
        label = None
        if self._wanted is None:
            number = self._versions.latest()
        elif self._wanted.isdecimal():
            number = int(self._wanted)
        else:
            number, label = self._versions.number_of(self._wanted), self._wanted
        if number == self._delivered:
            return None
        document = Document(self._versions.by_number(number), str(number), label)
        self._delivered = number
        return document

    def reset(self) -> None:
        """Discard the connections and what was delivered."""
        self._versions = self._make()
        self._delivered = None

    def close(self) -> None:
        """Close the connections."""
        self._versions.close()
