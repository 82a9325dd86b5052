"""Tokens: which are accepted, and every way to forge one that is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from flagkit.testing import VirtualClock
from flagkit.web.token_settings import BalancerSettings, KeysUnavailableError, TokenError, TokenSettings
from flagkit.web.tokens import BalancerVerifier, TokenVerifier, fetch_url, read_keys

ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1"
CLIENT = "client-1"
SIGNER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188"
KEY_ID = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
PEM = EC.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(key: Any, kid: str, **more: object) -> dict[str, Any]:
    kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, **more}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class Desk:
    """A verifier whose keys and clock the test has in its hands."""

    def __init__(self, content: bytes | None = None, **settings: Any) -> None:
        self.clock = VirtualClock()
        self.content = jwks(jwk(RSA, "r1"), jwk(EC, "e1")) if content is None else content
        self.fetches = 0
        self.available = True
        chosen: dict[str, Any] = {"issuer": ISSUER, "audience": (CLIENT,), **settings}
        self.verifier = TokenVerifier(TokenSettings(**chosen), clock=self.clock, fetch=self.fetch)

    async def fetch(self, url: str) -> bytes | None:
        assert url == f"{ISSUER}/.well-known/jwks.json"
        self.fetches += 1
        return self.content if self.available else None

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": ISSUER, "sub": "user-1", "client_id": CLIENT, "token_use": "access", "iat": now, "exp": now + 3600
        }  # fmt: skip
        return {name: value for name, value in {**claims, **changed}.items() if value is not None}

    def token(self, key: Any = RSA, *, alg: str = "RS256", kid: str = "r1", headers: Any = None, **claims: Any) -> str:
        return jwt.encode(self.claims(**claims), key, algorithm=alg, headers={"kid": kid, **(headers or {})})

    def verify(self, token: str) -> Any:
        return asyncio.run(self.verifier.verify(token))

    def refuses(self, token: str, why: str = "refused") -> bool:
        with pytest.raises(TokenError, match=why):
            self.verify(token)
        return True


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_good_token_of_either_kind_is_accepted(desk: Desk) -> None:
    assert desk.verify(desk.token())["sub"] == "user-1"
    assert desk.verify(desk.token(EC, alg="ES256", kid="e1"))["sub"] == "user-1"
    assert desk.fetches == 1


def test_the_algorithm_is_not_the_callers_choice(desk: Desk) -> None:
    good = desk.token()
    _, body, signature = good.split(".")
    public = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for alg in ("none", "None", "HS256", "HS512", "RS512", "PS256", "EdDSA", "", 1, None, ["RS256"]):
        forged_head = part({"alg": alg, "kid": "r1"})
        mac = hmac.new(public, f"{forged_head}.{body}".encode(), hashlib.sha256).digest()
        for seal in ("", signature, base64.urlsafe_b64encode(mac).decode().rstrip("=")):
            assert desk.refuses(f"{forged_head}.{body}.{seal}")
    assert desk.refuses(desk.token(EC, alg="ES256", kid="r1"), "not its key's")
    assert desk.refuses(desk.token(RSA, alg="RS256", kid="e1"), "not its key's")
    assert desk.refuses(desk.token(headers={"crit": ["b64"], "b64": False}))


def test_a_key_in_the_token_is_not_used(desk: Desk) -> None:
    own = jwk(OTHER_RSA, "r1")
    for headers in ({"jwk": own}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/cert"}):
        assert desk.refuses(desk.token(OTHER_RSA, headers=headers), "signature")
    assert desk.refuses(desk.token(OTHER_RSA, kid="../../keys"), "not known")
    assert desk.refuses(jwt.encode(desk.claims(), RSA, algorithm="RS256"), "names no key")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"client_id": "client-2"}, "audience"),
        ({"client_id": None}, "audience"),
        ({"client_id": None, "aud": ["x", 1]}, "audience"),
        ({"aud": "client-2"}, "audience"),
        ({"token_use": "id"}, "not an access token"),
        ({"token_use": None}, "not an access token"),
        ({"exp": None}, "exp is not a time"),
        ({"exp": "2999-01-01"}, "exp is not a time"),
        ({"exp": True}, "exp is not a time"),
        ({"exp": 1e300}, "exp is not a time"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"iat": 4_000_000_000}, "not valid yet"),
    ],
)
def test_claims_that_do_not_fit_are_refused(desk: Desk, changed: dict[str, Any], why: str) -> None:
    assert desk.refuses(desk.token(**changed), why)


def test_an_id_token_is_accepted_where_the_settings_say_so() -> None:
    desk = Desk(use="id")
    assert desk.verify(desk.token(token_use="id", aud=CLIENT, client_id=None))["sub"] == "user-1"
    assert desk.refuses(desk.token(), "not an id token")


def test_clocks_may_differ_a_little(desk: Desk) -> None:
    token = desk.token()
    desk.clock.advance(3600 + 59)
    assert desk.verify(token)
    desk.clock.advance(1)
    assert desk.refuses(token, "expired")
    now = int(desk.clock.now().timestamp())
    assert desk.verify(desk.token(nbf=now + 60))
    assert desk.refuses(desk.token(nbf=now + 61), "not valid yet")


@pytest.mark.parametrize(
    "token", ["", "x", "a.b", "a.b.c.d", "..", "ä.b.c", "e30.e30.e30", "W10.e30.AA", "a.b\n.c", "x" * 20_000]
)
def test_what_is_no_token_is_refused_without_asking_for_keys(desk: Desk, token: str) -> None:
    assert desk.refuses(token)
    assert desk.refuses("[" * 9_000)
    assert desk.fetches == 0


def test_a_changed_token_is_refused(desk: Desk) -> None:
    head, body, signature = desk.token().split(".")
    assert desk.refuses(f"{head}.{part(desk.claims(sub='admin'))}.{signature}", "signature")
    assert desk.refuses(f"{head}.{body}.{'A' * len(signature)}", "signature")
    assert desk.refuses(f"{head}.{body}.AA", "signature")


def test_a_new_key_is_fetched_when_a_token_names_it(desk: Desk) -> None:
    assert desk.verify(desk.token())
    desk.content = jwks(jwk(OTHER_RSA, "r2"))
    assert desk.refuses(desk.token(OTHER_RSA, kid="r2"), "not known")  # asked a moment ago
    desk.clock.advance(31)
    assert desk.verify(desk.token(OTHER_RSA, kid="r2"))
    assert desk.refuses(desk.token(), "not known")  # the old one is withdrawn
    assert desk.fetches == 2


def test_invented_keys_make_no_flood_of_fetches(desk: Desk) -> None:
    for number in range(50):
        assert desk.refuses(desk.token(OTHER_RSA, kid=f"k{number}"))
    assert desk.fetches == 1

    async def at_once() -> None:
        desk.clock.advance(31)
        tasks = [desk.verifier.verify(desk.token(kid=f"n{number}")) for number in range(50)]
        assert all(isinstance(it, TokenError) for it in await asyncio.gather(*tasks, return_exceptions=True))

    asyncio.run(at_once())
    assert desk.fetches == 2


def test_keys_are_used_for_a_day_while_they_can_not_be_fetched(desk: Desk) -> None:
    assert desk.verify(desk.token())
    desk.available = False
    desk.clock.advance(23 * 3600)
    assert desk.verify(desk.token())
    with pytest.raises(KeysUnavailableError):
        desk.verify(desk.token(kid="new"))
    desk.clock.advance(2 * 3600)
    with pytest.raises(KeysUnavailableError):
        desk.verify(desk.token())
    desk.available = True
    desk.clock.advance(31)
    assert desk.verify(desk.token())


def test_without_keys_nobody_is_refused_and_nobody_accepted(desk: Desk) -> None:
    desk.available = False
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            desk.verify(desk.token())
    assert desk.fetches == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"keys":1}', b'{"keys":[1,{"kid":"a"},{"kid":1,"kty":"RSA"}]}', b"\xff", b"[" * 100_000],
)
def test_odd_key_sets_have_no_keys(content: bytes) -> None:
    assert read_keys(content) == {}


def test_weak_and_other_keys_are_left_out() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    listed = [
        jwk(weak, "weak"),
        jwk(ec.generate_private_key(ec.SECP384R1()), "p384"),
        jwk(RSA, "encryption", use="enc"),
        jwk(RSA, "other", alg="RS512"),
        {"kty": "oct", "kid": "secret", "k": "AAAA"},
        {"kty": "RSA", "kid": "empty"},
        {"kty": ["RSA"], "kid": "odd"},
        jwk(RSA, "good", use="sig", alg="RS256"),
    ]
    assert list(read_keys(jwks(*listed))) == ["good"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"audience": ()}, "audience is empty"),
        ({"audience": ("",)}, "audience is empty"),
        ({"issuer": "http://issuer.example"}, "https"),
        ({"issuer": "http://localhost.evil.example"}, "https"),
        ({"issuer": "https://"}, "https"),
        ({"keys_url": "file:///etc/passwd"}, "https"),
        ({"leeway_s": 10_000}, "leeway_s"),
    ],
)
def test_settings_that_accept_too_much_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        TokenSettings(**{"issuer": ISSUER, "audience": (CLIENT,), **settings})


class Balancer:
    """A load balancer: its own kind of token."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.urls: list[str] = []
        self.content: bytes | None = PEM
        settings = BalancerSettings(signer=SIGNER, client_id=CLIENT, issuer=ISSUER)
        self.verifier = BalancerVerifier(settings, clock=self.clock, fetch=self.fetch)

    async def fetch(self, url: str) -> bytes | None:
        self.urls.append(url)
        return self.content

    def data(self, key: Any = EC, claims: Any = None, **changed: Any) -> str:
        now = int(self.clock.now().timestamp())
        header = {
            "alg": "ES256", "kid": KEY_ID, "signer": SIGNER, "iss": ISSUER, "client": CLIENT, "exp": now + 120
        }  # fmt: skip
        header.update(changed)
        padded = [
            base64.urlsafe_b64encode(json.dumps(it).encode()).decode()
            for it in (header, {"sub": "user-1", "email": "a@b.example"} if claims is None else claims)
        ]
        text = ".".join(padded)
        algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
        return f"{text}.{base64.urlsafe_b64encode(algorithm.sign(text.encode(), key)).decode()}"

    def verify(self, data: str) -> Any:
        return asyncio.run(self.verifier.verify(data))


