"""The port `Aliases` on a flag: its percentage of users is the weight, its record is kept in the flag document.

Nobody exposed is version "1", everybody exposed is version "2"; both always exist. One save changes percentage and
record, if the flag still is what was read, and is deployed at once. What counts as read is what is live: a save that
was never deployed has changed nothing for users. Imports flagkit, and only when a stage has a flag.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from canary.adapters.aws import Session
from canary.core.alias import ALL_BP, AliasSpec, AliasState, FunctionFacts, VersionFacts, basis_points
from canary.core.flag_note import flag_note
from canary.core.plan import FlagTarget, FunctionRef
from canary.errors import (
    AccessDeniedError,
    AwsError,
    FlagNotFoundError,
    NotFoundError,
    StaleRevisionError,
    UnavailableError,
    UnusableFlagError,
)
from canary.ports import DeadManFacts

if TYPE_CHECKING:
    from flagkit.admin.stores import FlagStore
    from flagkit.admin.stores.base import DeploymentStatus, WhenBusy
    from flagkit.core.documents import FlagDocument
    from flagkit.runtime.clock import Clock as FlagClock

NOT_EXPOSED: Final = "1"
EXPOSED: Final = "2"


def no_dead_man() -> DeadManFacts:
    """Nothing in AWS lowers a flag: a schedule can't write a document."""
    return DeadManFacts(None, "nothing in AWS can lower a flag")


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

    def read(self, function: FunctionRef) -> AliasState:
        """What share of the users gets the variant by the document that is live."""
        with self._translated():
            return self._state(function, self._live())

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        """Saves percentage and record in one version of the document, and deploys it.

        A decrease replaces a deployment of the same profile that is in progress; an increase waits for another tick.
        """
        from flagkit.admin.edits import expose, put_rollout, rollout_record
        from flagkit.admin.stores import Note

        key, percent = self._target.key, Decimal(_exposed_bp(spec)) / 100
        with self._translated():
            live = self._live()
            if self._revision(live) != revision_id:
                raise StaleRevisionError(f"flag {key} has changed")
            newest = self._store.read()
            is_live = self._revision(newest.document) == revision_id
            if not is_live and not self._is_same_rollout(newest.document, live, spec):
                raise StaleRevisionError(f"flag {key} has a change that is saved but not deployed")
            document = expose(newest.document, key, percent, self._variant)
            document = put_rollout(document, key, spec.description or None)
            before, record = self._percent(live), rollout_record(live, key) or ""
            reason = flag_note(basis_points(before), _exposed_bp(spec), record, spec)
            receipt = self._store.save(newest, document, Note(reason=reason))
            if (deployments := self._store.deployments) is not None:
                lowers = percent < before
                when_busy: WhenBusy = "replace" if lowers or _only_bakes(deployments.status()) else "refuse"
                deployments.deploy(receipt.version.number, pace="immediate", when_busy=when_busy, reason=reason)
        return self.read(function)

    def live_document(self) -> FlagDocument:
        """The document that is live.

        Raises:
            AwsError: it can't be read.
        """
        with self._translated():
            return self._live()

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

    def _live(self) -> FlagDocument:
        newest = self._store.read()
        if self._store.deployments is None:
            return newest.document
        status = self._store.deployments.status()
        if not status.is_pending:
            return newest.document
        if status.served is None:
            raise FlagNotFoundError(
                f"no version of {self._target.source} is live", hint="Deploy it first: `flagkit deploy`."
            )
        return self._store.read(status.served).document

    def _state(self, function: FunctionRef, document: FlagDocument) -> AliasState:
        from flagkit.admin.edits import rollout_record

        exposed_bp = basis_points(self._percent(document))
        is_shared = 0 < exposed_bp < ALL_BP
        return AliasState(
            function=function,
            version=EXPOSED if exposed_bp == ALL_BP else NOT_EXPOSED,
            extra_version=EXPOSED if is_shared else None,
            extra_bp=exposed_bp if is_shared else 0,
            description=rollout_record(document, self._target.key) or "",
            revision_id=self._revision(document),
        )

    def _percent(self, document: FlagDocument) -> Decimal:
        from flagkit.admin.edits import exposed_percent

        return exposed_percent(document, self._target.key, self._variant)

    def _revision(self, document: FlagDocument) -> str:
        """Hash of all that a document says about the flag and its rollout."""
        from flagkit.admin.edits import rollout_record
        from flagkit.admin.entries import entries_of

        entry = entries_of(document, {self._target.key}).get(self._target.key)
        said = [entry, rollout_record(document, self._target.key)]
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    def _is_same_rollout(self, newest: FlagDocument, live: FlagDocument, spec: AliasSpec) -> bool:
        """Whether a save that isn't deployed was made by this very rollout: a driver ended between the two."""
        from flagkit.admin.edits import rollout_record
        from flagkit.core.rollouts import rollout_id

        key = self._target.key
        known = {rollout_id(text) for text in (spec.description, rollout_record(live, key))} - {""}
        saved = rollout_record(newest, key)
        return rollout_id(saved) in known if saved else bool(known) and self._ends(newest, spec)

    def _ends(self, newest: FlagDocument, spec: AliasSpec) -> bool:
        """Whether it is the last save of a rollout, which removes the record."""
        return not spec.description and basis_points(self._percent(newest)) == _exposed_bp(spec)

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
            raise AccessDeniedError(error.message, hint=error.hint) from error
        except (errors.UnknownFlagError, errors.SourceNotFoundError, errors.NotDeployedError) as error:
            raise FlagNotFoundError(error.message, hint=error.hint) from error
        except errors.EditError as error:
            raise UnusableFlagError(error.message, hint=error.hint) from error
        except errors.FlagkitError as error:
            raise AwsError(error.message, hint=error.hint) from error


def _only_bakes(status: DeploymentStatus) -> bool:
    """Whether all clients have the running deployment of this profile, which is only watched by alarms."""
    running, last = status.running, status.last
    return running is not None and last is not None and (running.number, running.state) == (last.number, "BAKING")


def _exposed_bp(spec: AliasSpec) -> int:
    if spec.extra_version == EXPOSED:
        return spec.extra_bp
    return ALL_BP if spec.version == EXPOSED else 0
