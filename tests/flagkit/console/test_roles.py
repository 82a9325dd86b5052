"""Every route of the console, every role: a route that may change something is in the table, with the role it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from flagkit.console import ConsoleSettings
from flagkit.console.access import check_routes, need_of
from flagkit.console.csrf import SAFE_METHODS
from flagkit.console.identity import Role
from flagkit.console.sign_in import LocalSignIn, Sessions
from tests.flagkit.console.conftest import DOCUMENT, ByHeader, browser

UNSAFE = {
    "/e/{environment}/change": "toggler",
    "/e/{environment}/deployment": "toggler",
    "/e/{environment}/proposals/{proposal}/approve": "approver",
    "/e/{environment}/proposals/{proposal}/save": "approver",
    "/e/{environment}/proposals/{proposal}/reject": "approver",
    "/e/{environment}/proposals/{proposal}/withdraw": "toggler",
    # These change nothing: what is entered is too long for an address.
    "/e/{environment}/condition": "viewer",
    "/playground": "viewer",
    "/users": "viewer",
}
OPEN = {"/healthz", "/sign-in", "/sign-in/address", "/sign-out"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("roles") / "flags.json"
    path.write_text(json.dumps(DOCUMENT))
    sources = (f"staging=file:{path}", f"prod=file:{path}")
    client = browser(ConsoleSettings(sources, sign_in=ByHeader()))
    client.follow_redirects = False
    yield client
    client.close()


def test_the_table_has_every_route_that_may_change_something(client: TestClient, tmp_path: Path) -> None:
    routes = check_routes(client.app.routes)  # type: ignore[attr-defined]
    found = {route.path: need_of(route) for route in routes if (route.methods or set()) - SAFE_METHODS}
    assert {path: need and need.role for path, need in found.items()} == UNSAFE
    local = LocalSignIn("http://127.0.0.1", print, lambda: "alice", Sessions()).routes()
    anybody = {route.path for route in [*routes, *local] if (need := need_of(route)) and need.role is None}
    assert anybody == OPEN


@pytest.mark.parametrize("role", ["", *Role])
def test_a_role_is_checked_on_every_route_that_may_change_something(client: TestClient, role: str) -> None:
    headers = {"X-Person": f"mallory {role}"} if role else {}
    fields = {"role": "admin", "environment": "staging", "action": "nonsense", "seen": "x"}
    for path, needed in UNSAFE.items():
        for environment in ("staging", "prod"):
            where = path.replace("{environment}", environment).replace("{proposal}", "x")
            answer = client.post(f"{where}?role=admin&environment=staging", data=fields, headers=headers)
            wanted = 401 if not role else None if Role(role).covers(Role(needed)) else 403
            assert (answer.status_code == wanted) or (wanted is None and answer.status_code not in {401, 403}), where
