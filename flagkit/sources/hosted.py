"""Hosted versions read from the control plane: for hydration by label, and as a source for CI and audits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from flagkit.errors import SourceNotFoundError
from flagkit.sources.aws import make_client, translate
from flagkit.sources.base import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3


class HostedVersions:
    """The hosted versions of one profile.

    Needs `appconfig:ListApplications`, `ListConfigurationProfiles` (only when given names),
    `ListHostedConfigurationVersions` and `GetHostedConfigurationVersion`.

    Args:
        application: id or name.
        profile: id or name.
        session: boto3 session; the usual chain where None.
        region: AWS region; the session's where None.

    Since 0.1.
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
        """The content of the version that carries the label."""
        return self.by_number(self.number_of(label))

    def by_number(self, number: int) -> bytes:
        """The content of one version."""
        answer = self._call("GetHostedConfigurationVersion", **self._resolved(), VersionNumber=number)
        content: bytes = answer["Content"].read()
        return content

    def number_of(self, label: str) -> int:
        """The number of the version that carries the label."""
        for item in self._pages("ListHostedConfigurationVersions", **self._resolved(), VersionLabel=label):
            if item.get("VersionLabel") == label:
                number: int = item["VersionNumber"]
                return number
        raise SourceNotFoundError(f"{self.names} has no version labelled {label}")

    def latest(self) -> int:
        """The number of the newest version."""
        for item in self._pages("ListHostedConfigurationVersions", **self._resolved()):
            newest: int = item["VersionNumber"]  # newest first (appconfig.md §7)
            return newest
        raise SourceNotFoundError(f"{self.names} has no versions")

    def close(self) -> None:
        """Closes the connections."""
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
        raise SourceNotFoundError(f"AWS AppConfig has no {kind} called {wanted}")

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
        version: number or label; the newest version where None.
        session: boto3 session; the usual chain where None.
        region: AWS region; the session's where None.

    Since 0.1.
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
        """The version's document, or None when it is the one delivered before."""
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
        """Forgets the connections and what was delivered."""
        self._versions = self._make()
        self._delivered = None

    def close(self) -> None:
        """Closes the connections."""
        self._versions.close()
