"""The document from AWS AppConfig's data plane, by its session protocol (appconfig.md §4).

It follows tokens and asks the control plane for what the data plane hides; it must not retry or wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from flagkit.errors import AccessDeniedError, SourceError, SourceUnavailableError
from flagkit.sources.aws import make_client, translate
from flagkit.sources.base import Document, DocumentKind, content_version, is_whole, rules_are_hidden
from flagkit.sources.hosted import HostedVersions

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
        session: boto3 session; the usual chain of credentials and region where None.
        region: AWS region; the session's where None.
        poll_interval_s: at least 15; the server may answer with a longer one, which is obeyed.

    Raises:
        SourceUrlError: no region is known.

    Since 0.1.
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
        # A FeatureFlags answer whose rules are still to be had from the control plane.
        self._pending: Document | None = None

    def fetch(self) -> Document | None:
        """The deployed document, or None when it is unchanged for this session."""
        answer = self._poll()
        # Both are always there natively; not every emulator has them.
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
        """Forgets the session and its connections: tokens are single use, so a forked child needs its own."""
        self._client = make_client("appconfigdata", self._session, self._region)
        self._hosted = self._token = self._pending = None

    def close(self) -> None:
        """Closes the connections."""
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
            # The request was turned away, so the token isn't spent, as far as is known; if it was, the next answer is
            # Expired. A new session would cost a whole "received" configuration (§5).
            if problem == "PollIntervalNotSatisfied" or _turned_away(error):
                self._token = token
            if problem == "PollIntervalNotSatisfied":
                raise SourceUnavailableError(
                    f"AppConfig was asked too early for {self.names}", retry_after_s=self.poll_interval_s
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
        """The whole version behind a reduced answer, or the reduced answer with a warning."""
        if reduced.label is None:
            why = "give the version a VersionLabel, or use a Freeform profile"
            return self._degraded(reduced, why)
        try:
            content = self._versions().by_label(reduced.label)
        except AccessDeniedError as error:
            self._pending = None  # asking again every minute won't help; the next version tries anew
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


def _turned_away(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status == 429 or status >= 500