def test_the_header_of_a_load_balancer_is_verified_with_its_padding() -> None:
    balancer = Balancer()
    data = balancer.data(claims={"sub": "u"})
    assert "=" in data
    assert balancer.verify(data) == {"sub": "u"}
    assert balancer.verify(balancer.data())["email"] == "a@b.example"
    assert balancer.urls == [f"https://public-keys.auth.elb.eu-west-1.amazonaws.com/{KEY_ID}"]


@pytest.mark.parametrize(
    "changed",
    [
        {"signer": SIGNER.replace("shop", "evil")},
        {"signer": None},
        {"client": "client-2"},
        {"iss": "https://evil.example"},
        {"alg": "RS256"},
        {"alg": "none"},
        {"kid": "../../../evil"},
        {"kid": f"{KEY_ID}?x"},
        {"kid": 1},
        {"exp": 1},
        {"exp": None},
    ],
)
def test_the_header_of_another_is_refused_without_asking_for_its_key(changed: dict[str, Any]) -> None:
    balancer = Balancer()
    with pytest.raises(TokenError):
        balancer.verify(balancer.data(**changed))
    assert balancer.urls == []


def test_a_forged_header_of_a_load_balancer_is_refused() -> None:
    balancer = Balancer()
    with pytest.raises(TokenError, match="signature"):
        balancer.verify(balancer.data(ec.generate_private_key(ec.SECP256R1())))


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"x",
        RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_a_key_that_can_not_be_had_refuses_nobody(content: bytes | None) -> None:
    balancer = Balancer()
    balancer.content = content
    with pytest.raises(KeysUnavailableError):
        balancer.verify(balancer.data())
    balancer.content = PEM
    assert balancer.verify(balancer.data())


@pytest.mark.parametrize(
    "signer", ["", "*", "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/x", SIGNER + "\n"]
)
def test_a_balancer_needs_its_arn(signer: str) -> None:
    with pytest.raises(ValueError, match="ARN"):
        BalancerSettings(signer=signer, client_id=CLIENT, issuer=ISSUER)


def test_keys_are_fetched_over_http_and_failures_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    from flagkit.channels.http import Answer, Http

    answers = [Answer(200, b"keys"), Answer(302, b""), Answer(200, b"x", fault="cut off"), Answer(fault="no route")]
    monkeypatch.setattr(Http, "request", lambda *_args, **_options: answers.pop(0))
    found = [asyncio.run(fetch_url("https://keys.example")) for _ in range(4)]
    assert found == [b"keys", None, None, None]
