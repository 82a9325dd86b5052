"""What may be done with proposals: propose, look at one against what is live now, approve, reject, withdraw, save.

Whoever calls says who the person is; that the person may do it at all (a role) is decided before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from flagkit.admin.diff import DocumentDiff, compare
from flagkit.admin.edits import expose, put_rollout, rollout_record, switch_off
from flagkit.admin.edits.rollouts import changed_rollouts, shared
from flagkit.admin.entries import EMPTY, changed_entries, entries_of, is_same, with_entries
from flagkit.admin.environments import live_document
from flagkit.admin.identity import Person
from flagkit.admin.merge import merge
from flagkit.admin.proposals.keeping import ProposalStore
from flagkit.admin.proposals.proposal import Approval, Entries, Proposal, Status, fingerprint
from flagkit.admin.stores.base import FlagStore, Note, Receipt, Stored, new_edit_id
from flagkit.core.documents import FlagDocument
from flagkit.errors import ConflictError, DocumentError, EditError, NotDeployedError, RefusedError, SourceNotFoundError
from flagkit.runtime.clock import Clock

SAVED: Final = "proposal-"
"""What the id of an edit begins with that saves a proposal; other edits can't have such an id."""

PROPOSAL_ID: Final = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Review:
    """A proposal against the flags as they are now.

    Attributes:
        proposal: the proposal.
        base: the newest saved version; the change is saved on it.
        document: what would be saved; None where it can't be.
        diff: everything that goes live with it, compared with what is live now; where it can't be saved, or is closed,
            what was proposed.
        seen: the fingerprint of that change, which an approval names.
        problem: why it can't be saved: somebody changed the same flag since, or there is nothing left to change.
        approvals: the approvals that count for this change.
        required: how many are required.
    """

    proposal: Proposal
    base: Stored
    document: FlagDocument | None
    diff: DocumentDiff
    seen: str
    problem: str
    approvals: tuple[Approval, ...]
    required: int

    @property
    def is_approved(self) -> bool:
        """Whether it may be saved."""
        return self.proposal.status == "open" and self.document is not None and len(self.approvals) >= self.required


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for in an environment.

    Attributes:
        count: how many other people approve a change; 0 for none.
        environment: its name; None for a file.
        frees_rollouts: whether guarded rollouts need no approval.
    """

    count: int
    environment: str | None = None
    frees_rollouts: bool = False


class Proposals:
    """The proposals of one source.

    Args:
        store: the flags.
        kept: the proposals.
        demand: says what is asked for; AWS may have to be asked for names.
        clock: dates what is done.
        caller: says who runs this program, for those who sign in nowhere.
        announce: notifies of a new proposal: its id, base, document, author and reason.
    """

    def __init__(
        self,
        store: FlagStore,
        kept: ProposalStore,
        demand: Callable[[], Demand],
        clock: Clock,
        caller: Callable[[], Person],
        announce: Callable[[str, Stored, FlagDocument, str, str], object] | None = None,
    ) -> None:
        self._announce = announce
        self.caller = caller
        self._store = store
        self._kept = kept
        self._demand = demand
        self._clock = clock

    @property
    def required(self) -> int:
        """How many other people approve a change; 0 for none."""
        return self._demand().count

    @property
    def frees_rollouts(self) -> bool:
        """Whether guarded rollouts need no approval."""
        return self._demand().frees_rollouts

    @property
    def _environment(self) -> str | None:
        return self._demand().environment

    def all(self, status: Status | None = None) -> list[Proposal]:
        """Return the proposals for this environment, newest first; those of one status, or all.

        Raises:
            SourceError: they can't be read.
        """
        return [
            item
            for item in reversed(self._kept.read())
            if item.environment == self._environment and status in {None, item.status}
        ]

    def get(self, number: str) -> Proposal:
        """Return a proposal by its id.

        Raises:
            SourceNotFoundError: there is none.
        """
        found = next((item for item in self.all() if item.id == number), None)
        if found is None:
            raise SourceNotFoundError(f"there is no proposal {number}", hint="`flagkit proposals` lists them.")
        return found

    def propose(
        self, author: Person, base: Stored, document: FlagDocument, reason: str, *, number: str | None = None
    ) -> Proposal:
        """Keep an edit for approval.

        Args:
            author: who proposes it.
            base: the version that the edit was made from.
            document: what the edit makes of it.
            reason: why.
            number: the proposal's id, so that a repeated call proposes once; a new one where None.

        Raises:
            EditError: there is nothing to change, no reason, or the id isn't 12 hexadecimal digits.
        """
        if number is not None and PROPOSAL_ID.fullmatch(number) is None:
            raise EditError(f"{number!r} is not a valid id of a proposal", hint="Use 12 hexadecimal digits.")
        after = changed_entries(base.document, document)
        if not after:
            raise EditError("there is nothing to propose: the flags are already as wanted")
        if not reason.strip():
            raise EditError("a proposal needs a reason", hint="Say in one sentence why the flags change.")
        old = entries_of(base.document, after)
        made = Proposal(
            new_edit_id() if number is None else number,
            self._environment,
            author,
            reason.strip(),
            self._clock.now(),
            base.version.number,
            {key: old.get(key) for key in after},
            after,
        )
        kept = self._kept.change(lambda all_: all_ if any(it.id == made.id for it in all_) else (*all_, made))
        found = next(item for item in kept if item.id == made.id)
        if found == made and self._announce is not None:  # not the second of two equal calls
            self._announce(made.id, base, document, author.name, made.reason)
        return found

    def review(self, number: str) -> Review:
        """Compare a proposal with what is live now.

        Raises:
            SourceError: something can't be read.
        """
        return self._review(self.get(number))

    def approve(self, by: Person, number: str, seen: str) -> Review:
        """Approve a proposal as it was shown.

        Args:
            by: who approves; not its author, and nobody twice.
            number: the proposal's id.
            seen: the fingerprint of the change that was shown.

        Raises:
            RefusedError: it is the author's own, or closed.
            ConflictError: it would change something else by now, or can't be saved any more.
        """
        review = self.review(number)
        _refuse_closed(review.proposal)
        if by.is_same(review.proposal.author):
            raise RefusedError("a proposal is approved by another person than its author", hint="Ask a colleague.")
        if review.document is None:
            raise ConflictError(f"proposal {number} can't be approved: {review.problem}")
        if review.seen != seen:
            raise ConflictError(
                f"what proposal {number} changes is no longer what was shown",
                hint="Somebody changed the flags meanwhile. Look at the change again, then approve it.",
            )
        approval = Approval(by, self._clock.now(), seen)

        def approved(proposal: Proposal) -> Proposal:
            if any(by.is_same(earlier.by) for earlier in proposal.approved(seen)):
                return proposal
            return replace(proposal, approvals=(*proposal.approvals, approval))

        return self._review(self._change(number, approved))

    def reject(self, by: Person, number: str, remark: str) -> Proposal:
        """Close a proposal that shall not be saved.

        Raises:
            EditError: no remark.
            RefusedError: it is closed.
        """
        if not remark.strip():
            raise EditError("a rejection needs a reason", hint="Say in one sentence why, so that the author knows.")
        return self._close(by, number, "rejected", remark.strip())

    def withdraw(self, by: Person, number: str) -> Proposal:
        """Close one's own proposal.

        Raises:
            RefusedError: it is another person's, or closed.
        """
        if not by.is_same(self.get(number).author):
            raise RefusedError("a proposal is withdrawn by its author", hint="Reject it instead.")
        return self._close(by, number, "withdrawn", "")

    def save(self, number: str) -> tuple[Receipt, Proposal]:
        """Save an approved proposal under its author's name; repeated calls save it once.

        Deploying the version is the caller's.

        Raises:
            RefusedError: it is not approved, or closed.
            ConflictError: somebody changed the same flag in the meantime.
        """
        review = self.review(number)
        proposal = review.proposal
        _refuse_closed(proposal)
        if review.document is None:
            raise ConflictError(f"proposal {number} can't be saved: {review.problem}")
        if not review.is_approved:
            raise RefusedError(
                f"proposal {number} has {len(review.approvals)} of {self.required} approvals",
                hint="Another person approves it in the console.",
            )
        names = ", ".join(approval.by.name for approval in review.approvals)
        note = Note(f"{proposal.reason} (approved by {names})", proposal.author.name, SAVED + proposal.id)
        receipt = self._store.save(review.base, review.document, note)
        version = receipt.version.number

        def applied(proposal: Proposal) -> Proposal:
            if proposal.status == "applied":
                return proposal
            return replace(proposal, status="applied", version=version, closed_at=self._clock.now())

        return receipt, self._change(number, applied, may_be={"open", "applied"})

    def was_approved(self, edit_id: str | None) -> bool:
        """Tell whether the version of an edit is an approved proposal."""
        if edit_id is None or not edit_id.startswith(SAVED):
            return False
        return any(item.id == edit_id.removeprefix(SAVED) for item in self.all("applied"))

    def close(self) -> None:
        """Let go of connections."""
        self._kept.close()

    def _review(self, proposal: Proposal) -> Review:
        newest = self._store.read(missing_ok=True)
        base = self._base(proposal, newest.document)
        wanted = with_entries(base, proposal.after)
        if proposal.status != "open":
            diff = compare(base, wanted, now=self._clock.now())
            return Review(proposal, newest, None, diff, "", "", proposal.approvals, self.required)
        try:
            document = merge(base, wanted, newest.document)
        except (ConflictError, DocumentError) as error:
            problem = error.message.replace("since you read it", "since it was proposed")
            diff = compare(base, wanted, now=self._clock.now())
            return Review(proposal, newest, None, diff, "", problem, (), self.required)
        if is_same(document, newest.document):
            problem = "the flags are already as proposed"
            return Review(proposal, newest, None, DocumentDiff(), "", problem, (), self.required)
        live = live_or_empty(self._store)
        diff = compare(live, document, now=self._clock.now())
        seen = fingerprint(changed_entries(live, document))
        return Review(proposal, newest, document, diff, seen, "", proposal.approved(seen), self.required)

    def _base(self, proposal: Proposal, newest: FlagDocument) -> FlagDocument:
        """Return the document that a proposal was made from; where it is gone, the newest, its flags as they were."""
        try:
            base = self._store.read(proposal.base, missing_ok=True).document if proposal.base else EMPTY
            if _entries_at(base, proposal.before) == dict(proposal.before):
                return base
        except (SourceNotFoundError, DocumentError):
            pass
        return with_entries(newest, proposal.before)

    def _close(self, by: Person, number: str, status: Status, remark: str) -> Proposal:
        def closed(proposal: Proposal) -> Proposal:
            return replace(proposal, status=status, closed_by=by, closed_at=self._clock.now(), remark=remark)

        return self._change(number, closed)

    def _change(
        self, number: str, change: Callable[[Proposal], Proposal], *, may_be: Collection[Status] = frozenset({"open"})
    ) -> Proposal:
        def changed(all_: tuple[Proposal, ...]) -> tuple[Proposal, ...]:
            found = next((it for it in all_ if it.id == number and it.environment == self._environment), None)
            if found is None:
                raise SourceNotFoundError(f"there is no proposal {number}", hint="`flagkit proposals` lists them.")
            if found.status not in may_be:
                _refuse_closed(found)
            return tuple(change(item) if item is found else item for item in all_)

        return next(item for item in self._kept.change(changed) if item.id == number)


def is_exempt(before: FlagDocument, after: FlagDocument, *, rollouts: bool = False) -> bool:
    """Tell whether a change needs no approval.

    Harm is stopped at once: flags are switched off, or their percentage is lowered to 0 %, or in a guarded rollout to
    whatever it returns to. The record of a rollout under way concerns no user.

    Args:
        before: the document that is changed.
        after: the changed document.
        rollouts: whether guarded rollouts need none, either: they begin, and raise a percentage.
    """
    document = before
    for flag in compare(before, after).flags:
        if flag.kind == "changed" and flag.key in before.values:
            document = _towards(after, document, flag.key, rollouts=rollouts)
    for key in changed_rollouts(before, after):
        if rollouts or rollout_record(before, key) is not None:
            document = put_rollout(document, key, rollout_record(after, key))
    return is_same(document, after)


def _towards(after: FlagDocument, document: FlagDocument, key: str, *, rollouts: bool) -> FlagDocument:
    """Make the part of a flag's change that needs no approval."""
    off = switch_off(document, key)
    if entries_of(off, {key}) == entries_of(after, {key}):
        return off
    had, gets = shared(document, key), shared(after, key)
    if had is None or gets is None:
        return document
    is_under_way = rollout_record(document, key) is not None
    may_raise = rollouts and is_under_way and rollout_record(after, key) is not None
    if may_raise or (gets.percent < had.percent and (is_under_way or not gets.percent)):
        return expose(document, key, gets.percent, had.variant)
    return document


def live_or_empty(store: FlagStore) -> FlagDocument:
    """Return what clients get, which is an empty document where nothing is live."""
    try:
        return live_document(store)
    except (NotDeployedError, SourceNotFoundError):
        return EMPTY


def _entries_at(document: FlagDocument, before: Entries) -> dict[str, object]:
    found = entries_of(document, before)
    return {key: found.get(key) for key in before}


def _refuse_closed(proposal: Proposal) -> None:
    if proposal.status != "open":
        by = "" if proposal.closed_by is None else f" by {proposal.closed_by.name}"
        raise RefusedError(f"proposal {proposal.id} is {proposal.status}{by}", hint="Propose the change again.")
