"""The server as HTTP: tags, codes, limits, origins, keys."""

from __future__ import annotations

import asyncio
import json

import pytest

from flagkit.ofrep import OfrepSettings, callers
from tests.flagkit.ofrep.conftest import BULK, OFF, Server, document, on

KEY, OTHER_KEY = "k1-0123456789abcdef", "k2-0123456789abcdef"


def test_an_unchanged_answer_is_not_sent_again(server: Server) -> None:
    first = server.ask(BULK, {"targetingKey": "1"})
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = server.ask(BULK, {"targetingKey": "1"}, headers={"If-None-Match": given})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert server.ask(BULK, {"targetingKey": "1"}, headers={"If-None-Match": '"x"'}).status == 200


def test_the_tag_covers_the_context_and_the_flags(server: Server) -> None:
    def tag(**context: object) -> str:
        return server.ask(BULK, context).headers["etag"]

    assert tag(targetingKey="1", country="US") != tag(targetingKey="1", country="DE")
    assert tag(country="DE") == tag(country="FR", unused=1)
    before = tag()
    server.deploy(document({"plain": {"enabled": False}}))
    assert tag() != before


@pytest.mark.parametrize(
    "body",
    [b"", b"  ", b"{}", b"[]", b"null", b'{"context":null}', b'{"context":[]}', b'{"context":{"targetingKey":1}}',
     b'{"context":{"targetingKey":null}}', b"{", b'{"context":{"a":NaN}}', b"\xff", b"[" * 60_000,
     b'{"context":{"n":' + b"9" * 5000 + b"}}", b'{"context":{"a":' + b"[" * 16 + b"]" * 16 + b"}}"],
)  # fmt: skip
def test_a_body_without_a_context_is_refused(server: Server, body: bytes) -> None:
    bulk, single = server.ask(BULK, body), server.ask(f"{BULK}/plain", body)
    assert (bulk.status, bulk.json["errorCode"]) == (400, "INVALID_CONTEXT")
    assert (single.status, single.json["errorCode"], single.json["key"]) == (400, "INVALID_CONTEXT", "plain")


def test_a_context_can_nest(server: Server) -> None:
    assert server.ask(BULK, b'{"context":{"a":' + b"[" * 15 + b"]" * 15 + b"}}").status == 200
    assert server.all(company={"plan": "x"}, country="\ud800")["region"]["value"] is False


def test_lists_are_converted_once_and_have_a_limit(serve, monkeypatch) -> None:
    rules = {f"f{number}": f'(contains $groups "\\"g{number}\\"")' for number in range(9)}
    server = serve(document({key: {"_variants": [on("on", rule), OFF]} for key, rule in rules.items()}))
    converted: list[object] = []
    convert = callers.text_of
    monkeypatch.setattr(callers, "text_of", lambda value: converted.append(value) or convert(value))
    found = server.all(groups=["g1", "g7"], company={"tags": ["a"]})
    assert {key for key, flag in found.items() if flag["value"]} == {"f1", "f7"}
    assert converted == [["g1", "g7"], ["a"]]
    assert server.ask(BULK, {"a": [1] * 500, "b": {"c": [1] * 500}}).status == 200
    assert server.ask(BULK, {"a": [1] * 500, "b": {"c": [1] * 501}}).status == 400


def test_a_large_body_is_refused(serve) -> None:
    server = serve(body_limit=100)
    assert server.ask(BULK, b" " * 101).status == 413
    assert server.ask(BULK, b" ", headers={"Content-Length": "101"}).status == 413
    assert server.ask(BULK, b" ", headers={"Content-Length": "9" * 40}).status == 413
    answer = server.ask(BULK, {"a": "x" * 80})
    assert (answer.status, answer.headers.get("connection")) == (413, "close")


def test_keys_are_decoded_and_echoed(server: Server) -> None:
    for key in ("a/b?c", "", "ä", "\0", "../flags", 'x"\r\ny: z'):
        answer = server.flag(key)
        path, _, _ = key.partition("?")
        assert (answer.status, answer.json["key"]) == (404, path)
    assert len(server.flag("x" * 5000).body) < 700


