"""Segments: named groups of users, and the flags that use them."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flagkit.admin import edits
from flagkit.authoring import show_where
from flagkit.console.models.actions import written
from flagkit.console.models.changes import token_of
from flagkit.console.pages.flag import done_of
from flagkit.console.pages.handling import page, workspace_of
from flagkit.console.rendering import render


def segments(request: Request, _: FormData) -> Response:
    """Show the segments of an environment."""
    workspace = workspace_of(request)
    place = workspace.place(request.path_params["environment"])
    stored = workspace.newest(place)
    found = [
        {
            "name": name,
            "users": written(segment.users),
            "groups": written(segment.groups),
            "where": "" if segment.where is None else show_where(segment.where),
            "flags": flags,
        }
        for name, (segment, flags) in edits.list_segments(stored.document).items()
    ]
    values = {
        "environment": place,
        "found": found,
        "token": token_of(stored, ""),
        "done": done_of(request, workspace, place),
    }
    return render(request, "segments.html", values)


ROUTES: list[BaseRoute] = [Route("/e/{environment}/segments", page(segments))]
