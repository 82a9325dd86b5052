"""Change proposals: those that wait, one against what is live now, and what another person decides about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flagkit.admin.edits.rollouts import conflicts
from flagkit.admin.proposals.guard import GuardedStore, proposals_of
from flagkit.admin.proposals.proposal import Proposal
from flagkit.admin.proposals.review import PROPOSAL_ID, Proposals, Review, is_exempt
from flagkit.admin.stores import FlagStore, Note
from flagkit.console.audit import record
from flagkit.console.identity import Role
from flagkit.console.models.changes import Prepared
from flagkit.console.pages.handling import deployer_of, page, status_of, workspace_of
from flagkit.console.rendering import render
from flagkit.console.workspace import Place, Workspace
from flagkit.errors import FlagkitError, RefusedError, SourceNotFoundError

MAX_REMARK = 500
_SHOWN_CLOSED = 20


def list_proposals(request: Request, _: FormData) -> Response:
    """Show the proposals of all environments."""
    workspace = workspace_of(request)
    found = workspace.each(partial(_all, workspace))
    answers = [(place, found[place.name]) for place in workspace.environments]
    return render(
        request,
        "proposals.html",
        {
            "asking": [(place, it) for place, it in answers if isinstance(it, list)],
            "problems": [(place, it) for place, it in answers if isinstance(it, FlagkitError)],
            "free": [place for place, it in answers if it is None],
            "closed_shown": _SHOWN_CLOSED,
        },
    )


def show_proposal(request: Request, _: FormData) -> Response:
    """Show a proposal against what is live now."""
    place, number = _wanted(request)
    with _opened(request, place) as (_store, proposals):
        return _page(request, place, proposals.review(number))


def approve(request: Request, form: FormData) -> Response:
    """Approve a proposal as it was shown; the last approval saves and deploys it."""
    person = request.state.identity.person

    def decide(proposals: Proposals, number: str) -> bool:
        return proposals.approve(person, number, str(form.get("seen", ""))).is_approved

    return _decided(request, form, "approve proposal", decide)


def save(request: Request, form: FormData) -> Response:
    """Save and deploy a proposal that is approved, where that failed when it was approved."""
    return _decided(request, form, "save proposal", lambda _proposals, _number: True)


def reject(request: Request, form: FormData) -> Response:
    """Reject a proposal, and say why."""
    person = request.state.identity.person
    remark = str(form.get("remark", ""))[:MAX_REMARK]

    def decide(proposals: Proposals, number: str) -> bool:
        proposals.reject(person, number, remark)
        return False

    return _decided(request, form, "reject proposal", decide, remark=remark)


def withdraw(request: Request, form: FormData) -> Response:
    """Withdraw one's own proposal."""
    person = request.state.identity.person

    def decide(proposals: Proposals, number: str) -> bool:
        proposals.withdraw(person, number)
        return False

    return _decided(request, form, "withdraw proposal", decide)


def propose(request: Request, place: Place, store: FlagStore, prepared: Prepared, note: Note) -> Response:
    """Propose a change that may not be saved without an approval, and show the proposal."""
    proposals = proposals_of(store)
    assert proposals is not None  # it refused the change
    number = note.edit_id if PROPOSAL_ID.fullmatch(note.edit_id) else None
    made = proposals.propose(request.state.identity.person, prepared.base, prepared.edited, note.reason, number=number)
    record(request, "propose", prepared.requested.key, proposal=made.id, reason=note.reason)
    return RedirectResponse(f"{request.scope.get('root_path', '')}/e/{place.name}/proposals/{made.id}", 303)


def proposes(workspace: Workspace, place: Place, prepared: Prepared) -> bool:
    """Tell whether saving a change proposes it."""
    return workspace.asks_approval(place) and not is_exempt(prepared.newest.document, prepared.merged)


