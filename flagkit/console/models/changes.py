"""A change on its way: what was entered, what it makes of the newest version, and what somebody else did meanwhile.

The command line makes the same edits, and the same comparison. Nothing is saved here but by `save`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from flagkit.admin.diff import DocumentDiff, FlagDiff, compare
from flagkit.admin.edits.rollouts import conflicts
from flagkit.admin.entries import entries_of
from flagkit.admin.environments import refuse_shared
from flagkit.admin.merge import merge
from flagkit.admin.people import Moved, User, moves
from flagkit.admin.stores import FlagStore, Note, Receipt, Stored, Version
from flagkit.console.models.actions import ACTIONS, Action, Current, Fields, remarks_of
from flagkit.console.workspace import Place, Workspace, live_of
from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot
from flagkit.errors import ConflictError, SourceError, UsageError

CONTROL: Final = frozenset({"action", "key", "base", "step", "reason", "confirm", "edit_id", "stop_running"})
"""Fields that say how a change is made, not what it is."""
_MAX_BETWEEN = 20


@dataclass(frozen=True, slots=True)
class Requested:
    """A change as it was entered: what a form sends, and what a proposal keeps.

    Attributes:
        action: a name in `ACTIONS`.
        key: the flag, or the segment.
        fields: what was entered.
        base: the version that the form showed, as `token_of` returns it; empty for the newest.
    """

    action: str
    key: str
    fields: Mapping[str, tuple[str, ...]]
    base: str = ""

    @property
    def what(self) -> Action:
        """What is asked for.

        Raises:
            UsageError: there is no such action.
        """
        if self.action not in ACTIONS:
            raise UsageError(f"there is no action {self.action!r}", hint="Go back to the flag, and try again.")
        return ACTIONS[self.action]

    @property
    def anchor(self) -> str:
        """The flag whose text tells whether somebody changed it meanwhile; empty for a segment."""
        return "" if "segment" in self.action else self.key

    @property
    def title(self) -> str:
        """What is done, in a few words."""
        return self.what.title.format(self.key)

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON types."""
        fields = {name: list(values) for name, values in self.fields.items()}
        return {"action": self.action, "key": self.key, "fields": fields, "base": self.base}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Read what `to_dict` returned.

        Raises:
            UsageError: it isn't that.
        """
        fields = data.get("fields")
        texts = [data.get(name) for name in ("action", "key", "base")]
        if not isinstance(fields, Mapping) or not all(isinstance(text, str) for text in texts):
            raise UsageError("this is not a change of a console")
        read = {str(name): tuple(map(str, values)) for name, values in fields.items() if isinstance(values, list)}
        return cls(str(texts[0]), str(texts[1]), read, str(texts[2]))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change that can be saved.

    Attributes:
        requested: what was entered.
        base: the version that it is made from.
        newest: the newest version.
        edited: `base` with the change.
        merged: `newest` with the change.
        diff: what it changes.
        between: what others saved since the form was shown, newest first.
        remarks: what is to be known before it is saved.
    """

    requested: Requested
    base: Stored
    newest: Stored
    edited: FlagDocument
    merged: FlagDocument
    diff: DocumentDiff
    between: tuple[Version, ...] = ()
    remarks: tuple[str, ...] = ()


class EditedMeanwhileError(ConflictError):
    """Somebody else changed the same flag since the form was shown.

    Attributes:
        ours: what the change does to the version that the form showed; None if that version is gone.
        theirs: what others did since; None like `ours`.
        between: their versions, newest first.
        token: of the newest version.
    """

    def __init__(
        self,
        message: str,
        *,
        ours: FlagDiff | None,
        theirs: FlagDiff | None,
        between: tuple[Version, ...],
        token: str,
    ) -> None:
        super().__init__(message, hint="Compare both changes. Yours can be made on top of theirs, or dropped.")
        self.ours, self.theirs, self.between, self.token = ours, theirs, between, token


def token_of(stored: Stored, key: str) -> str:
    """Return what a form keeps of the version that it shows: its number, and what it says of the flag."""
    return f"{stored.version.number}-{_digest(stored.document, key)}"


