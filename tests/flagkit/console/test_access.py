"""Every route declares a role, every call is checked, and every attempt to change something is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route
from starlette.testclient import TestClient

from flagkit.console.access import check_routes, needs, require
from flagkit.console.audit import AuditLog
from flagkit.console.health import KEEP_S, Health
from flagkit.console.identity import Identity, Role
from flagkit.console.sign_in import KnownPerson
from flagkit.errors import EditError, UsageError
from flagkit.testing import VirtualClock


@needs(Role.TOGGLER)
def roll_out(request: Request) -> Response:
    if "boom" in request.query_params:
        raise EditError("140 % is not a valid percentage")
    if "crash" in request.query_params:
        raise ZeroDivisionError
    return PlainTextResponse("done", 422 if "odd" in request.query_params else 200)


@needs(Role.ADMIN, environment=None)
async def sign_all_out(request: Request) -> Response:
    return PlainTextResponse("done")


@needs(Role.TOGGLER)
async def copy(request: Request) -> Response:
    require(request, Role.VIEWER, "prod")
    return PlainTextResponse("done")


async def undeclared(request: Request) -> Response:
    return PlainTextResponse("done")


class Header:
    """Signs in whom a header names, for these tests."""

    async def identify(self, connection: HTTPConnection) -> Identity | None:
        role = connection.headers.get("x-role")
        return None if role is None else Identity("alice", {"staging": Role(role)})

    async def ask(self, request: Request) -> Response:
        return PlainTextResponse("sign in", 401)


def served(path: Path) -> TestClient:
    app = Starlette(
        routes=[
            Route("/{environment}/roll-out", roll_out, methods=["POST"]),
            Route("/{environment}/copy", copy, methods=["POST"]),
            Route("/all", sign_all_out, methods=["POST"]),
        ],
        middleware=[Middleware(KnownPerson, sign_in=Header(), audit=AuditLog(path, VirtualClock()))],
    )
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_a_role_counts_in_its_environments(tmp_path: Path, role: Role | None, environment: str) -> None:
    client = served(tmp_path / "audit")
    headers = {} if role is None else {"X-Role": role}
    answer = client.post(f"/{environment}/roll-out", headers=headers)
    may = role not in {None, Role.VIEWER} and environment == "staging"
    assert answer.status_code == (401 if role is None else 200 if may else 403)
    assert client.post("/all", headers=headers).status_code == (
        401 if role is None else 200 if role == "admin" else 403
    )
    assert client.post(f"/{environment}/copy", headers=headers).status_code in {401, 403}


@pytest.mark.parametrize(
    ("query", "role", "outcome", "fact"),
    [
        ("", "toggler", "done", {"status": 200}),
        ("?odd", "toggler", "failed", {"status": 422}),
        ("?boom", "toggler", "failed", {"code": "edit_invalid"}),
        ("?crash", "toggler", "failed", {"code": "ZeroDivisionError"}),
        ("", "viewer", "refused", {"status": 403}),
    ],
)
def test_what_a_handler_does_not_write_down_is_written_down(
    tmp_path: Path, query: str, role: str, outcome: str, fact: dict[str, Any]
) -> None:
    served(tmp_path / "audit").post(f"/staging/roll-out{query}", headers={"X-Role": role})
    (line,) = (tmp_path / "audit").read_text().splitlines()
    expected = {"who": "alice", "action": "roll out", "environment": "staging", "outcome": outcome} | fact
    assert expected.items() <= json.loads(line).items()


def test_what_cannot_be_written_down_is_not_done(tmp_path: Path) -> None:
    client = served(tmp_path / "missing" / "audit")
    assert client.post("/staging/roll-out", headers={"X-Role": "admin"}).status_code == 503


def test_a_fact_ends_no_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit", VirtualClock())
    log.write(who='a\n{"who": "b"}\u2028', reason="x" * 2_000, version=0, flag="")
    (line,) = (tmp_path / "audit").read_text().splitlines()
    assert json.loads(line)["who"] == 'a\n{"who": "b"}\u2028'
    assert (len(json.loads(line)["reason"]), json.loads(line)["version"], "flag" in line) == (1_000, 0, False)
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("route", "problem"),
    [
        (Route("/x", undeclared), "declares no role"),
        (Mount("/panel", routes=[Route("/x", undeclared)]), "declares no role"),
        (Route("/x", roll_out, methods=["POST"]), "names no|no {environment}"),
        (Host("x", app=Starlette()), "can declare no role"),
    ],
)
def test_a_console_with_an_unguarded_route_does_not_start(route: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        check_routes([route])


def test_routes_of_mounts_are_found() -> None:
    routes = [Mount("/{environment}", routes=[Route("/all", sign_all_out, methods=["POST"])])]
    assert [route.path for route in check_routes(routes)] == ["/all"]


def test_a_role_elsewhere_can_be_required() -> None:
    request = Request({"type": "http", "headers": [], "state": {"identity": Identity("alice", {"a": Role.VIEWER})}})
    require(request, Role.VIEWER, "a")
    with pytest.raises(HTTPException):
        require(request, Role.VIEWER, "b")


# Health


def _silent() -> None:
    raise OSError("secret host")


def asked(health: Health, query: str = "") -> tuple[int, dict[str, Any]]:
    answer = TestClient(Starlette(routes=[health.route()])).get(f"/healthz{query}")
    assert "secret" not in answer.text
    return answer.status_code, answer.json()


def test_health_counts_the_sources_that_answer() -> None:
    good, partly = Health([int]), Health([int, _silent])
    assert asked(good) == (200, {"status": "ok", "sources": 1, "answering": 1})
    assert asked(good, "?sources")[0] == 200
    assert asked(partly) == (200, {"status": "degraded", "sources": 2, "answering": 1})
    assert asked(partly, "?sources")[0] == 503


def test_health_asks_the_sources_no_more_often_than_it_must() -> None:
    calls: list[int] = []
    clock = VirtualClock()
    health = Health([lambda: calls.append(1)], clock)
    for _ in range(3):
        asked(health)
    assert len(calls) == 1
    clock.advance(KEEP_S)
    asked(health)
    assert len(calls) == 2


def test_health_that_is_not_known_yet_is_not_success() -> None:
    health = Health([int])
    health._asking.acquire()  # somebody else asks just now
    assert asked(health) == (200, {"status": "starting", "sources": 1, "answering": None})
    assert asked(health, "?sources")[0] == 503
