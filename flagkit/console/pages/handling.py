"""How pages are handled: the form is read, the handler runs in a thread, and an error becomes a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from flagkit.admin.people import User
from flagkit.console.access import may_view, needs
from flagkit.console.identity import Role
from flagkit.console.models.deploying import Deployer
from flagkit.console.rendering import render
from flagkit.console.workspace import Workspace
from flagkit.errors import (
    AccessDeniedError,
    ConflictError,
    DeploymentBusyError,
    DeploymentError,
    DocumentError,
    EditError,
    FlagkitError,
    NotDeployedError,
    RefusedError,
    RuleError,
    SourceBusyError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
    UnknownFlagError,
    UsageError,
)

MAX_FIELDS: Final = 2_000
MAX_LISTS: Final = 20
MAX_FILE_BYTES: Final = 5_000_000

# The first class that fits counts, so narrower ones come first.
STATUS: Final[tuple[tuple[type[FlagkitError], int], ...]] = (
    (UnknownFlagError, 404),
    (SourceNotFoundError, 404),
    (ConflictError, 409),
    (SourceBusyError, 409),
    (DeploymentBusyError, 409),
    (NotDeployedError, 409),
    (DeploymentError, 409),
    (AccessDeniedError, 403),
    (RefusedError, 422),
    (EditError, 422),
    (UsageError, 422),
    (RuleError, 422),
    (DocumentError, 422),
    (SourceUnavailableError, 503),
    (SourceError, 502),
    (FlagkitError, 500),
)

Handler = Callable[[Request, FormData], Response]

_TITLES: Final = {
    403: "Access denied",
    404: "Not found",
    405: "Not allowed",
    409: "Conflict",
    422: "Not valid",
    502: "The source failed",
    503: "The source does not answer",
}


@dataclass(frozen=True, slots=True)
class LoadedUsers:
    """A list of users that changes are tried on.

    Attributes:
        name: where it comes from.
        users: the users.
        context: the names of what is known about them.
    """

    name: str
    users: tuple[User, ...]
    context: tuple[str, ...]


def page(
    handler: Handler, role: Role = Role.VIEWER, *, environment: str | None = "environment"
) -> Callable[[Request], Any]:
    """Make an endpoint of a handler that waits for stores: it runs in a thread.

    Args:
        handler: answers with a page.
        role: what somebody must be who asks for it.
        environment: the path parameter that names where; None for what is of no environment.
    """

    async def endpoint(request: Request) -> Response:
        form = FormData()
        if request.method == "POST":
            form = await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FILE_BYTES)
        try:
            return await run_in_threadpool(handler, request, form)
        except FlagkitError as error:
            return error_page(request, error)
        finally:
            await form.close()

    endpoint.__name__, endpoint.__doc__ = handler.__name__, handler.__doc__
    return needs(role, environment=environment)(endpoint)


def workspace_of(request: Request) -> Workspace:
    """Return the sources that the console works on, as far as the signed-in person may look at them."""
    found: Workspace = request.app.state.workspace
    return found.only(may_view(request))


def deployer_of(request: Request) -> Deployer:
    """Return what brings versions to clients."""
    found: Deployer = request.app.state.deployer
    return found


def people_of(request: Request) -> LoadedUsers | None:
    """Return the users that somebody loaded; None if they loaded none."""
    found: LoadedUsers | None = request.app.state.people.get(_owner_of(request))
    return found


def keep_people(request: Request, people: LoadedUsers | None) -> None:
    """Keep the users that somebody loaded, or forget them; of few people at a time."""
    kept: dict[object, LoadedUsers] = request.app.state.people
    kept.pop(_owner_of(request), None)
    if people is not None:
        kept[_owner_of(request)] = people
    while len(kept) > MAX_LISTS:
        kept.pop(next(iter(kept)), None)


def _owner_of(request: Request) -> tuple[str, str]:
    """Return who a list of users belongs to: two people may have one name."""
    return request.state.identity.subject, request.state.identity.name


def status_of(error: FlagkitError) -> int:
    """Return the status of an answer that is an error."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def error_page(request: Request, error: FlagkitError, context: Mapping[str, Any] | None = None) -> Response:
    """Answer with an error: its code, what is wrong, and the next step."""
    status = status_of(error)
    values = {
        "heading": _TITLES.get(status, "Error"),
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "notes": tuple(getattr(error, "__notes__", ())),
    }
    place = request.path_params.get("environment")
    found = next((it for it in workspace_of(request).environments if it.name == place), None)
    return render(request, "error.html", {**values, "environment": found, **(context or {})}, status=status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    values = {
        "heading": _TITLES.get(error.status_code, "Error"),
        "code": f"http_{error.status_code}",
        "message": f"there is no page {request.url.path}" if error.status_code == 404 else str(error.detail),
        "hint": "Go back to the list of flags.",
        "notes": (),
    }
    return render(request, "error.html", values, status=error.status_code)


HANDLERS: Final[Mapping[Any, Any]] = {HTTPException: _http_error}
