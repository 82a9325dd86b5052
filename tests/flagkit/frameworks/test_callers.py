"""The caller of a request reaches the flags, in each framework, and never a neighbour's request."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from flagkit import Flags
from flagkit.frameworks import (
    Caller,
    FlagsASGIMiddleware,
    FlagsWSGIMiddleware,
    caller_from_event,
    caller_is,
    current_caller,
    for_events,
    for_request,
)
from flagkit.frameworks.django import flags_middleware
from flagkit.sources.static import StaticSource
from flagkit.testing import VirtualClock

RULED = {
    "_variants": [{"name": "hit", "enabled": True, "rule": '(eq $userId "amira")'}, {"name": "miss", "enabled": False}]
}


@pytest.fixture
def flags():
    return Flags(StaticSource({"a": RULED}), clock=VirtualClock())


def test_outside_of_a_request_there_is_nobody(flags):
    assert current_caller() == Caller()
    assert not for_request(flags).is_enabled("a")


def test_a_caller_is_read_when_first_needed_and_once(flags):
    reads = []

    def read():
        reads.append(1)
        return Caller("amira")

    with caller_is(read):
        assert reads == []
        assert for_request(flags).is_enabled("a")
        assert current_caller().user_id == "amira"
        with caller_is(Caller("ben")):
            assert not for_request(flags).is_enabled("a")
        assert for_request(flags).is_enabled("a")
    assert reads == [1]


def test_a_caller_that_can_not_be_read_is_nobody(flags, caplog):
    with caller_is(lambda: 1 / 0):
        assert not for_request(flags).is_enabled("a")
    assert "can't be read" in caplog.text


def asgi(app, **scope):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "path": "/", "method": "GET", "headers": [], **scope}, None, send))
    return sent


def test_asgi_requests_have_their_caller(flags):
    async def app(scope, receive, send):
        await asyncio.sleep(0)
        await send((for_request(flags).is_enabled("a"), current_caller().context))

    wrapped = FlagsASGIMiddleware(app)
    user = SimpleNamespace(is_authenticated=True, identity="amira")
    headers = [(b"cloudfront-viewer-country", b"DE"), (b"accept", b"*/*")]
    assert asgi(wrapped, user=user, headers=headers) == [(True, {"path": "/", "method": "GET", "country": "DE"})]
    assert asgi(wrapped, user=SimpleNamespace(is_authenticated=False))[0][0] is False
    assert asgi(wrapped)[0][0] is False
    assert asgi(FlagsASGIMiddleware(app, read=lambda scope: Caller(scope["who"])), who="amira")[0][0] is True
    assert asgi(wrapped, type="lifespan")[0][1] == {}


def test_asgi_requests_side_by_side_keep_their_callers(flags):
    async def app(scope, receive, send):
        for _ in range(5):
            await asyncio.sleep(0)
            assert current_caller().user_id == scope["who"]

    wrapped = FlagsASGIMiddleware(app, read=lambda scope: Caller(scope["who"]))

    async def main():
        await asyncio.gather(*(wrapped({"type": "http", "who": str(n)}, None, None) for n in range(10)))

    asyncio.run(main())


def test_wsgi_requests_have_their_caller_while_the_body_is_produced(flags):
    closed = []

    class Body:
        def __iter__(self):
            yield str(for_request(flags).is_enabled("a")).encode()
            yield str(current_caller().context.get("country")).encode()

        def close(self):
            closed.append(current_caller().user_id)

    wrapped = FlagsWSGIMiddleware(lambda environ, start: Body())
    environ = {"REMOTE_USER": "amira", "PATH_INFO": "/", "HTTP_CLOUDFRONT_VIEWER_COUNTRY": "DE"}
    body = wrapped(environ, None)
    assert current_caller().user_id is None
    assert list(body) == [b"True", b"DE"]
    body.close()
    assert closed == ["amira"]
    other = FlagsWSGIMiddleware(lambda environ, start: [current_caller().user_id.encode()], lambda _: Caller("ben"))
    answer = other({}, None)
    assert list(answer) == [b"ben"]
    answer.close()


def request(user=None, **headers):
    return SimpleNamespace(path="/x", method="GET", headers=headers, user=user)


def test_django_requests_have_their_caller_sync_and_async(flags):
    known = SimpleNamespace(is_authenticated=True, pk="amira")

    def view(_):
        return for_request(flags).is_enabled("a"), current_caller().context.get("country")

    async def async_view(_):
        return view(_)

    answer = flags_middleware(view)
    assert answer(request(known, **{"CloudFront-Viewer-Country": "DE"})) == (True, "DE")
    assert answer(request(SimpleNamespace(is_authenticated=False, pk=None))) == (False, None)
    assert answer(request()) == (False, None)
    assert asyncio.run(flags_middleware(async_view)(request(known))) == (True, None)
    assert flags_middleware.sync_capable
    assert flags_middleware.async_capable


EVENTS = {
    "REST API with Cognito": {
        "path": "/x",
        "httpMethod": "GET",
        "headers": {"CloudFront-Viewer-Country": "DE"},
        "requestContext": {
            "authorizer": {"claims": {"sub": "amira", "cognito:groups": "staff,admin", "custom:tier": "gold"}}
        },
    },
    "HTTP API with JWT": {
        "rawPath": "/x",
        "headers": {"cloudfront-viewer-country": "DE"},
        "requestContext": {
            "http": {"method": "GET"},
            "authorizer": {
                "jwt": {"claims": {"sub": "amira", "cognito:groups": "[staff admin]", "custom:tier": "gold"}}
            },
        },
    },
    "HTTP API with a Lambda authorizer": {
        "rawPath": "/x",
        "headers": {"cloudfront-viewer-country": "DE"},
        "requestContext": {
            "http": {"method": "GET"},
            "authorizer": {
                "lambda": {"sub": "amira", "cognito:groups": ["staff", "admin"], "custom:tier": "gold", "list": []}
            },
        },
    },
}


@pytest.mark.parametrize("name", EVENTS)
def test_claims_of_api_gateway_become_user_and_context(name):
    caller = caller_from_event(EVENTS[name])
    assert caller.user_id == "amira"
    assert {key: caller.context[key] for key in ("groups", "tier", "path", "method", "country")} == {
        "groups": "staff,admin",
        "tier": "gold",
        "path": "/x",
        "method": "GET",
        "country": "DE",
    }


@pytest.mark.parametrize("event", [{}, {"requestContext": None}, {"requestContext": {"authorizer": "x"}, "headers": 3}])
def test_an_event_without_claims_has_nobody(event):
    assert caller_from_event(event) == Caller()


def test_a_lambda_authorizer_of_a_rest_api_names_its_principal():
    caller = caller_from_event({"requestContext": {"authorizer": {"principalId": 7, "plan": "pro"}}})
    assert (caller.user_id, caller.context["plan"]) == ("7", "pro")


def test_a_lambda_handler_has_its_caller_and_afterwards_is_called_whatever_happens(flags):
    done = []

    @for_events(flags, afterwards=lambda: done.append(1))
    def handler(event, context):
        """The handler."""
        if event.get("fail"):
            raise RuntimeError
        return for_request(flags).is_enabled("a")

    assert handler(EVENTS["HTTP API with JWT"], None) is True
    assert handler({}, None) is False
    with pytest.raises(RuntimeError):
        handler({"fail": True}, None)
    assert done == [1, 1, 1]
    assert handler.__doc__ == "The handler."
    assert for_events(flags, read=lambda _: Caller("amira"))(lambda e, c: current_caller().user_id)({}, None) == "amira"
