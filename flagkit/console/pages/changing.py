"""Every change of a flag: shown before it is made, asked for a reason, saved and deployed. Nothing entered is lost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flagkit.admin.environments import environment as environment_of
from flagkit.admin.stores import Note, Receipt
from flagkit.admin.stores.base import new_edit_id
from flagkit.console.audit import only_looks, record
from flagkit.console.identity import Role
from flagkit.console.models.actions import Fields
from flagkit.console.models.changes import (
    CONTROL,
    EditedMeanwhileError,
    Prepared,
    Requested,
    estimate,
    on_top,
    prepare,
    save,
)
from flagkit.console.models.conditions import OPERATORS, both_ways, built, split_caret
from flagkit.console.models.flag_page import flag_page
from flagkit.console.pages.handling import deployer_of, error_page, page, people_of, status_of, workspace_of
from flagkit.console.pages.proposals import propose, proposes
from flagkit.console.rendering import render
from flagkit.console.workspace import Place
from flagkit.errors import ApprovalRequiredError, EditError, FlagkitError, RefusedError, SourceError

MAX_REASON = 500
_EDIT_ID = re.compile(r"[0-9a-f]{12}")


def change(request: Request, form: FormData) -> Response:
    """Show what a change does, or make it."""
    workspace = workspace_of(request)
    place = workspace.place(request.path_params["environment"])
    requested = _requested(form)
    step = str(form.get("step", ""))
    if step != "save":
        only_looks(request)
    if step in {"native", "readable", "build", "again"}:
        return _form(request, place, _rewritten(requested, step))
    try:
        prepared = prepare(workspace, place, requested)
    except EditedMeanwhileError as error:
        return _conflict(request, place, requested, error)
    except SourceError:
        raise
    except FlagkitError as error:
        return _form(request, place, requested, error)
    if step != "save":
        return _preview(request, place, prepared, form)
    try:
        _confirm(place, prepared, form)
    except RefusedError as error:
        return _preview(request, place, prepared, form, error)
    return _save(request, place, prepared, form)


def condition(request: Request, form: FormData) -> Response:
    """Show a condition in both notations, or where it is wrong."""
    workspace_of(request).place(request.path_params["environment"])
    text = str(form.get("when") or form.get("where") or "")
    return render(request, "condition.html", {"shown": both_ways(text)})


def new_flag(request: Request, _: FormData) -> Response:
    """Ask for what a new flag is."""
    place = workspace_of(request).place(request.path_params["environment"])
    return _form(request, place, Requested("create", "", {}))


def _save(request: Request, place: Place, prepared: Prepared, form: FormData) -> Response:
    workspace, requested = workspace_of(request), prepared.requested
    note = Note(
        str(form.get("reason", "")).strip()[:MAX_REASON],
        request.state.identity.name,
        _edit_id(form),
    )
    receipt: Receipt | None = None
    try:
        with workspace.store(place) as store:
            try:
                receipt = save(store, prepared, note)
            except ApprovalRequiredError:
                return propose(request, place, store, prepared, note)
            record(request, requested.action, requested.key, version=receipt.version.number, reason=note.reason)
            deployer_of(request).deploy(
                place,
                store,
                receipt.version.number,
                reason=note.reason,
                emergency=requested.what.is_emergency,
                stop_running=bool(form.get("stop_running")),
            )
    except FlagkitError as error:
        if receipt is not None:
            error.add_note(f"Version {receipt.version.number} is saved but not deployed.")
            return error_page(request, error, {"environment": place, "retry": requested, "deployment_page": True})
        return _preview(request, place, prepared, form, error)
    return RedirectResponse(_after(request, place, requested, receipt), 303)


def _after(request: Request, place: Place, requested: Requested, receipt: Receipt) -> str:
    prefix = request.scope.get("root_path", "")
    if "segment" in requested.action:
        return f"{prefix}/e/{place.name}/segments?saved={receipt.version.number}"
    if requested.action == "delete":
        return f"{prefix}/?in={place.name}"
    return f"{prefix}/e/{place.name}/flags/{requested.key}?saved={receipt.version.number}"


def _confirm(place: Place, prepared: Prepared, form: FormData) -> None:
    """Ask for the environment's name, and for a reason; not in an emergency.

    Raises:
        RefusedError: one is missing.
    """
    if prepared.requested.what.is_emergency:
        return
    if place.is_protected and str(form.get("confirm", "")).strip() != place.name:
        raise RefusedError(
            f"the environment was not confirmed: expected {place.name!r}", hint="Type the name of the environment."
        )
    if not str(form.get("reason", "")).strip():
        raise RefusedError("no reason is given", hint="Write in a sentence why the change is made.")


def _preview(
    request: Request, place: Place, prepared: Prepared, form: FormData, error: FlagkitError | None = None
) -> Response:
    people = people_of(request)
    status = 200 if error is None else status_of(error)
    changes_anything = bool(prepared.diff)
    standing = workspace_of(request).standing(place) if environment_of(place.url) is not None else None
    values = {
        "environment": place,
        "prepared": prepared,
        "requested": prepared.requested,
        "people": people,
        "moved": estimate(workspace_of(request), prepared, people.users) if people and changes_anything else (),
        "pending": standing.status if standing is not None and standing.is_pending else None,
        "running": None if standing is None or standing.status is None else standing.status.running,
        "reason": str(form.get("reason", "")),
        "edit_id": _edit_id(form),
        "error": error,
        "proposes": proposes(workspace_of(request), place, prepared),
        "may_save": request.state.identity.may(Role.TOGGLER, place.name),
    }
    return render(request, "preview.html", values, status=status)


def _edit_id(form: FormData) -> str:
    """Return the id that makes a repeated click save once."""
    given = str(form.get("edit_id", ""))
    return given if _EDIT_ID.fullmatch(given) else new_edit_id()


def _conflict(request: Request, place: Place, requested: Requested, error: EditedMeanwhileError) -> Response:
    values = {
        "environment": place,
        "requested": requested,
        "mine": on_top(requested, error.token),
        "error": error,
    }
    return render(request, "conflict.html", values, status=409)


def _form(request: Request, place: Place, requested: Requested, error: FlagkitError | None = None) -> Response:
    """Show the form again, as it was filled in, with what is wrong."""
    workspace = workspace_of(request)
    problem, caret = ("", "") if error is None else split_caret(error.message)
    values: dict[str, Any] = {
        "environment": place,
        "requested": requested,
        "fields": Fields(requested.fields),
        "error": error,
        "problem": problem,
        "caret": caret,
        "operators": OPERATORS,
        "flag": None,
        "segments": (),
        "known_attributes": workspace.context_keys(place),
        "shown": both_ways(Fields(requested.fields).text("when")),
    }
    if requested.action != "create" and "segment" not in requested.action:
        shown = flag_page(workspace, place, requested.key)
        values["flag"] = replace(shown, token=requested.base or shown.token)
    status = 200 if error is None else 422 if isinstance(error, EditError) else status_of(error)
    return render(request, "change.html", values, status=status)


def _requested(form: FormData) -> Requested:
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str) and name not in CONTROL:
            fields.setdefault(name, []).append(value)
    texts = {name: str(form.get(name, "")).strip() for name in ("action", "key", "base")}
    read: Mapping[str, tuple[str, ...]] = {name: tuple(values) for name, values in fields.items()}
    return Requested(texts["action"], texts["key"], read, texts["base"])


def _rewritten(requested: Requested, step: str) -> Requested:
    """Return the form with its condition in the other notation, or with one more test."""
    fields = Fields(requested.fields)
    text = fields.text("when")
    if step == "build":
        parts = (fields.text(name) for name in ("attribute", "operator", "test", "joined"))
        attribute, operator, value, joined = parts
        text = built(text, attribute, operator, value, joined)
    else:
        shown = both_ways(text)
        if not shown.problem:
            text = {"native": shown.native, "readable": shown.readable}.get(step, text)
    kept = {name: values for name, values in requested.fields.items() if name not in {"attribute", "test"}}
    return Requested(requested.action, requested.key, {**kept, "when": (text,)}, requested.base)


ROUTES: list[BaseRoute] = [
    Route("/e/{environment}/change", page(change, Role.TOGGLER), methods=["POST"]),
    Route("/e/{environment}/condition", page(condition), methods=["POST"]),
    Route("/e/{environment}/new", page(new_flag)),
]
