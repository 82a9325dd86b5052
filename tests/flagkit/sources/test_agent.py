"""The Agent as carrier of a Freeform document and as evaluator of a FeatureFlags profile."""

from __future__ import annotations

import itertools
import socket
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flagkit import ErrorCode, Flags, Reason, State
from flagkit.core.evaluation import failure
from flagkit.errors import AccessDeniedError, SourceError, SourceNotFoundError, SourceUnavailableError, SourceUrlError
from flagkit.sources import DocumentKind, connect
from flagkit.sources.agent import AgentSource, RemoteEvaluator, context_headers
from flagkit.sources.local_http import MAX_REPLY_BYTES, LocalHttp, Reply
from flagkit.testing import AgentStandIn, VirtualClock

RULED = {
    "version": "1",
    "flags": {"checkout": {}, "plain": {}},
    "values": {
        "plain": {"enabled": True, "limit": 3},
        "checkout": {
            "_variants": [
                {"name": "vip", "enabled": True, "rule": '(eq $tier "premium")', "attributeValues": {"value": "gold"}},
                {"name": "blocked", "enabled": False, "rule": '(eq $tier "none")'},
                {"name": "default", "enabled": True, "attributeValues": {"value": "grey"}},
            ]
        },
    },
}


def source(agent, **options):
    return AgentSource("shop", "prod", "flags", ask=agent, **options)


def test_a_freeform_document_is_carried_and_evaluated_here():
    agent = AgentStandIn(RULED)
    flags = Flags(source(agent), clock=VirtualClock())
    assert flags.string("checkout", "42", {"tier": "premium"}, default="") == "gold"
    assert flags.string("checkout", "42", default="") == "grey"
    assert len(agent.asked) == 1


def test_an_unchanged_document_is_not_delivered_again():
    agent = AgentStandIn({"a": True})
    asking = source(agent)
    assert asking.fetch().kind is DocumentKind.FREEFORM
    assert asking.fetch() is None
    agent.replace({"a": False})
    assert asking.fetch() is not None
    asking.reset()
    assert asking.fetch() is not None
    asking.close()


def test_the_version_header_is_taken_over():
    replies = iter(["3", "3", "4"])
    asking = source(lambda *_: Reply(200, b"{}", {"configuration-version": next(replies)}))
    assert asking.fetch().version == "3"
    assert asking.fetch() is None
    assert asking.fetch().version == "4"


def test_flags_with_rules_are_asked_for_each_user_and_kept():
    agent = AgentStandIn(RULED, feature_flags=True)
    flags = Flags(source(agent), clock=VirtualClock())
    assert flags.status().state is State.READY
    assert flags.is_enabled("plain")
    assert len(agent.asked) == 1
    vip = flags.evaluate("checkout", "42", {"tier": "premium"})
    assert (vip.value, vip.variant, vip.reason) == ("gold", "vip", Reason.TARGETING_MATCH)
    assert flags.evaluate("checkout", "43").reason is Reason.DEFAULT
    assert flags.evaluate("checkout", "44", {"tier": "none"}).reason is Reason.DISABLED
    for _ in range(5):
        flags.is_enabled("checkout", "42", {"tier": "premium"})
    assert len(agent.asked) == 4


def test_the_context_travels_as_text_one_header_per_pair():
    context = {"tier": "premium", "age": 7, "beta": True, "none": None, "at": datetime(2026, 1, 2, tzinfo=UTC)}
    assert context_headers(42, context) == (
        ("Context", "age=7"),
        ("Context", "at=2026-01-02T00:00:00Z"),
        ("Context", "beta=true"),
        ("Context", "tier=premium"),
        ("Context", "userId=42"),
        ("Entity-Id", "42"),
    )
    assert context_headers(None, None) == ()


def test_a_value_can_not_write_headers_of_its_own():
    assert context_headers("4\r\nX-Evil: 1", {"a": "b\nc", "d": "e"}) == (("Context", "d=e"),)


def test_without_an_answer_the_default_variant_is_served_and_the_reason_says_so():
    agent = AgentStandIn(RULED, feature_flags=True)
    flags = Flags(source(agent), clock=VirtualClock())
    agent.failure = ConnectionRefusedError("gone")
    answer = flags.evaluate("checkout", "42", {"tier": "premium"})
    assert (answer.value, answer.reason) == ("grey", Reason.RULES_UNSEEN)
    agent.failure = None
    assert flags.evaluate("checkout", "42", {"tier": "premium"}).value == "gold"


def test_an_agent_that_hangs_costs_one_reader_its_time_and_not_each():
    now_s, asked = [0.0], []

    def hang(headers, timeout_s):
        asked.append(headers)
        now_s[0] += timeout_s
        raise TimeoutError

    ask = RemoteEvaluator(hang, "1", keep_s=15, timer=lambda: now_s[0]).flag(
        "checkout", failure("f", ErrorCode.GENERAL, "")
    )
    for user in range(100):
        assert ask(user, None).error is ErrorCode.GENERAL
    assert (len(asked), now_s) == (1, [0.5])
    now_s[0] += 1.0
    ask("later", None)
    assert len(asked) == 2


