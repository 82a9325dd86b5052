"""Flags in an AppConfig profile: every edit is a hosted version, written under AWS's lock and labelled with its id.

AWS has no call for one flag (appconfig.md §7): read, edit, write the whole document if nobody else did, otherwise read
again and merge. A call whose answer was lost is never repeated blindly: the edit's id in the label tells whether it
happened.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flagkit.admin.entries import EMPTY, changed_keys, is_same, rewritten
from flagkit.admin.merge import merge
from flagkit.admin.stores import notes
from flagkit.admin.stores.base import Note, Receipt, Stored, Version
from flagkit.admin.stores.control import TRIES, Control
from flagkit.admin.stores.deployments import AppConfigDeployments
from flagkit.core.documents import FlagDocument
from flagkit.errors import ConflictError, SourceBusyError, SourceNotFoundError, SourceUnavailableError
from flagkit.runtime.clock import Clock

if TYPE_CHECKING:
    import boto3

_CONTENT_TYPE = "application/json"
_WRITE_TRIES = 2 * TRIES


class AppConfigStore:
    """The flags of an AppConfig profile, of AWS's type for flags or Freeform alike.

    Args:
        application: id or name.
        environment: id or name.
        profile: id or name.
        session: boto3 session; the usual chain where None.
        region: AWS region; the session's where None.
        clock: the machine's where None.
        chance: a random number from 0 to below 1, for the jitter between tries.
        tries: how often a call is made that gets no answer; as often as an edit needs where None.
    """

    def __init__(
        self,
        application: str,
        environment: str,
        profile: str,
        *,
        session: boto3.Session | None = None,
        region: str | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
        tries: int | None = None,
    ) -> None:
        self.url = f"appconfig://{application}/{environment}/{profile}"
        self.control = Control(
            application, profile, environment, session=session, region=region, clock=clock, chance=chance, tries=tries
        )
        self.deployments = AppConfigDeployments(self.control)

    def read(self, version: int | None = None, *, missing_ok: bool = False) -> Stored:
        """Read the newest version, or that one."""
        profile = self.control.profile()
        if version is None:
            version = self.control.newest_version()
        if version == 0:
            if missing_ok:
                return Stored(Version(0), EMPTY, None)
            message = f"{self.control.names} has no version"
            raise SourceNotFoundError(message, hint="`flagkit create my_flag` creates one.")
        return _stored(*self.control.content("GetHostedConfigurationVersion", **profile, VersionNumber=version))

    def save(self, base: Stored, document: FlagDocument, note: Note) -> Receipt:
        """Save a document that was made from `base`; what others saved since is merged in."""
        label = notes.label_of(note)
        author = self.control.caller().arn if note.author is None else note.author
        at = self.control.clock.now()
        changes = changed_keys(base.document, document)
        description = notes.describe(note, author=author, at=at, changes=changes)
        newest, failures = base, 0
        while True:
            merged = merge(base.document, document, newest.document)
            if is_same(merged, newest.document):
                return Receipt(newest.version, is_new=False, document=newest.document)
            try:
                answer = self._create(newest, merged, label, description)
            except (SourceBusyError, SourceUnavailableError) as error:
                failures += 1
                if failures >= _WRITE_TRIES:
                    raise
                self.control.pause(failures, getattr(error, "retry_after_s", None))
            else:
                version = notes.read(answer["VersionNumber"], answer.get("VersionLabel"), answer.get("Description"))
                self._check_order(newest.version.number, version.number)
                return Receipt(version, is_new=version.label == label, document=merged)
            found = self._labelled(label)
            if found is not None:
                return Receipt(found, is_new=True, document=self.read(found.number).document)
            newest = self.read(missing_ok=True)

    def versions(self) -> Iterator[Version]:
        """Yield all versions, newest first."""
        for page in self.control.lists("ListHostedConfigurationVersions", **self.control.profile()):
            for item in sorted(page, key=_number, reverse=True):
                yield notes.read(item["VersionNumber"], item.get("VersionLabel"), item.get("Description"))

    def close(self) -> None:
        """Close the connections."""
        self.control.close()

    def _create(self, newest: Stored, document: FlagDocument, label: str, description: str) -> Any:
        return self.control.locked(
            "CreateHostedConfigurationVersion",
            "LatestVersionNumber",
            newest.version.number,
            **self.control.profile(),
            Content=rewritten(newest.content, newest.document, document),
            ContentType=_CONTENT_TYPE,
            Description=description,
            VersionLabel=label,
        )

    def _check_order(self, base: int, saved: int) -> None:
        """Refuse a version that was saved over others that it doesn't contain: the lock was ignored.

        Numbers are never used again, so versions in between that were deleted are no reason.
        """
        for number in range(base + 1, saved):
            try:
                self.control.content("GetHostedConfigurationVersion", **self.control.profile(), VersionNumber=number)
            except SourceNotFoundError:
                continue
            raise ConflictError(
                f"version {saved} was saved over version {number}, which it doesn't contain",
                hint=f"Nothing was deployed. Save the edit again on version {number}, or delete version {saved}.",
            )

    def _labelled(self, label: str) -> Version | None:
        params = {**self.control.profile(), "VersionLabel": label}
        for item in self.control.pages("ListHostedConfigurationVersions", **params):
            if item.get("VersionLabel") == label:
                return notes.read(item["VersionNumber"], label, item.get("Description"))
        return None


def _number(item: Any) -> int:
    number: int = item["VersionNumber"]
    return number


def _stored(answer: Any, content: bytes) -> Stored:
    version = notes.read(answer["VersionNumber"], answer.get("VersionLabel"), answer.get("Description"))
    return Stored(version, FlagDocument.parse(content), content)
