"""Signing in by the printed address or by a token, and what happens to a form whose sender isn't signed in any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from flagkit.console import ConsoleSettings, FixedSignIn, Identity, Panel, create_app
from flagkit.console.access import needs
from flagkit.console.audit import record
from flagkit.console.identity import Role
from flagkit.console.sign_in import ADDRESS_S, SESSION_S, LocalSignIn, Sessions, SignIn, local_target
from flagkit.errors import UsageError
from flagkit.testing import VirtualClock

BASE = "http://127.0.0.1:8321"
OURS = {"Sec-Fetch-Site": "same-origin"}


@needs(Role.VIEWER)
async def page(request: Request) -> Response:
    return PlainTextResponse(request.state.identity.name)


@needs(Role.TOGGLER)
async def switch_on(request: Request) -> Response:
    form = await request.form()
    record(request, "switch on", version=7, reason=str(form["reason"]))
    return RedirectResponse("/", 303)


class Console:
    """A console with a panel that only says who somebody is, its printed lines, and its audit log."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.printed: list[str] = []
        self.sessions = Sessions(port=8321, clock=self.clock)
        self.sign_in = LocalSignIn(BASE, self.printed.append, lambda: "alice", self.sessions, clock=self.clock)
        self._folder = folder
        (folder / "flags.json").write_text('{"version": "1", "flags": {}, "values": {}}')
        self.client = self.served(self.sign_in)

    def served(self, sign_in: SignIn) -> TestClient:
        sources = tuple(f"{name}=file:{self._folder}/flags.json" for name in ("staging", "prod"))
        log = self._folder / "audit.jsonl"
        panel = Panel(
            "who",
            "Who",
            [
                Route("/", page),
                Route("/{environment}/flags/{key}", page),
                Route("/{environment}/flags/{key}/on", switch_on, methods=["POST"]),
            ],
        )
        app = create_app(ConsoleSettings(sources, sign_in=sign_in, clock=self.clock, audit_file=log), panels=[panel])
        return TestClient(app, base_url=BASE, follow_redirects=False)

    @property
    def audit(self) -> list[dict[str, Any]]:
        log = self._folder / "audit.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(tmp_path)


