"""Which role each handler needs: declared beside the handler, checked before it, on the server, for every request.

A console whose routes don't all declare a role doesn't start (`check_routes`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from flagkit.console.audit import Outcome, record
from flagkit.console.csrf import SAFE_METHODS
from flagkit.console.identity import Identity, Role
from flagkit.errors import FlagkitError, UsageError

Handler: TypeAlias = Callable[[Request], Response | Awaitable[Response]]

_NEED: Final = "_flagkit_need"


@dataclass(frozen=True, slots=True)
class Need:
    """What a handler needs.

    Attributes:
        role: None for handlers that anybody may call, such as the sign-in.
        environment: the name of the path parameter with the environment that the role is needed in; None: in any.
    """

    role: Role | None
    environment: str | None = "environment"


def needs(role: Role | None, *, environment: str | None = "environment") -> Callable[[Handler], Handler]:
    """Declare the role that a handler needs, and check it before each call; for functions that take a request.

    A page without that path parameter needs the role in any environment, and shows only those where
    `request.state.identity.may` says yes. Every call that may change something, by its method and its role, is written
    to the audit log. A handler that isn't a coroutine runs in a thread.

    Args:
        role: None for anybody.
        environment: the name of the path parameter; None for what is of no environment.
    """
    need = Need(role, environment)

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def guarded(request: Request) -> Response:
            if role is None:
                return await _call(handler, request)
            identity: Identity | None = getattr(request.state, "identity", None)
            if identity is None:
                return cast("Response", await request.state.sign_in.ask(request))
            where = None if environment is None else request.path_params.get(environment)
            if request.method in SAFE_METHODS or role is Role.VIEWER:
                _check(identity, role, where)
                response = await _call(handler, request)
            else:
                response = await _audited(handler, request, identity, role, where)
            response.headers.setdefault("cache-control", "no-store")
            return response

        setattr(guarded, _NEED, need)
        return guarded

    return decorate


def require(request: Request, role: Role, environment: str | None) -> None:
    """Check a role in one more environment than that of the path, e.g. the one that a flag is copied from.

    Raises:
        HTTPException: 403; the signed-in person doesn't have it.
    """
    _check(request.state.identity, role, environment)


def may_view(request: Request) -> Callable[[str], bool]:
    """Return whether the signed-in person may look at an environment."""
    identity: Identity | None = request.state.identity
    return lambda name: identity is not None and identity.may(Role.VIEWER, name)


def need_of(route: Route) -> Need | None:
    """Return what a route declares."""
    return getattr(route.endpoint, _NEED, None)


def check_routes(routes: Iterable[BaseRoute]) -> list[Route]:
    """Return all routes, those of mounts included.

    Raises:
        UsageError: one declares no role, or may change something in an environment that its path doesn't name.
    """
    found: list[Route] = []
    for route in routes:
        if isinstance(route, Mount) and not isinstance(route.app, StaticFiles):
            found += check_routes(route.routes)
        elif isinstance(route, Route):
            need = need_of(route)
            changes = (route.methods or set()) - SAFE_METHODS
            if need is None:
                raise UsageError(f"the route {route.path} declares no role", hint="Decorate its handler with `needs`.")
            may_change = changes and need.role not in {None, Role.VIEWER}
            if may_change and need.environment and need.environment not in route.param_convertors:
                raise UsageError(
                    f"the route {route.path} changes something, but its path has no {{{need.environment}}}",
                    hint="Name the environment in the path, or declare `environment=None`.",
                )
            found.append(route)
        elif not isinstance(route, Mount):
            raise UsageError(f"{route!r} can declare no role", hint="Use Route and Mount only.")
    return found


async def _call(handler: Handler, request: Request) -> Response:
    if inspect.iscoroutinefunction(handler):
        return cast("Response", await handler(request))
    return cast("Response", await run_in_threadpool(handler, request))


def _check(identity: Identity, role: Role, environment: str | None) -> None:
    if not identity.may(role, environment):
        where = f" in {environment}" if environment else ""
        raise HTTPException(403, f"{identity.name} does not have the role {role}{where}")


async def _audited(
    handler: Handler, request: Request, identity: Identity, role: Role, environment: str | None
) -> Response:
    """Call a handler that may change something, and write down what became of it, unless the handler did."""
    action = str(getattr(handler, "__name__", "change")).replace("_", " ")
    try:
        request.state.audit.check()
    except OSError as error:
        raise HTTPException(503, "the audit log can't be written, so nothing was changed") from error
    request.state.is_recorded = False

    def write(outcome: Outcome, **facts: object) -> None:
        if not request.state.is_recorded:
            record(request, action, None, environment, outcome=outcome, **facts)

    try:
        _check(identity, role, environment)
        response = await _call(handler, request)
    except HTTPException as error:
        write("refused" if error.status_code == 403 else "failed", status=error.status_code)
        raise
    except FlagkitError as error:
        write("failed", code=error.code)
        raise
    except Exception as error:
        write("failed", code=type(error).__name__)
        raise
    write("done" if response.status_code < 400 else "failed", status=response.status_code)
    return response
