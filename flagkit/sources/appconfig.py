"""Documents from AWS AppConfig: deployed ones from the data plane, hosted versions from the control plane.

It follows the tokens of the session protocol (appconfig.md §4) and reads from the control plane what the data plane
hides. It must not retry or wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from flagkit.errors import AccessDeniedError, SourceError, SourceNotFoundError, SourceUnavailableError
from flagkit.sources.aws import make_client, translate
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
        # A FeatureFlags answer whose rules are still to be read from the control plane.
        self._pending: Document | None = None

    def fetch(self) -> Document | None:
        """Return the deployed document, or None if it is unchanged for this session."""
        answer = self._poll()
        # AWS always returns both; not every emulator does.
        self._token = answer.get("NextPollConfigurationToken")
        self.poll_interval_s = float(max(1, answer.get("NextPollIntervalInSeconds", self._asked_interval_s)))
        content = self._body(answer)
        if not content:
            return None if self._pending is None else self._complete(self._pending, again=True)
        label = answer.get("VersionLabel") or None
        self._pending = None
        if not rules_are_hidden(content):
            kind = DocumentKind.FREEFORM if is_whole(content) else DocumentKind.FEATURE_FLAGS
            return Document(content, label or content_version(content), label, kind)
        document = Document(content, label or content_version(content), label, DocumentKind.FEATURE_FLAGS)
        return self._complete(document, again=False)

    def reset(self) -> None:
        """Discard the session and its connections: tokens are single use, so a forked child needs its own."""
        self._client = make_client("appconfigdata", self._session, self._region)
        self._hosted = self._token = self._pending = None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        if self._hosted is not None:
            self._hosted.close()

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
        except (BotoCoreError, ClientError) as error:
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
                raise SourceUnavailableError(
                    f"AppConfig refused an early poll of {self.names}", retry_after_s=self.poll_interval_s
                ) from error
            raise translate(error, GET, names=self.names) from error
        except BotoCoreError as error:
            raise translate(error, GET, names=self.names) from error

    def _body(self, answer: Any) -> bytes:
        try:
            content: bytes = answer["Configuration"].read()
        except (BotoCoreError, OSError) as error:
            self._token = None  # the next token would answer "unchanged" to what was never read
            raise translate(error, GET, names=self.names) from error
        return content

    def _complete(self, reduced: Document, *, again: bool) -> Document | None:
        """Return the whole version behind a reduced answer, or the reduced answer with a warning."""
        if reduced.label is None:
            why = "give the version a VersionLabel, or use a Freeform profile"
            return self._degraded(reduced, why)
        try:
            content = self._versions().by_label(reduced.label)
        except AccessDeniedError as error:
            self._pending = None  # asking again every minute won't help; the next version tries again
            return None if again else self._degraded(reduced, error.message)
        except SourceError as error:
            self._pending = reduced
            return None if again else self._degraded(reduced, error.message)
        self._pending = None
        return Document(content, reduced.version, reduced.label, DocumentKind.FREEFORM)

    def _degraded(self, reduced: Document, why: str) -> Document:
        warning = _WARNING.format(names=self.names, why=why)
        return Document(reduced.content, reduced.version, reduced.label, reduced.kind, warning)

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
        content: bytes = answer["Content"].read()
        return content

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
        except (BotoCoreError, ClientError) as error:
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