def test_there_is_nothing_else(server: Server) -> None:
    assert server.ask("/").status == 404
    assert server.ask("/ofrep/v1/configuration").status == 404
    assert server.ask(BULK, method="GET").headers["allow"] == "POST"
    assert server.ask("/ofrep/v1/events").headers["allow"] == "GET"
    assert server.ask("/health", method="POST").status == 405


def test_health_says_whether_flags_are_loaded(server: Server, serve) -> None:
    assert server.ask("/health", method="GET").json == {"status": "ok"}
    assert server.ask("/health", method="HEAD").body == b""


def test_without_a_document_no_flag_is_answered(serve) -> None:
    server = serve(b"no document")
    assert server.ask("/health", method="GET").status == 503
    for path in (BULK, f"{BULK}/plain"):
        answer = server.ask(path)
        assert (answer.status, answer.headers["retry-after"], list(answer.json)) == (500, "5", ["errorDetails"])


def test_a_lost_source_does_not_change_the_answers(server: Server) -> None:
    before = server.all(country="US")
    server.source.failure = RuntimeError("gone")
    server.clock.advance(3600)
    server.flags.refresh()
    assert server.flags.evaluate("plain").reason == "STALE"
    assert server.all(country="US") == before
    assert server.flag("plain").json == before["plain"]


def test_an_app_can_be_mounted(server: Server) -> None:
    answer = server.ask(f"/flags{BULK}", root_path="/flags")
    assert answer.json["eventStreams"][0]["endpoint"] == {"requestUri": "/flags/ofrep/v1/events"}
    assert server.ask(f"/flagsx{BULK}", root_path="/flags").status == 404


def test_frameworks_mount_it(server: Server) -> None:
    applications = pytest.importorskip("starlette.applications")
    routing = pytest.importorskip("starlette.routing")
    inner, server.app = server.app, applications.Starlette(routes=[])
    server.app.routes.append(routing.Mount("/shop", routes=[routing.Mount("/flags", inner)]))
    answer = server.ask(f"/shop/flags{BULK}", {"targetingKey": "1"}, root_path="")
    stream = answer.json["eventStreams"][0]["endpoint"]["requestUri"]
    assert (answer.status, stream) == (200, "/shop/flags/ofrep/v1/events")
    assert server.ask(f"/shop/flags{BULK}/a/b", {}, root_path="").json["key"] == "a/b"


def test_only_pages_of_the_origins_may_read(serve) -> None:
    server = serve(origins=["https://shop.example"])
    origin = {"Origin": "https://shop.example"}
    for answer in (server.ask(headers=origin), server.ask(body=b"", headers=origin), server.ask("/x", headers=origin)):
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["access-control-expose-headers"] == "ETag, Retry-After"
        assert answer.headers["vary"] == "Origin"
    allowed = server.ask(method="OPTIONS", headers={**origin, "Access-Control-Request-Method": "POST"})
    assert allowed.status == 204
    names = allowed.headers["access-control-allow-headers"].lower()
    assert all(name in names for name in ("content-type", "if-none-match", "authorization", "x-api-key"))
    for other in ("https://shop.example.evil.example", "null", "http://shop.example", ""):
        foreign = server.ask(method="OPTIONS", headers={"Origin": other})
        assert foreign.status == 403
        assert "access-control-allow-origin" not in foreign.headers
        assert "access-control-allow-origin" not in server.ask(headers={"Origin": other}).headers
        assert server.ask(headers={"Origin": other}).headers["vary"] == "Origin"


