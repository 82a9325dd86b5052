"""The caller of a request reaches the flags, in each framework, and never a neighbour's request."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from starlette.authentication import BaseUser

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
    "_variants": [{"name": "hit", "enabled": True, "rule": '(eq $userId "alice")'}, {"name": "miss", "enabled": False}]
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
        return Caller("alice")

    with caller_is(read):
        assert reads == []
        assert for_request(flags).is_enabled("a")
        assert current_caller().user_id == "alice"
        with caller_is(Caller("ben")):
            assert not for_request(flags).is_enabled("a")
        assert for_request(flags).is_enabled("a")
    assert reads == [1]


def test_a_caller_that_can_not_be_read_is_nobody(flags, caplog):
    def read():
        raise ValueError("token of alice")

    with caller_is(read):
        assert not for_request(flags).is_enabled("a")
    assert "caller failed (ValueError)" in caplog.text
    assert "alice" not in caplog.text


def asgi(app, **scope):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "path": "/", "method": "GET", "headers": [], **scope}, None, send))
    return sent


class Named(BaseUser):
    """A user as Starlette's own once was: known by name, without an identity."""

    is_authenticated = True


def test_asgi_requests_have_their_caller(flags):
    async def app(scope, receive, send):
        await asyncio.sleep(0)
        await send((for_request(flags).is_enabled("a"), current_caller().context))

    wrapped = FlagsASGIMiddleware(app)
    user = SimpleNamespace(is_authenticated=True, identity="alice")
    headers = [(b"cloudfront-viewer-country", b"DE"), (b"x-user", b"ben")]
    assert asgi(wrapped, user=user, headers=headers) == [(True, {"path": "/", "method": "GET"})]
    assert asgi(wrapped, user=SimpleNamespace(is_authenticated=False))[0][0] is False
    assert asgi(wrapped, user=Named())[0][0] is False
    assert asgi(wrapped)[0][0] is False
    assert asgi(FlagsASGIMiddleware(app, read=lambda scope: Caller(scope["who"])), who="alice")[0][0] is True
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
            yield str(current_caller().context).encode()

        def close(self):
            closed.append(current_caller().user_id)

    wrapped = FlagsWSGIMiddleware(lambda environ, start: Body())
    environ = {"REMOTE_USER": "alice", "PATH_INFO": "/", "HTTP_CLOUDFRONT_VIEWER_COUNTRY": "DE"}
    body = wrapped(environ, None)
    assert current_caller().user_id is None
    assert list(body) == [b"True", b"{'path': '/'}"]
    body.close()
    assert closed == ["alice"]
    other = FlagsWSGIMiddleware(lambda environ, start: [current_caller().user_id.encode()], lambda _: Caller("ben"))
    answer = other({}, None)
    assert list(answer) == [b"ben"]
    answer.close()


def request(user=None, **headers):
    return SimpleNamespace(path="/x", method="GET", headers=headers, user=user)


def test_django_requests_have_their_caller_sync_and_async(flags):
    known = SimpleNamespace(is_authenticated=True, pk="alice")

    def view(_):
        return for_request(flags).is_enabled("a"), current_caller().context

    async def async_view(_):
        return view(_)

    answer = flags_middleware(view)
    facts = {"path": "/x", "method": "GET"}
    assert answer(request(known, **{"CloudFront-Viewer-Country": "DE"})) == (True, facts)
    assert answer(request(SimpleNamespace(is_authenticated=False, pk=None))) == (False, facts)
    assert answer(request()) == (False, facts)
    assert asyncio.run(flags_middleware(async_view)(request(known))) == (True, facts)

    async def load_user():
        return known

    lazy = request()
    lazy.auser = load_user
    assert asyncio.run(flags_middleware(async_view)(lazy)) == (True, facts)
    assert flags_middleware.sync_capable
    assert flags_middleware.async_capable


