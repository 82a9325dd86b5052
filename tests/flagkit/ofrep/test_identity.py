"""With tokens the user is who the token says, whatever the body claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from flagkit.ofrep import TokenSettings
from flagkit.web.token_settings import KeysUnavailableError, TokenError
from tests.flagkit.ofrep.conftest import BULK, OFF, Server, document, on

KEY = "k1-0123456789abcdef"
RULES = {
    "mine": '(eq $userId "alice")',
    "by_key": '(eq $targetingKey "alice")',
    "staff": '(contains $groups ",staff,")',
    "mail": '(eq $email "a@b.example")',
    "tier": '(eq $tier "gold")',
    "german": '(eq $country "DE")',
}
FLAGS = document({key: {"_variants": [on("on", rule), OFF]} for key, rule in RULES.items()}, hidden=())


class Desk:
    """Accepts the tokens that it knows."""

    def __init__(self, **known: Mapping[str, Any]) -> None:
        self.known = known

    async def verify(self, token: str) -> Mapping[str, Any]:
        if token == "unknowable":
            raise KeysUnavailableError
        if token not in self.known:
            raise TokenError("The token is refused: it has expired.")
        return self.known[token]


ALICE = {
    "sub": "alice",
    "cognito:groups": ["staff"],
    "email": "a@b.example",
    "email_verified": True,
    "custom:tier": "gold",
}


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    claims = ["cognito:groups", "email", "custom:tier"]
    desk = Desk(alice=ALICE, bob={"sub": "bob"}, nobody={}, odd={"sub": 7}, empty={"sub": ""})
    return serve(FLAGS, verifier=desk, api_keys=[KEY], claims=claims)


def asked(server: Server, token: str, **context: object) -> set[str]:
    answer = server.ask(BULK, context, headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 200
    return {flag["key"] for flag in answer.json["flags"] if flag.get("value")}


def test_the_user_is_the_one_of_the_token(server: Server) -> None:
    assert asked(server, "alice") == {"mine", "by_key", "staff", "mail", "tier"}
    assert asked(server, "alice", targetingKey="bob", userId="bob", groups="", tier="x") == asked(server, "alice")


def test_nobody_can_claim_to_be_another(server: Server) -> None:
    forged = {"targetingKey": "alice", "userId": "alice", "groups": ",staff,", "email": "a@b.example", "tier": "gold"}
    assert asked(server, "bob", **forged) == set()
    assert asked(server, "bob", **forged, country="DE") == {"german"}


def test_an_api_key_is_trusted_with_the_context(server: Server) -> None:
    answer = server.ask(BULK, {"targetingKey": "alice"}, headers={"X-API-Key": KEY})
    assert {flag["key"] for flag in answer.json["flags"] if flag["value"]} == {"by_key", "mine"}


@pytest.mark.parametrize("token", ["", "carol", "nobody", "odd", "empty", "ä", 'x"\r\nset-cookie: a=b'])
def test_other_tokens_are_refused(server: Server, token: str) -> None:
    answer = server.ask(BULK, {"targetingKey": "alice"}, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status, answer.body) == (401, b"")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert "\n" not in answer.headers["www-authenticate"]


def test_no_token_is_no_invalid_token(server: Server) -> None:
    answer = server.ask(BULK, {"targetingKey": "alice"})
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_while_tokens_can_not_be_verified_nobody_is_signed_out(server: Server) -> None:
    answer = server.ask(BULK, {}, headers={"Authorization": "Bearer unknowable"})
    assert (answer.status, answer.headers["retry-after"]) == (500, "10")


def test_streams_of_tokens_have_a_pass_of_their_own(server: Server) -> None:
    def address(headers: dict[str, str]) -> str:
        return str(server.ask(BULK, {}, headers=headers).json["eventStreams"][0]["endpoint"]["requestUri"])

    assert address({"X-API-Key": KEY}) != address({"Authorization": "Bearer alice"})
    assert address({"Authorization": "Bearer bob"}) == address({"Authorization": "Bearer alice"})


def test_the_settings_build_a_verifier(serve: Callable[..., Server]) -> None:
    tokens = TokenSettings(issuer="https://id.example", audience=("shop",))
    with pytest.raises(ValueError, match="stream_secret"):
        serve(FLAGS, tokens=tokens)
    with pytest.raises(ValueError, match="stream_secret"):
        serve(FLAGS, verifier=Desk())
    assert serve(FLAGS, tokens=tokens, streams=False).ask(BULK, {}).status == 401
    server = serve(FLAGS, tokens=tokens, stream_secret="a secret of all processes")
    assert server.ask(BULK, {}, headers={"Authorization": "Bearer x.y.z"}).status == 401
    assert server.ask(BULK, {}).status == 401
    assert "secret of all" not in repr(server.app._settings)