def test_pages_of_all_origins_may_read_if_the_settings_say_so(serve) -> None:
    answer = serve(origins=["*"]).ask(headers={"Origin": "https://a.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "vary" in answer.headers


def test_keys_open_the_server_and_can_be_replaced(serve) -> None:
    server = serve(api_keys=[KEY, OTHER_KEY])
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {OTHER_KEY}"}, {"Authorization": f"bearer {KEY}"}):
        assert server.ask(headers=headers).status == 200
    wrong = ({}, {"X-API-Key": KEY[:-1]}, {"X-API-Key": ""}, {"Authorization": f"Basic {KEY}"}, {"X-API-Key": "ÿ"})
    for headers in wrong:
        answer = server.ask(headers=headers)
        assert (answer.status, answer.body) == (401, b"")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert KEY not in repr(OfrepSettings(api_keys=[KEY]))


def test_a_caller_who_asks_too_often_waits(serve) -> None:
    server = serve(rate_per_s=0.5, burst=2)
    assert [server.ask().status for _ in range(3)] == [200, 200, 429]
    assert server.ask().headers["retry-after"] == "2"
    assert server.ask(client=("192.0.2.2", 1)).status == 200
    assert server.ask("/health", method="GET").status == 200
    server.clock.advance(2)
    assert [server.ask().status for _ in range(2)] == [200, 429]


def test_behind_proxies_the_caller_is_the_address_that_they_saw(serve) -> None:
    server = serve(rate_per_s=1, burst=1, trusted_proxies=1)
    first = server.ask(headers={"X-Forwarded-For": "1.1.1.1, 198.51.100.1"})
    forged = server.ask(headers={"X-Forwarded-For": "2.2.2.2, 198.51.100.1"})
    other = server.ask(headers={"X-Forwarded-For": "198.51.100.2"})
    assert (first.status, forged.status, other.status) == (200, 429, 200)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"origins": ["https://a.example/"]}, "is not an origin"),
        ({"origins": ["shop.example"]}, "is not an origin"),
        ({"origins": ["https://u@a.example"]}, "is not an origin"),
        ({"api_keys": ["short"]}, "at least 16"),
        ({"api_keys": ["0123456789abcdef\n"]}, "printable"),
        ({"claims": ["custom:*"]}, "one by one"),
        ({"max_streams": 0}, "max_streams"),
        ({"streams_per_address": 0}, "streams_per_address"),
        ({"stream_url": "/events"}, "stream_url"),
        ({"heartbeat_s": 0}, "heartbeat_s"),
        ({"rate_per_s": -1}, "rate_per_s"),
    ],
)
def test_settings_that_can_not_work_are_refused(settings: dict, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        OfrepSettings(**settings)


def test_one_string_is_no_list() -> None:
    with pytest.raises(TypeError, match="list of strings"):
        OfrepSettings(origins="https://a.example")


def test_what_fails_inside_says_nothing(server: Server, monkeypatch, caplog) -> None:
    monkeypatch.setattr(server.app._view, "keys", None)
    answer = server.ask(BULK, {"targetingKey": "private"})
    assert (answer.status, answer.json) == (500, {"errorDetails": "internal error"})
    assert "private" not in caplog.text


def test_other_protocols_of_asgi(server: Server) -> None:
    async def run(kind: str, *incoming: str) -> list[str]:
        waiting, sent = list(incoming), []

        async def receive() -> dict[str, str]:
            return {"type": waiting.pop(0)}

        async def send(message: dict) -> None:
            sent.append(message["type"])

        await server.app({"type": kind}, receive, send)
        return sent

    assert asyncio.run(run("websocket", "websocket.connect")) == ["websocket.close"]
    started = asyncio.run(run("lifespan", "lifespan.startup", "lifespan.shutdown"))
    assert started == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_client_that_is_gone_gets_nothing(server: Server) -> None:
    sent: list[object] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": BULK, "headers": []}
    asyncio.run(server.app(scope, receive, send))
    assert sent == []


def test_the_documented_json(server: Server) -> None:
    answer = server.ask(BULK, {"targetingKey": "1"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert json.loads(answer.body)["eventStreams"] == [
        {"type": "sse", "inactivityDelaySec": 120, "endpoint": {"requestUri": "/ofrep/v1/events"}}
    ]