def test_the_printed_address_signs_in_once(console: Console) -> None:
    address = console.sign_in.address()
    assert console.client.get("/who/").status_code == 401
    answer = console.client.get(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("flagkit-console-8321=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert console.client.get("/who/").text == "alice"
    other = TestClient(console.client.app, base_url=BASE, follow_redirects=False)
    again = other.get(address)
    assert again.status_code == 401
    assert "used already" in again.text
    assert other.get("/who/").status_code == 401


def test_a_console_that_others_can_reach_needs_a_sign_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flags.json").write_text('{"version": "1", "flags": {}, "values": {}}')
    sources = (f"file:{tmp_path}/flags.json",)
    for url in (
        "http://0.0.0.0:8765",
        "http://[::]:8765",
        "https://flags.example.com",
        "http://127.0.0.1.evil.example",
    ):
        with pytest.raises(UsageError, match="other machines"):
            create_app(ConsoleSettings(sources, base_url=url))
    with TestClient(create_app(ConsoleSettings(sources, base_url=BASE)), base_url=BASE) as client:
        address = capsys.readouterr().err.split()[-1]
        assert client.get(address).url.path == "/"


def test_a_console_whose_settings_cannot_be_read_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "flags.json").write_text('{"version": "1", "flags": {}, "values": {}}')
    (tmp_path / "flagkit.toml").write_text("[[approvals]\n")
    with pytest.raises(UsageError, match="not valid TOML"):
        create_app(ConsoleSettings((f"file:{tmp_path}/flags.json",)))


def test_an_environment_out_of_reach_is_not_even_named(console: Console) -> None:
    client = console.served(FixedSignIn(Identity("alice", {"staging": Role.ADMIN})))
    assert ">prod<" not in client.get("/").text
    assert client.get("/who/prod/flags/a").status_code == 403


@pytest.mark.parametrize("token", ["", "x", "é", "\0", "A" * 5_000])
def test_a_wrong_token_signs_nobody_in_and_uses_nothing_up(console: Console, token: str) -> None:
    address = console.sign_in.address()
    answer = console.client.get("/sign-in", params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert console.sign_in.address() == address


def test_looking_at_an_address_does_not_use_it_up(console: Console) -> None:
    address = console.sign_in.address()
    assert console.client.head(address).status_code == 401
    assert console.client.get(address).status_code == 303


def test_an_address_waits_for_an_hour(console: Console) -> None:
    address = console.sign_in.address()
    console.clock.advance(ADDRESS_S)
    assert console.client.get(address).status_code == 401
    assert console.sign_in.address() != address


def test_a_new_address_is_printed_not_shown(console: Console) -> None:
    answer = console.client.post("/sign-in/address", headers=OURS)
    assert answer.status_code == 200
    token = console.printed[0].partition("token=")[2]
    assert token not in answer.text
    assert console.client.get(console.printed[0]).status_code == 303


def test_the_token_of_an_address_is_not_a_session(console: Console) -> None:
    token = console.sign_in.address().partition("token=")[2]
    console.client.cookies.set(console.sessions.cookie, token)
    assert console.client.get("/who/").status_code == 401


def signed_in(console: Console) -> TestClient:
    assert console.client.get(console.sign_in.address()).status_code == 303
    return console.client


def test_a_session_ends_after_its_time(console: Console) -> None:
    client = signed_in(console)
    console.clock.advance(SESSION_S - 1)
    assert client.get("/who/").status_code == 200
    console.clock.advance(1)
    assert client.get("/who/").status_code == 401


def test_signing_out_ends_copies_of_the_cookie_too(console: Console) -> None:
    client = signed_in(console)
    copied = client.cookies[console.sessions.cookie]
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out", headers=OURS).headers["location"] == "/sign-in"
    assert console.sessions.cookie not in client.cookies
    client.cookies.set(console.sessions.cookie, copied)
    assert client.get("/who/").status_code == 401


def test_a_session_gets_a_new_id_at_each_sign_in(console: Console) -> None:
    first = signed_in(console).cookies[console.sessions.cookie]
    second = signed_in(console).cookies[console.sessions.cookie]
    assert first != second
    other = TestClient(console.client.app, base_url=BASE, cookies={console.sessions.cookie: first})
    assert other.get("/who/").status_code == 401  # the one before it has ended


@pytest.mark.parametrize(
    "spoil", [lambda it: it[:-1], lambda it: "A" + it, lambda it: it + "." + it, lambda _: "\xff.x"]
)
def test_a_cookie_that_was_changed_is_nobodys(console: Console, spoil: Any) -> None:
    client = signed_in(console)
    value = spoil(client.cookies[console.sessions.cookie])
    bare = TestClient(console.client.app, base_url=BASE)
    assert bare.get("/", headers={"Cookie": f"{console.sessions.cookie}={value}".encode("latin-1")}).status_code == 401


def test_another_key_ends_sessions_and_the_same_key_keeps_them(console: Console) -> None:
    answer = RedirectResponse("/")
    Sessions("one", port=8321, clock=console.clock).start(answer, "alice", "alice")
    cookie = answer.headers["set-cookie"].split(";")[0]
    for key, known in (("one", True), ("two", False)):
        request = Request({"type": "http", "headers": [(b"cookie", cookie.encode())]})
        assert (Sessions(key, port=8321, clock=console.clock).read(request) is not None) is known


def test_over_https_the_cookie_is_secure() -> None:
    sessions, answer = Sessions(is_https=True), RedirectResponse("/")
    sessions.start(answer, "alice", "alice")
    assert answer.headers["set-cookie"].startswith("__Host-flagkit-console=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "omain" not in answer.headers["set-cookie"]


def test_a_form_outlives_the_session(console: Console) -> None:
    client = signed_in(console)
    console.clock.advance(SESSION_S)
    fields = {"reason": 'say "hi" <b>', "role": "admin", "user": ["1", "2"]}
    answer = client.post("/who/prod/flags/a/on?from=list", data=fields, headers=OURS)
    assert answer.status_code == 401
    assert 'action="/who/prod/flags/a/on?from=list"' in answer.text
    assert 'name="reason" value="say &#34;hi&#34; &lt;b&gt;"' in answer.text
    assert answer.text.count('name="user"') == 2
    assert not console.audit[1:]  # nothing but the sign-in
    signed_in(console)
    assert client.post("/who/prod/flags/a/on?from=list", data=fields, headers=OURS).status_code == 303


def test_a_button_without_fields_can_be_pressed_again(console: Console) -> None:
    answer = console.client.post("/who/prod/flags/a/on", headers=OURS)
    assert 'action="/who/prod/flags/a/on"' in answer.text
    assert "Send again" in answer.text


def test_a_body_that_is_too_large_is_refused_before_it_is_read(console: Console) -> None:
    headers = {**OURS, "Content-Length": "6000001", "Content-Type": "application/x-www-form-urlencoded"}
    assert console.client.post("/who/prod/flags/a/on", content=b"a=1", headers=headers).status_code == 413


def test_a_form_of_another_site_is_not_kept(console: Console) -> None:
    answer = console.client.post("/who/prod/flags/a/on", data={"reason": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "reason" not in answer.text


def test_a_file_that_was_sent_is_named_as_lost(console: Console) -> None:
    answer = console.client.post("/who/prod/flags/a/on", data={"a": "1"}, files={"users": b"1\n2"}, headers=OURS)
    assert "1 file is not kept" in answer.text


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        (None, "/"),
        ("/who/prod/flags/a?x=1", "/who/prod/flags/a?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("/" + "a" * 2_001, "/"),
    ],
)
def test_signing_in_leads_to_a_page_of_the_console_only(console: Console, asked: str | None, target: str) -> None:
    assert local_target(asked) == target
    address = console.sign_in.address()
    answer = console.client.get(address, params={"token": address.partition("token=")[2], "next": asked or ""})
    assert answer.headers["location"] == target


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "/%2fevil.example", "/%5cevil.example", "/a%0d%0aX-Y: 1", "/%3Cb%3E"]
)
def test_no_path_leads_elsewhere_from_the_sign_in(console: Console, path: str) -> None:
    answer = console.client.get(BASE + path)
    assert answer.status_code in {401, 404}
    assert 'href="//' not in answer.text
    assert "<b>" not in answer.text