def test_answers_are_kept_for_their_time_and_no_longer():
    now_s = [0.0]
    agent = AgentStandIn(RULED, feature_flags=True)
    asking = source(agent)
    evaluator = RemoteEvaluator(asking.get, "1", keep_s=15, timer=lambda: now_s[0])
    ask = evaluator.flag("checkout", failure("checkout", ErrorCode.GENERAL, ""))
    ask("42", {"tier": "premium"})
    agent.replace({"checkout": {"enabled": True, "value": "new"}})
    assert ask("42", {"tier": "premium"}).value == "gold"
    now_s[0] = 15.0
    assert ask("42", {"tier": "premium"}).value == "new"


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (ConnectionRefusedError("no"), SourceUnavailableError),
        (Reply(401, b"", {}), AccessDeniedError),
        (Reply(404, b"no such configuration", {}), SourceNotFoundError),
        (Reply(429, b"", {}), SourceUnavailableError),
        (Reply(502, b"\xff", {}), SourceUnavailableError),
        (Reply(400, b"", {}), SourceError),
    ],
)
def test_what_the_agent_answers_is_said_in_flagkits_words(failure, error):
    agent = AgentStandIn({})
    agent.failure = failure
    with pytest.raises(error) as caught:
        source(agent).fetch()
    assert type(caught.value) is error


def test_names_are_quoted_in_the_path():
    seen = []

    def ask(path, headers, timeout_s):
        seen.append(path)
        return Reply(200, b"{}", {})

    AgentSource("my shop", "a/b", "flags", ask=ask).fetch()
    assert seen == ["/applications/my%20shop/environments/a%2Fb/configurations/flags"]


def test_the_port_comes_from_the_address_or_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_APPCONFIG_EXTENSION_HTTP_PORT", "3000")
    assert connect("agent://shop/prod/flags")._ask._port == 3000
    assert connect("agent://shop/prod/flags?port=2773")._ask._port == 2773
    monkeypatch.delenv("AWS_APPCONFIG_EXTENSION_HTTP_PORT")
    assert connect("agent://shop/prod/flags")._ask._port == 2772
    with pytest.raises(SourceUrlError):
        connect("agent://shop/prod/flags?port=x")


@pytest.fixture
def server():
    agent = AgentStandIn(RULED, feature_flags=True, token="secret")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            reply = agent(self.path, tuple(self.headers.items()), 0.0)
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield http.server_address[1]
        http.shutdown()
        thread.join()


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.enable_socket
def test_over_real_http_with_a_token(server):
    path = "/applications/shop/environments/prod/configurations/flags"
    headers = context_headers("42", {"tier": "premium", "name": "Zoë"})
    http = LocalHttp("127.0.0.1", server, "secret")
    assert b"gold" in http(path, headers, 5.0).body
    assert b"grey" in http(path, (), 5.0).body
    assert LocalHttp("127.0.0.1", server, None)(path, (), 5.0).status == 401


class Line:
    """The other end of a connection that was never made: it has its say in pieces."""

    def __init__(self, *pieces):
        self.pieces, self.sent = [*pieces, b""], b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def sendall(self, content):
        self.sent += content

    def settimeout(self, left_s):
        assert left_s > 0

    def recv(self, _):
        return self.pieces.pop(0)


@pytest.fixture
def answering(monkeypatch):
    def with_pieces(*pieces):
        line = Line(*pieces)
        monkeypatch.setattr(socket, "create_connection", lambda *_: line)
        return line

    return with_pieces


def test_an_answer_may_come_in_any_pieces_and_end_with_the_connection(answering):
    line = answering(b"HTTP/1.0 200 OK\r\nConfiguration-Ver", b"sion:  7 \r\n\r", b'\n{"a"', b": 1}")
    reply = LocalHttp("localhost", 2772, "secret")("/a", (("Context", "city=Zürich"),), 1.0)
    assert reply == Reply(200, b'{"a": 1}', {"configuration-version": "7"})
    first, *headers = line.sent.decode().split("\r\n")
    assert first == "GET /a HTTP/1.0"
    own = ["Host: localhost:2772", "Connection: close", "Authorization: Bearer secret"]
    assert headers == [*own, "Context: city=Zürich", "", ""]


def test_a_server_that_keeps_the_connection_open_is_not_waited_for(answering):
    line = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", b"\r\n{", b"}")
    line.pieces = line.pieces[:-1]  # nothing more comes: another recv would wait
    assert LocalHttp("localhost", 2772, None)("/", (), 1.0).body == b"{}"


def test_an_answer_that_comes_in_drops_is_not_waited_for_longer_than_the_timeout(answering, monkeypatch):
    line = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 1000)
    seconds = itertools.count(0.0, 0.1)
    monkeypatch.setattr("flagkit.sources.local_http.monotonic", lambda: next(seconds))
    with pytest.raises(TimeoutError, match="the answer takes too long"):
        LocalHttp("localhost", 2772, None)("/", (), 0.5)
    assert len(line.pieces) > 990


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(MAX_REPLY_BYTES),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + bytes(MAX_REPLY_BYTES),
    ],
    ids=[
        "nothing",
        "no http",
        "no status",
        "cut in the head",
        "cut in the body",
        "chunks",
        "too long",
        "says too long",
    ],
)
def test_an_answer_that_cannot_be_read_is_an_os_error(answering, answer):
    answering(answer)
    with pytest.raises(OSError, match="the answer"):
        LocalHttp("localhost", 2772, None)("/", (), 1.0)


def test_a_value_cannot_write_headers_of_its_own(answering):
    line = answering(b"HTTP/1.0 200 OK\r\n\r\n")
    with pytest.raises(ValueError, match="line break"):
        LocalHttp("localhost", 2772, None)("/", (("Context", "a=b\r\nX: y"),), 1.0)
    assert line.sent == b""


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.enable_socket
def test_nobody_there_is_an_os_error():
    with pytest.raises(OSError):
        LocalHttp("127.0.0.1", 1, None)("/", (), 1.0)
