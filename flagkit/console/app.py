"""The console as an ASGI app: its pages, the panels, and what stands around them. It holds no policy."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from flagkit.admin.identity import UNKNOWN, local_user
from flagkit.console import pages
from flagkit.console.access import check_routes
from flagkit.console.audit import AuditLog
from flagkit.console.csrf import OwnRequestsOnly
from flagkit.console.headers import SecurityHeaders
from flagkit.console.health import Health
from flagkit.console.models.deploying import Deployer
from flagkit.console.panel import Panel
from flagkit.console.rendering import make_templates
from flagkit.console.settings import ConsoleSettings
from flagkit.console.sign_in import KnownPerson, LocalSignIn, Sessions
from flagkit.console.workspace import Workspace
from flagkit.errors import UsageError
from flagkit.sources.urls import parse
from flagkit.web.limits import BodyLimit

if TYPE_CHECKING:
    from flagkit.admin.stores.appconfig import AppConfigStore

BODY_LIMIT: Final = 6_000_000
"""Bytes of a request: a list of users, and the form around it."""

BODY_TIMEOUT_S: Final = 30.0

STATIC = Path(__file__).parent / "static"


def create_app(settings: ConsoleSettings, *, panels: Sequence[Panel] = ()) -> Starlette:
    """Return the console as an ASGI app.

    Args:
        settings: which sources it shows.
        panels: parts that other packages bring.

    Raises:
        UsageError: there is no source, two have the same name, a route declares no role, the settings file of a source
            can't be read, or other machines can reach the console and nobody could sign in.
        SourceUrlError: a source is not valid.
    """
    workspace = Workspace(settings)
    for place in workspace.environments:
        _check_settings_file(place.url)
    local = _local_sign_in(settings, workspace) if settings.sign_in is None else None
    sign_in = local or settings.sign_in
    assert sign_in is not None
    audit = AuditLog(settings.audit_file, workspace.clock, trusted_proxies=settings.trusted_proxies)
    health = Health([partial(workspace.standing, place) for place in workspace.environments], workspace.clock)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if local is not None:
            local.announce()
        yield
        await run_in_threadpool(workspace.close)

    static = [
        Mount(f"/{panel.name}", StaticFiles(directory=panel.static)) for panel in panels if panel.static is not None
    ]
    routes = [
        Mount("/static", routes=[*static, Mount("/", StaticFiles(directory=STATIC))], name="static"),
        *(Mount(f"/{panel.name}", routes=list(panel.routes), name=panel.name) for panel in panels),
        health.route(),
        *sign_in.routes(),
        *pages.ROUTES,
    ]
    check_routes(routes)
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(OwnRequestsOnly, hosts=settings.hosts),
            Middleware(BodyLimit, limit=BODY_LIMIT, timeout_s=BODY_TIMEOUT_S),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=6),
            Middleware(KnownPerson, sign_in=sign_in, audit=audit),
        ],
        exception_handlers=pages.HANDLERS,
        lifespan=lifespan,
    )
    app.state.settings, app.state.panels, app.state.workspace = settings, tuple(panels), workspace
    app.state.deployer, app.state.people = Deployer(workspace), {}
    app.state.templates = make_templates(panels)
    return app


def _check_settings_file(url: str) -> None:
    """Refuse settings that can't be read: whether a change needs an approval wouldn't be known."""
    from flagkit.admin.settings import read_settings
    from flagkit.admin.settings_file import find_file

    path = find_file(url, os.environ, Path.cwd())
    if path is not None:
        read_settings(path)


def _local_sign_in(settings: ConsoleSettings, workspace: Workspace) -> LocalSignIn:
    """Return the sign-in of the person who reads what this program writes."""
    parts = urlsplit(settings.base_url)
    if parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise UsageError(
            f"{parts.hostname} can be reached from other machines, where nobody can sign in by a printed address",
            hint="Listen on 127.0.0.1, or set up a sign-in (docs/console-administrators.md).",
        )
    sessions = Sessions(port=parts.port, clock=settings.clock)

    def write(address: str) -> None:
        sys.stderr.write(f"Sign in to the console: {address}\n")

    return LocalSignIn(settings.base_url, write, partial(_caller, workspace), sessions, clock=settings.clock)


def _caller(workspace: Workspace) -> str:
    """Return who runs this program: to AWS, if the flags are there."""
    for place in workspace.environments:
        if parse(place.url).scheme == "appconfig":
            with workspace.reading(place) as store:
                arn = cast("AppConfigStore", store).control.caller().arn
            if arn != UNKNOWN:
                return arn
    return local_user()