CLAIMS = {"sub": "alice", "custom:tier": "gold", "custom:groups": "admin", "email": "a@x.org", "aud": "app"}
EVENTS = {
    "REST API with Cognito": {
        "path": "/x",
        "httpMethod": "GET",
        "requestContext": {"authorizer": {"claims": {**CLAIMS, "cognito:groups": "staff,beta"}}},
    },
    "HTTP API with JWT": {
        "rawPath": "/x",
        "requestContext": {
            "http": {"method": "GET"},
            "authorizer": {"jwt": {"claims": {**CLAIMS, "cognito:groups": "[staff beta]"}}},
        },
    },
    "HTTP API with a token's own types": {
        "rawPath": "/x",
        "requestContext": {
            "http": {"method": "GET"},
            "authorizer": {"jwt": {"claims": {**CLAIMS, "cognito:groups": ["staff", "beta"], "aud": ["x"]}}},
        },
    },
}
FACTS = {"path": "/x", "method": "GET"}


@pytest.mark.parametrize("name", EVENTS)
def test_claims_of_api_gateway_become_user_and_context(name):
    event = {**EVENTS[name], "headers": {"cloudfront-viewer-country": "DE", "x-amzn-oidc-identity": "ben"}}
    assert caller_from_event(event) == Caller("alice", {**FACTS, "groups": ",staff,beta,"})
    assert caller_from_event(event, ()) == Caller("alice", FACTS)
    assert caller_from_event(event, ["custom:tier"]).context == {**FACTS, "tier": "gold"}


def with_claims(**claims):
    return {"requestContext": {"authorizer": {"claims": {"sub": "alice", **claims}}}}


def test_a_custom_attribute_never_stands_for_another_fact():
    event = with_claims(**{"custom:tier": "gold", "custom:groups": "admin", "custom:email": "x", "custom:userId": "b"})
    assert caller_from_event(event, ("custom:*", "cognito:groups", "email")).context == {"tier": "gold"}
    assert caller_from_event(event).context == {}


@pytest.mark.parametrize(("verified", "known"), [("true", True), (True, True), ("false", False), (None, False)])
def test_an_address_counts_once_it_is_verified(verified, known):
    event = with_claims(email="a@x.org", email_verified=verified)
    assert ("email" in caller_from_event(event).context) is known


def test_a_rule_meets_the_whole_name_of_a_group():
    rule = {
        "_variants": [
            {"name": "hit", "enabled": True, "rule": '(contains $groups ",staff,")'},
            {"name": "miss", "enabled": False},
        ]
    }
    flags = Flags(StaticSource({"a": rule}), clock=VirtualClock())
    asked = for_events(flags)(lambda event, context: for_request(flags).is_enabled("a"))
    assert asked(with_claims(**{"cognito:groups": "beta,staff"}), None)
    assert not asked(with_claims(**{"cognito:groups": "nonstaff"}), None)
    assert not asked(with_claims(**{"cognito:groups": ""}), None)
    assert not asked(with_claims(), None)


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        {"requestContext": None},
        {"requestContext": {"authorizer": "x"}, "headers": 3},
        {"requestContext": {"elb": {"targetGroupArn": "…"}}, "headers": {"x-amzn-oidc-identity": "alice"}},
    ],
)
def test_an_event_without_verified_claims_has_nobody(event):
    assert caller_from_event(event) == Caller()


def test_what_a_lambda_authorizer_returned_is_context():
    rest = caller_from_event({"requestContext": {"authorizer": {"principalId": 7, "plan": "pro"}}})
    assert (rest.user_id, rest.context["plan"]) == ("7", "pro")
    own = {"sub": "alice", "plan": "pro", "cognito:groups": ["staff"], "list": []}
    http = caller_from_event({"requestContext": {"authorizer": {"lambda": own}}})
    assert http == Caller("alice", {"sub": "alice", "plan": "pro", "groups": ",staff,"})


def test_an_iam_caller_of_a_function_url_is_its_id():
    event = {"rawPath": "/x", "requestContext": {"http": {"method": "GET"}, "authorizer": {"iam": {"userId": "AIDA1"}}}}
    assert caller_from_event(event) == Caller("AIDA1", FACTS)


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
    assert for_events(flags, read=lambda _: Caller("alice"))(lambda e, c: current_caller().user_id)({}, None) == "alice"
