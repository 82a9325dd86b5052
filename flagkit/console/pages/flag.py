"""The page of one flag in one environment, its history, and where it can be copied to."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flagkit.admin.history import history, known
from flagkit.admin.settings_file import name_of_source
from flagkit.console.models.actions import Fields
from flagkit.console.models.changes import token_of
from flagkit.console.models.conditions import OPERATORS
from flagkit.console.models.deploying import deployment_view
from flagkit.console.models.flag_page import flag_page
from flagkit.console.pages.handling import deployer_of, page, workspace_of
from flagkit.console.rendering import render
from flagkit.console.workspace import Place, Workspace
from flagkit.errors import FlagkitError

_STEP = 20


def show_flag(request: Request, _: FormData) -> Response:
    """Show one flag."""
    workspace = workspace_of(request)
    place = workspace.place(request.path_params["environment"])
    shown = flag_page(workspace, place, request.path_params["key"])
    values = {
        "flag": shown,
        "environment": place,
        "deployment": deployment_view(workspace, deployer_of(request), place),
        "fields": Fields({}),
        "operators": OPERATORS,
        "known_attributes": known_attributes(workspace, place),
        "done": done_of(request, workspace, place),
        "rollout_pages": _rollout_pages(request, place, shown.key) if shown.saved.rollout else [],
    }
    return render(request, "flag.html", values)


def _rollout_pages(request: Request, place: Place, key: str) -> list[tuple[str, str]]:
    """What the panels call their pages about the flag's rollout, and the paths."""
    name = name_of_source(place.url)
    return [
        (f"{panel.title}: {found.title}", f"/{panel.name}{found.path}")
        for panel in request.app.state.panels
        if panel.rollouts is not None
        for found in panel.rollouts()
        if found.key == key and name_of_source(found.source) == name
    ]


def flag_history(request: Request, _: FormData) -> Response:
    """Show who changed a flag, or anything, when and why."""
    workspace = workspace_of(request)
    place = workspace.place(request.path_params["environment"])
    key = request.path_params.get("key")
    text = request.query_params.get("limit", "")
    limit = min(int(text), 1000) if text.isascii() and text.isdecimal() and len(text) < 6 else _STEP
    with workspace.history(place) as store:
        found = list(history(store, key, limit=limit + 1))
        if key is not None and not found:
            known(store, key)
        newest = store.read()
    values = {
        "environment": place,
        "key": key,
        "entries": found[:limit],
        "more": limit + _STEP if len(found) > limit else 0,
        "token": "" if key is None else token_of(newest, key),
        "exists": key is not None and key in {*newest.document.flags, *newest.document.values},
    }
    return render(request, "history.html", values)


def copy_flag(request: Request, _: FormData) -> Response:
    """Ask where a flag is copied to."""
    workspace = workspace_of(request)
    place = workspace.place(request.path_params["environment"])
    shown = flag_page(workspace, place, request.path_params["key"])

    def token(target: Place) -> str:
        return token_of(workspace.newest(target), shown.key)

    elsewhere = workspace.others(place)
    answers = elsewhere.each(token)
    targets = [
        (target, answers[target.name], answer if isinstance(answer := answers[target.name], FlagkitError) else None)
        for target in elsewhere.environments
    ]
    return render(request, "copy.html", {"flag": shown, "environment": place, "targets": targets})


def to_flags(request: Request, _: FormData) -> Response:
    """Show the flags of one environment."""
    place = workspace_of(request).place(request.path_params["environment"])
    prefix = request.scope.get("root_path", "")
    return RedirectResponse(f"{prefix}/?in={place.name}", 303)


def done_of(request: Request, workspace: Workspace, place: Place) -> dict[str, object] | None:
    """Return what was just saved, if the address names it."""
    text = request.query_params.get("saved", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        return None
    with workspace.reading(place) as store:
        version = next((each for each in store.versions() if each.number == int(text)), None)
    return None if version is None else {"version": version}


def known_attributes(workspace: Workspace, place: Place) -> tuple[str, ...]:
    """Return the context keys that rules of this environment look at."""
    return workspace.context_keys(place)


ROUTES: list[BaseRoute] = [
    Route("/e/{environment}/flags/{key}", page(show_flag)),
    Route("/e/{environment}/flags/{key}/history", page(flag_history)),
    Route("/e/{environment}/flags/{key}/copy", page(copy_flag)),
    Route("/e/{environment}/history", page(flag_history)),
    Route("/e/{environment}", page(to_flags)),
]
