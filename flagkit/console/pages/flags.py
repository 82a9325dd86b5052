"""The list of flags, environments side by side."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flagkit.console.models.flag_rows import SORTS, read_choice, table_of
from flagkit.console.pages.handling import page, workspace_of
from flagkit.console.rendering import render


def list_flags(request: Request, _: FormData) -> Response:
    """Show the flags of all environments, or of one."""
    workspace = workspace_of(request)
    choice = read_choice(request.query_params, [place.name for place in workspace.environments])
    table = table_of(workspace, choice)
    template = "flags_table.html" if request.headers.get("hx-request") else "flags.html"
    return render(request, template, {"table": table, "sorts": SORTS})


ROUTES: list[BaseRoute] = [Route("/", page(list_flags), name="flags")]
