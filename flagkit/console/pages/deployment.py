"""What is live in an environment, how a deployment goes on, and stopping it."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flagkit.console.audit import only_looks, record
from flagkit.console.identity import Role
from flagkit.console.models.deploying import deployment_view, steer
from flagkit.console.pages.handling import deployer_of, page, workspace_of
from flagkit.console.rendering import render
from flagkit.errors import FlagkitError, RefusedError

_TITLES = {
    "deploy": "Deploy the saved version",
    "replace": "Stop the running deployment, and deploy the saved version",
    "stop": "Stop the running deployment",
    "rollback": "Roll back the last deployment",
}


def show_deployment(request: Request, _: FormData) -> Response:
    """Show what is live, and the deployment that runs."""
    return _page(request)


def deployment_part(request: Request, _: FormData) -> Response:
    """Show the same as a part of a page, which asks for it again."""
    workspace = workspace_of(request)
    place = workspace.place(request.path_params["environment"])
    view = deployment_view(workspace, deployer_of(request), place)
    return render(request, "deployment_part.html", {"environment": place, "deployment": view})


def change_deployment(request: Request, form: FormData) -> Response:
    """Deploy, stop or roll back, after asking."""
    workspace = workspace_of(request)
    place = workspace.place(request.path_params["environment"])
    action = str(form.get("action", ""))
    if action not in _TITLES or not form.get("confirmed"):
        only_looks(request)
    if action not in _TITLES:
        return _page(request)
    if not form.get("confirmed"):
        return _page(request, action)
    if place.is_protected and str(form.get("confirm", "")).strip() != place.name:
        error = RefusedError(
            f"the environment was not confirmed: expected {place.name!r}", hint="Type the name of the environment."
        )
        return _page(request, action, error)
    steer(workspace, deployer_of(request), place, action)
    record(request, _TITLES[action].lower())
    return RedirectResponse(f"{request.scope.get('root_path', '')}/e/{place.name}/deployment", 303)


def _page(request: Request, asked: str = "", error: FlagkitError | None = None) -> Response:
    workspace = workspace_of(request)
    place = workspace.place(request.path_params["environment"])
    values = {
        "environment": place,
        "deployment": deployment_view(workspace, deployer_of(request), place),
        "asked": asked,
        "asked_title": _TITLES.get(asked, ""),
        "error": error,
    }
    return render(request, "deployment.html", values, status=200 if error is None else 422)


ROUTES: list[BaseRoute] = [
    Route("/e/{environment}/deployment", page(show_deployment)),
    Route("/e/{environment}/deployment", page(change_deployment, Role.TOGGLER), methods=["POST"]),
    Route("/e/{environment}/deployment/part", page(deployment_part)),
]