def prepare(workspace: Workspace, place: Place, requested: Requested) -> Prepared:
    """Make a change, on top of what others saved since the form was shown.

    Raises:
        EditedMeanwhileError: others changed the same flag.
        FlagkitError: the change can't be made, or the source can't be read.
    """
    newest = workspace.newest(place)
    now = workspace.clock.now()
    base = _base(workspace, place, requested, newest)

    def edited(stored: Stored) -> FlagDocument:
        current = Current(
            stored.document,
            requested.key,
            Fields(requested.fields),
            now,
            lambda number: workspace.version(place, number).document,
            lambda name: _live(workspace, place, name),
        )
        return requested.what.edit(current)

    between = _between(workspace, place, newest, requested)
    if base is None:
        message = f"{requested.key} was changed, and the version that the page showed can't be read any more"
        token = token_of(newest, requested.anchor)
        raise EditedMeanwhileError(message, ours=None, theirs=None, between=between, token=token)
    ours = edited(base)
    try:
        merged = merge(base.document, ours, newest.document)
    except ConflictError as error:
        raise EditedMeanwhileError(
            error.message,
            ours=compare(base.document, ours, now=now).of(_named(requested)),
            theirs=compare(base.document, newest.document, now=now).of(_named(requested)),
            between=between,
            token=token_of(newest, requested.anchor),
        ) from error
    diff = compare(newest.document, merged, now=now)
    remarks = (*remarks_of(Fields(requested.fields)), *conflicts(newest.document, merged).values())
    return Prepared(requested, base, newest, ours, merged, diff, between, remarks)


def save(store: FlagStore, prepared: Prepared, note: Note) -> Receipt:
    """Save a prepared change.

    Raises:
        ConflictError: somebody changed the same flag since it was prepared.
        FlagkitError: it can't be saved.
    """
    return store.save(prepared.base, prepared.edited, note)


def estimate(workspace: Workspace, prepared: Prepared, people: Sequence[User]) -> tuple[Moved, ...]:
    """Return how many of these users get another answer, flag by flag."""
    keys = [
        flag.key
        for flag in prepared.diff.flags
        if flag.key in {*prepared.newest.document.flags, *prepared.merged.flags}
    ]
    before, after = (_snapshot(document, workspace) for document in (prepared.newest.document, prepared.merged))
    return tuple(moves(before, after, keys, people, {}))


def on_top(requested: Requested, token: str) -> Requested:
    """Return the same change, to be made on the newest version."""
    return replace(requested, base=token)


def _snapshot(document: FlagDocument, workspace: Workspace) -> Snapshot:
    return Snapshot.from_json(document.to_json(), now=workspace.clock.now)


def _named(requested: Requested) -> str:
    return f"segment {requested.key}" if "segment" in requested.action else requested.key


def _live(workspace: Workspace, target: Place, name: str) -> FlagDocument:
    origin = workspace.place(name)
    if origin.name == target.name:
        raise UsageError(f"{name} cannot be copied to itself", hint="Choose another environment.")
    standing = workspace.standing(origin)
    refuse_shared(None if standing.status is None else standing.status.served, origin.url, target.url)
    return live_of(standing, origin).document


def _base(workspace: Workspace, place: Place, requested: Requested, newest: Stored) -> Stored | None:
    """Return the version that a form showed; None if it can't be had."""
    number, digest = _read_token(requested.base)
    if not requested.base or digest == _digest(newest.document, requested.anchor):
        return newest  # nobody changed this flag
    if number is None:
        return None
    try:
        found = workspace.version(place, number)
    except SourceError:
        return None
    return found if _digest(found.document, requested.anchor) == digest else None


def _between(workspace: Workspace, place: Place, newest: Stored, requested: Requested) -> tuple[Version, ...]:
    number, _ = _read_token(requested.base)
    if number is None or number >= newest.version.number:
        return ()
    with workspace.reading(place) as store:
        found: list[Version] = []
        for version in store.versions():
            if version.number <= number or len(found) == _MAX_BETWEEN:
                break
            if version.changes is None or requested.key in version.changes:
                found.append(version)
    return tuple(found)


def _read_token(token: str) -> tuple[int | None, str]:
    """Return the number and the rest of what `token_of` returned; no number where it can't have."""
    number, _, digest = token.partition("-")
    is_number = number.isascii() and number.isdecimal() and len(number) < 10
    return int(number) if is_number else None, digest


def _digest(document: FlagDocument, key: str) -> str:
    """Return what a flag says, in a few characters. Segments are kept in flags of flagkit's own."""
    entries = entries_of(document, {key, *INTERNAL_FLAGS} if key not in document.flags else {key})
    text = json.dumps(entries, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