def _decided(
    request: Request, form: FormData, action: str, decide: Callable[[Proposals, str], bool], *, remark: str = ""
) -> Response:
    """Carry a decision out, and save and deploy the proposal where it says so."""
    place, number = _wanted(request)
    with _opened(request, place) as (store, proposals):
        try:
            if action in {"approve proposal", "save proposal"} and place.is_protected:
                _confirm(place, form)
            is_saved = decide(proposals, number)
            if action != "save proposal":
                record(request, action, environment=place.name, proposal=number, reason=remark)
            if is_saved:
                _save(request, place, store, proposals, number)
        except (RefusedError, FlagkitError) as error:
            return _page(request, place, proposals.review(number), error=error, remark=remark)
    return RedirectResponse(f"{request.scope.get('root_path', '')}/e/{place.name}/proposals/{number}", 303)


def _save(request: Request, place: Place, store: FlagStore, proposals: Proposals, number: str) -> None:
    receipt, proposal = proposals.save(number)
    version = receipt.version.number
    record(request, "save proposal", environment=place.name, proposal=number, version=version, reason=proposal.reason)
    try:
        deployer_of(request).deploy(place, store, version, reason=receipt.version.reason or "")
    except FlagkitError as error:
        error.add_note(f"Version {version} is saved but not deployed.")
        raise


def _confirm(place: Place, form: FormData) -> None:
    """Ask for the environment's name.

    Raises:
        RefusedError: another name.
    """
    if str(form.get("confirm", "")).strip() != place.name:
        raise RefusedError(
            f"the environment was not confirmed: expected {place.name!r}", hint="Type the name of the environment."
        )


def _page(
    request: Request, place: Place, review: Review, *, error: FlagkitError | None = None, remark: str = ""
) -> Response:
    identity, proposal = request.state.identity, review.proposal
    is_own = identity.person.is_same(proposal.author)
    has_approved = any(identity.person.is_same(approval.by) for approval in review.approvals)
    may_approve = identity.may(Role.APPROVER, place.name) and proposal.status == "open"
    values = {
        "environment": place,
        "review": review,
        "proposal": proposal,
        "stopped": {} if review.document is None else conflicts(review.base.document, review.document),
        "is_own": is_own,
        "has_approved": has_approved,
        "may_approve": may_approve and not is_own and not has_approved and review.document is not None,
        "may_save": may_approve and review.is_approved,
        "may_reject": may_approve,
        "may_withdraw": is_own and proposal.status == "open" and identity.may(Role.TOGGLER, place.name),
        "error": error,
        "remark": remark,
    }
    return render(request, "proposal.html", values, status=200 if error is None else status_of(error))


def _wanted(request: Request) -> tuple[Place, str]:
    return workspace_of(request).place(request.path_params["environment"]), str(request.path_params["proposal"])


@contextmanager
def _opened(request: Request, place: Place) -> Iterator[tuple[FlagStore, Proposals]]:
    """Open the store of an environment that asks for approvals.

    Raises:
        SourceNotFoundError: it asks for none.
    """
    with workspace_of(request).store(place) as store:
        proposals = proposals_of(store)
        if proposals is None:
            raise SourceNotFoundError(
                f"changes of {place.name} need no approval", hint="`[[approvals]]` in flagkit.toml asks for one."
            )
        yield store, proposals


def _all(workspace: Workspace, place: Place) -> list[Proposal] | None:
    """Return the proposals for an environment; None where no approval is asked for."""
    with workspace.store(place) as store:
        if not isinstance(store, GuardedStore):
            return None
        proposals = proposals_of(store)
        return None if proposals is None else proposals.all()


_ONE = "/e/{environment}/proposals/{proposal}"

ROUTES: list[BaseRoute] = [
    Route("/proposals", page(list_proposals)),
    Route(_ONE, page(show_proposal)),
    Route(f"{_ONE}/approve", page(approve, Role.APPROVER), methods=["POST"]),
    Route(f"{_ONE}/save", page(save, Role.APPROVER), methods=["POST"]),
    Route(f"{_ONE}/reject", page(reject, Role.APPROVER), methods=["POST"]),
    Route(f"{_ONE}/withdraw", page(withdraw, Role.TOGGLER), methods=["POST"]),
]
