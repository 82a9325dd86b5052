"""Where proposals are kept: beside the flags, so that no other service and no other permission is needed.

For a file it is `<file>.proposals.json`; for AppConfig a second hosted profile, `<profile>-proposals`, that is never
deployed. Two writers never lose each other's proposals.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from flagkit.admin.proposals.proposal import MAX_BYTES, Proposal, decode, encode
from flagkit.admin.stores.control import TRIES, Control
from flagkit.admin.stores.disk import Disk, locked
from flagkit.errors import (
    AccessDeniedError,
    EditError,
    SourceBusyError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from flagkit.runtime.clock import Clock, machine_clock

SUFFIX: Final = "-proposals"
"""Of the profile that keeps the proposals of another one."""

_LOCK_WAIT_S = 10.0

Change: TypeAlias = Callable[[tuple[Proposal, ...]], tuple[Proposal, ...]]
"""Makes new proposals of those that are kept. It may refuse, and is called again when it isn't known whether its result
was written: what it did already, it leaves as it is."""


class ProposalStore(Protocol):
    """Keeps the proposals of one source."""

    def read(self) -> tuple[Proposal, ...]:
        """Return all proposals, oldest first.

        Raises:
            SourceError: they can't be read.
        """
        ...

    def change(self, change: Change) -> tuple[Proposal, ...]:
        """Change the proposals; no other writer's change is lost.

        Raises:
            SourceError: they can't be written.
            EditError: they are larger than the source can keep.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class FileProposals:
    """The proposals beside a file of flags.

    Args:
        flags: the file of flags.
        clock: the machine's where None.
        disk: how files are written.
    """

    def __init__(self, flags: Path, *, clock: Clock | None = None, disk: Disk | None = None) -> None:
        target = flags.resolve()
        self._path = target.with_name(f"{target.name}.proposals.json")
        self._lock = target.with_name(f".{target.name}.proposals.lock")
        self._clock = machine_clock() if clock is None else clock
        self._disk = Disk() if disk is None else disk

    def read(self) -> tuple[Proposal, ...]:
        """Return all proposals, oldest first."""
        try:
            content = self._disk.read(self._path)
        except OSError as error:
            raise _translated(error, self._path) from error
        return () if content is None else decode(content)

    def change(self, change: Change) -> tuple[Proposal, ...]:
        """Change the proposals under a lock."""
        try:
            with locked(self._lock, self._clock, _LOCK_WAIT_S):
                before = self.read()
                after = change(before)
                if after != before:
                    self._disk.replace(self._path, _content(after))
        except OSError as error:
            raise _translated(error, self._path) from error
        return after

    def close(self) -> None:
        """Nothing to let go of."""


class AppConfigProposals:
    """The proposals in a hosted profile beside that of the flags; both environments of a profile share it.

    Args:
        control: of the profile `<profile>-proposals`.
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    def read(self) -> tuple[Proposal, ...]:
        """Return all proposals, oldest first; none where there is no profile yet."""
        return self._read()[1]

    def change(self, change: Change) -> tuple[Proposal, ...]:
        """Change the proposals under AWS's lock, and again if another writer was faster."""
        failures = 0
        while True:
            newest, before = self._read()
            after = change(before)  # unchanged where a call whose answer was lost did happen
            if after == before:
                return after
            try:
                self._write(newest, _content(after))
            except (SourceBusyError, SourceUnavailableError):
                failures += 1
                if failures >= 2 * TRIES:
                    raise
                self._control.pause(failures)
            else:
                return after

    def close(self) -> None:
        """Close the connections."""
        self._control.close()

    def _read(self) -> tuple[int, tuple[Proposal, ...]]:
        """Return the newest version's number, and its proposals."""
        self._control.application()  # this one must exist
        try:
            profile = self._control.profile()
        except SourceNotFoundError:
            return 0, ()
        number = self._control.newest_version()
        if number == 0:
            return 0, ()
        _, content = self._control.content("GetHostedConfigurationVersion", **profile, VersionNumber=number)
        return number, decode(content)

    def _write(self, newest: int, content: bytes) -> None:
        if newest == 0:
            create_profile(self._control)
        self._control.locked(
            "CreateHostedConfigurationVersion",
            "LatestVersionNumber",
            newest,
            **self._control.profile(),
            Content=content,
            ContentType="application/json",
            Description="proposals; never deployed",
        )


def create_profile(control: Control) -> bool:
    """Create the profile that keeps proposals, if it doesn't exist, and tell whether it was created.

    Raises:
        SourceError: AWS refused.
    """
    try:
        control.profile()
    except SourceNotFoundError:
        pass
    else:
        return False
    name = control.names.rpartition("/")[2]
    try:
        control.once(
            "CreateConfigurationProfile",
            **control.application(),
            Name=name,
            LocationUri="hosted",
            Type="AWS.Freeform",
            Description="change proposals of flagkit; never deployed",
        )
    except AccessDeniedError as error:
        raise AccessDeniedError(
            f"the profile {name}, which keeps proposals, does not exist, and may not be created",
            hint="Let an administrator run `flagkit init` with this source.",
        ) from error
    except (SourceBusyError, SourceUnavailableError):
        raise
    except SourceError:
        control.profile()  # names are unique: somebody else created it just now
    return True


def _content(proposals: tuple[Proposal, ...]) -> bytes:
    content = encode(proposals)
    if len(content) > MAX_BYTES:
        raise EditError(
            f"the open proposals have {len(content):,} bytes; at most {MAX_BYTES:,} are kept",
            hint="Nothing was changed. Approve, reject or withdraw open proposals first.",
        )
    return content


def _translated(error: OSError, path: Path) -> SourceError:
    if isinstance(error, PermissionError):
        return AccessDeniedError(
            f"{path.name} can't be changed: permission denied",
            hint="Grant write permission on the file and its folder.",
        )
    return SourceUnavailableError(f"{path.name} can't be changed: {error.strerror or type(error).__name__}")
