"""The console as an ASGI app: its pages, the panels, and what stands around them. It holds no policy."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from flagkit.admin.identity import local_user
from flagkit.console import pages
from flagkit.console.headers import SecurityHeaders
from flagkit.console.identity import Identity, Role
from flagkit.console.panel import Panel
from flagkit.console.rendering import make_templates
from flagkit.console.settings import ConsoleSettings
from flagkit.console.workspace import Workspace

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

STATIC = Path(__file__).parent / "static"


def create_app(settings: ConsoleSettings, *, panels: Sequence[Panel] = ()) -> Starlette:
    """Return the console as an ASGI app.

    Args:
        settings: which sources it shows.
        panels: parts that other packages bring.

    Raises:
        UsageError: there is no source, or two have the same name.
        SourceUrlError: a source is not valid.
    """
    workspace = Workspace(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(workspace.close)

    static = [
        Mount(f"/{panel.name}", StaticFiles(directory=panel.static)) for panel in panels if panel.static is not None
    ]
    app = Starlette(
        routes=[
            Mount("/static", routes=[*static, Mount("/", StaticFiles(directory=STATIC))], name="static"),
            *(Mount(f"/{panel.name}", routes=list(panel.routes), name=panel.name) for panel in panels),
            *pages.ROUTES,
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=6),
            Middleware(_LocalUser),
        ],
        exception_handlers=pages.HANDLERS,
        lifespan=lifespan,
    )
    app.state.settings, app.state.panels, app.state.workspace = settings, tuple(panels), workspace
    app.state.templates = make_templates(panels)
    return app


class _LocalUser:
    """Everybody is the local user, who may do everything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["identity"] = Identity(local_user(), {"*": Role.ADMIN})
        await self._app(scope, receive, send)
