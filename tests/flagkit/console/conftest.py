"""A console on files, or on the AppConfig stand-in, and a browser without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from flagkit.console import ConsoleSettings, FixedSignIn, Identity, Role, create_app
from flagkit.testing import VirtualClock

DOCUMENT: dict[str, Any] = {
    "version": "1",
    "flags": {
        "new_flow": {
            "name": "New flow",
            "description": "One page instead of four [flagkit owner: payments; tags: q3]",
        },
        "button": {
            "name": "Button",
            "attributes": {
                "color": {"constraints": {"type": "string", "enum": ["red", "blue"]}},
                "size": {"constraints": {"type": "number", "maximum": 9}},
            },
        },
        "plain": {"name": "Plain"},
    },
    "values": {
        "new_flow": {
            "_variants": [
                {
                    "name": "on",
                    "enabled": True,
                    "rule": '(and (eq $country "US") (split pct::25 by::$userId seed::"new_flow"))',
                },
                {"name": "off", "enabled": False},
            ]
        },
        "button": {"enabled": True, "color": "red", "size": 3},
        "plain": {"enabled": False},
    },
}


EVERYBODY = FixedSignIn(Identity("alice", {"*": Role.ADMIN}))


class ByHeader:
    """Signs in whom the header X-Person names, with what roles."""

    sign_out = None

    async def identify(self, connection: HTTPConnection) -> Identity | None:
        name, _, role = connection.headers.get("x-person", "").partition(" ")
        return Identity(name, {"*": Role(role)}, f"id-{name}") if role else None

    async def ask(self, request: Request) -> Response:
        return PlainTextResponse("sign in", 401)

    def routes(self) -> Sequence[Route]:
        return []


def browser(settings: ConsoleSettings) -> TestClient:
    """A browser on a console of its own, which says where its requests come from."""
    return TestClient(create_app(settings), base_url="http://127.0.0.1", headers={"Sec-Fetch-Site": "same-origin"})


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def console(tmp_path: Path, clock: VirtualClock) -> Iterator[Callable[..., TestClient]]:
    """Open a console on files with these documents, one for each environment."""
    opened: list[TestClient] = []

    def open_console(**documents: Any) -> TestClient:
        sources = []
        for name, document in (documents or {"flags": DOCUMENT}).items():
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(document))
            sources.append(f"{name}=file:{path}")
        client = browser(ConsoleSettings(tuple(sources), clock=clock, sign_in=EVERYBODY))
        opened.append(client)
        return client

    yield open_console
    for client in opened:
        client.close()
