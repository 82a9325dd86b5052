"""Serves the built React page and its flags on one origin.

Run it in a directory with a `flags.json`, after `npm ci && npm run build` here:

    uvicorn --factory --app-dir examples/react serve:create_app
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from flagkit import Flags
from flagkit.ofrep import OfrepSettings
from flagkit.ofrep import create_app as create_flag_server

DIST = Path(__file__).parent / "dist"
HEADERS = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "no-store"}


def create_app(flags: Flags | None = None, settings: OfrepSettings | None = None) -> Starlette:
    """The page, its assets, and the flag server under `/ofrep`."""
    flags = flags or Flags.connect("file:flags.json")
    answers = create_flag_server(flags, settings)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(answers), base_url="http://flags")
    template = (DIST / "index.html").read_text("utf-8")

    async def page(request: Request) -> HTMLResponse:
        """The page with the user's flags in it, so that its first paint is the right one."""
        context = {"targetingKey": request.query_params.get("user", "user-1")}  # in its place: your sign-in
        answer = await client.post("/ofrep/v1/evaluate/flags", json={"context": context})
        known = {"context": context, "flags": answer.json()["flags"]} if answer.is_success else None
        text = json.dumps(known).replace("<", "\\u003c")  # a value can't end the element that it is in
        return HTMLResponse(template.replace(">null</script>", f">{text}</script>"), headers=HEADERS)

    @asynccontextmanager
    async def refreshing(_: Starlette) -> AsyncIterator[None]:
        """Looks at the file more often than every 5 s: whoever tries the example looks at the page at once."""

        async def refresh() -> None:
            while True:
                await asyncio.to_thread(flags.refresh)
                await asyncio.sleep(0.2)

        task = asyncio.create_task(refresh())
        yield
        task.cancel()

    files = StaticFiles(directory=DIST)
    return Starlette(
        routes=[Route("/", page), Route("/ofrep/{path:path}", answers), Mount("/", files)], lifespan=refreshing
    )
