"""The port `Aliases` on a flag: its percentage of users is the weight, its record is kept in the flag document.

Nobody exposed is version "1", everybody exposed is version "2"; both always exist. One save changes percentage and
record, if the flag still is what was read, and is deployed at once. What counts as read is what is live: a save that
was never deployed has changed nothing for users. Imports flagkit, and only when a stage has a flag.

A driver may end between the save and its deployment, and others save and deploy, too:

| the newest version is not live, and | read as | an increase | a decrease |
|---|---|---|---|
| says the same of the flag | what is live | deploys it, too | deploys it, too |
| is a decrease of this rollout | rolling back | is refused: stale | completes it |
| is another save of this rollout | what is live | takes its place | takes its place |
| was live, and was rolled back | changed by somebody else | is refused: conflict | takes its place |
| has somebody else's change of the flag | what is live | waits | takes its place |
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from canary.adapters.aws import Session
from canary.core.alias import ALL_BP, AliasSpec, AliasState, FunctionFacts, VersionFacts, basis_points
from canary.core.flag_note import flag_note
from canary.core.phases import RETURNING
from canary.core.plan import FlagTarget, FunctionRef
from canary.core.record import Record, decode
from canary.errors import (
    AccessDeniedError,
    AwsError,
    FlagNotFoundError,
    NotFoundError,
    RecordError,
    StaleRevisionError,
    UnavailableError,
    UnusableFlagError,
)
from canary.ports import DeadManFacts

if TYPE_CHECKING:
    from flagkit.admin.stores import FlagStore
    from flagkit.admin.stores.base import DeploymentStatus, Stored, WhenBusy
    from flagkit.core.documents import FlagDocument
    from flagkit.runtime.clock import Clock as FlagClock

NOT_EXPOSED: Final = "1"
EXPOSED: Final = "2"


def no_dead_man() -> DeadManFacts:
    """Nothing in AWS lowers a flag in a file."""
    return DeadManFacts(None, "nothing in AWS can change a file of yours")


class FlagAliases:
    """Reads and writes the share of users that gets a variant of a flag.

    Args:
        target: the flag.
        variant: what its users get.
        session: the boto3 session, for a flag in AppConfig.
        clock: what waits for AppConfig; the machine's where None.
    """

    def __init__(
        self, target: FlagTarget, variant: str, session: Session | None, *, clock: FlagClock | None = None
    ) -> None:
        self._target = target
        self._variant = variant
        self._session = session
        self._clock = clock
        self._opened: FlagStore | None = None
        self._known_arn = ""

    def read(self, function: FunctionRef) -> AliasState:
        """What share of the users gets the variant by the document that is live."""
        with self._translated():
            seen = self._seen()
            exposed_bp, arn = self._exposed_bp(seen.live), self._arn()
        is_shared = 0 < exposed_bp < ALL_BP
        return AliasState(
            function=function,
            version=EXPOSED if exposed_bp == ALL_BP else NOT_EXPOSED,
            extra_version=EXPOSED if is_shared else None,
            extra_bp=exposed_bp if is_shared else 0,
            description=seen.record,
            revision_id=self._revision(seen),
            arn=arn,
        )

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        """Saves percentage and record in one version of the document, and deploys it.

        A decrease replaces a deployment of the same profile that is in progress. Everything else waits for it, and
        for a change of the flag that somebody saved and didn't deploy yet.
        """
        from flagkit import errors
        from flagkit.admin.edits import put_rollout
        from flagkit.admin.stores import Note
        from flagkit.errors import DocumentError

        wanted_bp = _wanted_bp(spec)
        with self._translated():
            seen = self._seen()
            if self._revision(seen) != revision_id:
                raise StaleRevisionError(f"flag {self._target.key} has changed")
            before_bp = self._exposed_bp(seen.live)
            is_urgent = wanted_bp < before_bp or _returns(spec.description)
            if not is_urgent:
                self._refuse_while_busy(seen, spec)
            document = self._changed(seen, Decimal(wanted_bp) / 100, spec.description)
            reason = flag_note(before_bp, wanted_bp, seen.record, spec)
            try:
                receipt = self._store.save(seen.newest, document, Note(reason=reason))
            except DocumentError:
                if not is_urgent:
                    raise
                # Others filled the document up to what AWS takes: the record gives way to the users.
                bare = put_rollout(document, self._target.key, None)
                receipt = self._store.save(seen.newest, bare, Note(reason=reason))
            if (deployments := self._store.deployments) is not None:
                when_busy: WhenBusy = "replace" if is_urgent or seen.only_bakes else "refuse"
                try:
                    deployments.deploy(receipt.version.number, pace="immediate", when_busy=when_busy, reason=reason)
                except errors.AccessDeniedError:
                    if not is_urgent:  # whoever may deploy completes a decrease, and would deploy an increase unasked
                        self._undo(receipt.version.number, seen.newest.document)
                    raise
        return self.read(function)

    def _undo(self, number: int, before: FlagDocument) -> None:
        """Saves the document as it was, unless somebody has saved since."""
        from flagkit.admin.stores import Note

        saved = self._store.read()
        if saved.version.number == number:
            self._store.save(saved, before, Note(reason="guarded rollout: undone, for it can't be deployed"))

    def live_document(self) -> FlagDocument:
        """The document that is live.

        Raises:
            AwsError: it can't be read.
        """
        with self._translated():
            return self._seen().live

    def create(self, function: FunctionRef, version: str) -> None:  # noqa: ARG002 - the port's signature
        """A flag is created by `flagkit create`.

        Raises:
            NotFoundError: always.
        """
        raise NotFoundError(f"there is no flag {self._target.key}", hint=f"`flagkit create {self._target.key}`.")

    def publish(self, function: FunctionRef) -> str:  # noqa: ARG002
        """The version with everybody exposed; there is nothing to publish."""
        return EXPOSED

    def newest_version(self, function: FunctionRef) -> str | None:  # noqa: ARG002
        """The version with everybody exposed."""
        return EXPOSED

    def version_facts(self, function: FunctionRef, version: str) -> VersionFacts:  # noqa: ARG002
        """Facts that let both versions share an alias."""
        return VersionFacts(version, "Active", "", "", 0, "", "", durable=False)

    def function_facts(self, function: FunctionRef) -> FunctionFacts:  # noqa: ARG002
        """What a rollout would meet; nothing bypasses a flag."""
        from canary.adapters.flag_facts import flag_facts

        with self._translated():
            return flag_facts(self._target, self._store, self._session)

    @property
    def _store(self) -> FlagStore:
        from flagkit.admin.stores import open_store

        if self._opened is None:
            self._opened = open_store(self._target.source, session=self._session, clock=self._clock)
        return self._opened

    def _seen(self) -> _Seen:
        if self._store.deployments is None:
            newest = self._store.read()
            return _Seen(newest, newest.document, self._record(newest.document))
        status = self._store.deployments.status()
        newest = self._store.read()
        if status.served is None:
            raise FlagNotFoundError(
                f"no version of {self._target.source} is live", hint="Deploy it first: `flagkit deploy`."
            )
        is_live = status.served == newest.version.number
        live = newest.document if is_live else self._store.read(status.served).document
        return _Seen(newest, live, self._last_record(newest, live, status), status)

    def _arn(self) -> str:
        """Of the profile: it says in which account and region the flag is."""
        if self._target.is_file:
            return ""
        if not self._known_arn:
            from flagkit.admin.stores.appconfig import AppConfigStore
            from flagkit.admin.stores.opening import open_plain_store

            # The store itself may be one that notifies, or asks for approvals.
            plain = open_plain_store(self._target.source, session=self._session, clock=self._clock)
            with closing(plain):
                assert isinstance(plain, AppConfigStore)
                self._known_arn = plain.control.arn("profile")
        return self._known_arn

    def _last_record(self, newest: Stored, live: FlagDocument, status: DeploymentStatus) -> str:
        """The record that is live, but for two: a decrease is never undone, and what was taken from users is missed.

        So a decrease that was saved counts, although its driver ended before the deployment; and after somebody rolled
        a deployment back, or deployed an older version, the record that users had shows that they lost it.
        """
        from flagkit.core.rollouts import rollout_id

        saved, kept = self._record(newest.document), self._record(live)
        if self._said(newest.document) == self._said(live):
            return kept
        if _returns(saved) and rollout_id(saved) == rollout_id(kept):
            return saved
        return saved if self._said(newest.document) == self._said_once(status.reverted, newest) else kept

    def _said_once(self, version: int | None, newest: Stored) -> object:
        from flagkit.errors import FlagkitError

        if version is None or version == newest.version.number:
            return version and self._said(newest.document)
        with suppress(FlagkitError):  # it may have been deleted
            return self._said(self._store.read(version).document)
        return None

    def _changed(self, seen: _Seen, percent: Decimal, record: str) -> FlagDocument:
        from flagkit.admin.edits import expose, put_rollout
        from flagkit.admin.entries import entries_of, with_entries
        from flagkit.errors import EditError, UnknownFlagError

        key = self._target.key
        try:
            document = expose(seen.newest.document, key, percent, self._variant)
        except (EditError, UnknownFlagError):
            # What somebody saved has no percentage, and isn't live: users need the decrease now.
            whole = with_entries(seen.newest.document, entries_of(seen.live, {key}))
            document = expose(whole, key, percent, self._variant)
        return put_rollout(document, key, record or None)

    def _refuse_while_busy(self, seen: _Seen, spec: AliasSpec) -> None:
        newest, live = seen.newest.document, seen.live
        if self._said(newest) != self._said(live) and not self._is_of_rollout(newest, seen, spec):
            raise UnavailableError(
                f"flag {self._target.key} has a change that is saved but not deployed",
                hint="Deploy it: `flagkit deploy`, or undo it: `flagkit revert --last`.",
            )
        running = None if seen.status is None else seen.status.running
        if running is not None and not seen.only_bakes:
            raise UnavailableError(f"deployment {running.number} is in progress ({running.state.lower()})")

    def _is_of_rollout(self, newest: FlagDocument, seen: _Seen, spec: AliasSpec) -> bool:
        """Whether a save that isn't deployed was made by this very rollout: a driver ended between the two."""
        from flagkit.core.rollouts import rollout_id
        from flagkit.errors import EditError, UnknownFlagError

        saved = self._record(newest)
        known = {rollout_id(spec.description), rollout_id(seen.record)} - {""}
        try:
            exposed_bp = self._exposed_bp(newest)
        except (EditError, UnknownFlagError):
            return False
        if not saved:  # the last save of a rollout removes the record
            return bool(known) and not spec.description and exposed_bp == _wanted_bp(spec)
        is_changed = saved != self._record(seen.live)
        return is_changed and rollout_id(saved) in known and exposed_bp == _recorded_bp(saved)

    def _exposed_bp(self, document: FlagDocument) -> int:
        from flagkit.admin.edits import exposed_percent

        return basis_points(exposed_percent(document, self._target.key, self._variant))

    def _record(self, document: FlagDocument) -> str:
        from flagkit.admin.edits import rollout_record

        return rollout_record(document, self._target.key) or ""

    def _said(self, document: FlagDocument) -> tuple[object, str]:
        """All that a document says about the flag and its rollout."""
        from flagkit.admin.entries import entries_of

        return entries_of(document, {self._target.key}).get(self._target.key), self._record(document)

    def _revision(self, seen: _Seen) -> str:
        said = [self._said(seen.live)[0], seen.record]
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from flagkit import errors

        try:
            yield
        except errors.ConflictError as error:
            raise StaleRevisionError(error.message, hint=error.hint) from error
        except (errors.SourceUnavailableError, errors.SourceBusyError, errors.DeploymentBusyError) as error:
            raise UnavailableError(error.message, hint=error.hint) from error
        except errors.AccessDeniedError as error:
            raise AccessDeniedError(error.message) from error  # flagkit's hint is about reading
        except (errors.UnknownFlagError, errors.SourceNotFoundError, errors.NotDeployedError) as error:
            raise FlagNotFoundError(error.message, hint=error.hint) from error
        except errors.EditError as error:
            raise UnusableFlagError(error.message, hint=error.hint) from error
        except errors.FlagkitError as error:
            raise AwsError(error.message, hint=error.hint) from error


@dataclass(frozen=True, slots=True)
class _Seen:
    """What users have, and what the next save changes.

    Attributes:
        newest: the newest version.
        live: the document that users have.
        record: what the rollout has written last.
        status: of the deployments; None for a file.
    """

    newest: Stored
    live: FlagDocument
    record: str
    status: DeploymentStatus | None = None

    @property
    def only_bakes(self) -> bool:
        """Whether all clients have the running deployment of this profile, which is only watched by alarms."""
        running, last = (None, None) if self.status is None else (self.status.running, self.status.last)
        return running is not None and last is not None and (running.number, running.state) == (last.number, "BAKING")


def _wanted_bp(spec: AliasSpec) -> int:
    if spec.extra_version == EXPOSED:
        return spec.extra_bp
    return ALL_BP if spec.version == EXPOSED else 0


def _returns(record: str) -> bool:
    found = _decoded(record)
    return found is not None and found.phase in RETURNING


def _recorded_bp(record: str) -> int:
    found = _decoded(record)
    return found.shifts[-1].weight_bp if found is not None and found.shifts else 0


def _decoded(record: str) -> Record | None:
    try:
        return decode(record)
    except RecordError:
        return None
