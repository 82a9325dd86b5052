"""Tokens of a load balancer or a gateway say who somebody is; forged, expired and foreign ones say nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.testclient import TestClient

from flagkit.console import ConsoleSettings, Role, configured
from flagkit.console.identity import Grant
from flagkit.console.token_sign_in import TokenSignIn
from flagkit.errors import UsageError
from flagkit.testing import VirtualClock
from flagkit.web.token_settings import BalancerSettings, TokenSettings
from flagkit.web.tokens import BalancerVerifier, TokenVerifier
from tests.flagkit.console.conftest import DOCUMENT, browser

OURS, THEIRS = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
PUBLIC = OURS.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ISSUER, CLIENT = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1", "client-1"
SIGNER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/console/50dc6c495c0c9188"
KEY_ID = "0e9c1b8a-1234-4abc-9def-0123456789ab"
CLOCK = VirtualClock()
NOW = int(CLOCK.now().timestamp())
GRANTS = [Grant(Role.VIEWER), Grant(Role.TOGGLER, "product", "staging"), Grant(Role.APPROVER, "leads")]
PERSON = {"sub": "s-1", "email": "alice@example.com", "email_verified": "true"}
CLAIMS = {
    **PERSON,
    "iss": ISSUER,
    "client_id": CLIENT,
    "token_use": "access",
    "exp": NOW + 60,
    "cognito:groups": ["product"],
}
HEADER = {"kid": "k1"}
BALANCER = {"kid": KEY_ID, "signer": SIGNER, "client": CLIENT, "iss": ISSUER, "exp": NOW + 60}


def signed(
    claims: Mapping[str, Any], header: Mapping[str, Any], key: Any = OURS, algorithm: str | None = "ES256"
) -> str:
    return jwt.encode(dict(claims), key, algorithm, headers=dict(header))


def parts(header: Mapping[str, Any], claims: Mapping[str, Any], signature: str = "") -> str:
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    return ".".join([*encoded, signature])


ASKED: list[str] = []


async def keys(url: str) -> bytes | None:
    """What the issuer publishes."""
    ASKED.append(url)
    numbers = OURS.public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(it.to_bytes(32, "big")).decode().rstrip("=") for it in (numbers.x, numbers.y))
    return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y}]}).encode()


async def balancer_key(url: str) -> bytes | None:
    ASKED.append(url)
    return PUBLIC


async def silence(url: str) -> bytes | None:
    ASKED.append(url)
    return None


def verifier(fetch: Any = keys) -> TokenVerifier:
    return TokenVerifier(TokenSettings(issuer=ISSUER, audience=(CLIENT,)), clock=CLOCK, fetch=fetch)


Open = Callable[[TokenSignIn], TestClient]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Open a console of two environments with a sign-in."""
    (tmp_path / "flags.json").write_text(json.dumps(DOCUMENT))
    sources = tuple(f"{name}=file:{tmp_path}/flags.json" for name in ("staging", "prod"))
    return lambda sign_in: browser(ConsoleSettings(sources, sign_in=sign_in, clock=CLOCK))


def by_token(fetch: Any = keys) -> TokenSignIn:
    return TokenSignIn("authorization", verifier(fetch), GRANTS)


def by_balancer(**more: Any) -> TokenSignIn:
    settings = BalancerSettings(signer=SIGNER, client_id=CLIENT, issuer=ISSUER)
    own = BalancerVerifier(settings, clock=CLOCK, fetch=balancer_key)
    return TokenSignIn("x-amzn-oidc-data", own, GRANTS, **more)


GOOD = signed(CLAIMS, HEADER)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([("Authorization", f"Bearer {GOOD}")], "alice@example.com"),
        ([("Authorization", f"bearer {signed({**CLAIMS, 'email_verified': False}, HEADER)}")], "s-1"),
        ([("Authorization", f"Bearer {signed({**CLAIMS, 'email': ['x']}, HEADER)}")], "s-1"),
        ([("Authorization", f"Bearer {signed({**CLAIMS, 'sub': ''}, HEADER)}")], None),
        ([("Authorization", f"Bearer {GOOD}"), ("Authorization", f"Bearer {GOOD}")], None),
        ([("Authorization", f"Basic {GOOD}")], None),
        ([("Authorization", GOOD)], None),
        ([("X-Amzn-Oidc-Data", GOOD)], None),
        ([("X-Amzn-Oidc-Identity", "alice@example.com")], None),
        ([("Cookie", f"flagkit-console-80={GOOD}")], None),
        ([], None),
    ],
)
def test_one_verified_token_says_who_it_is(opened: Open, headers: list[tuple[str, str]], name: str | None) -> None:
    answer = opened(by_token()).get("/", headers=headers)
    assert answer.status_code == (401 if name is None else 200)
    assert name is None or f"Signed in: {name}" in answer.text


ATTACKS = {
    "forged": signed(CLAIMS, HEADER, THEIRS),
    "expired": signed({**CLAIMS, "exp": NOW - 600}, HEADER),
    "no expiry": signed({name: claim for name, claim in CLAIMS.items() if name != "exp"}, HEADER),
    "not yet": signed({**CLAIMS, "nbf": NOW + 600}, HEADER),
    "another audience": signed({**CLAIMS, "client_id": "client-2"}, HEADER),
    "audience beside": signed({**CLAIMS, "aud": "client-2"}, HEADER),
    "another issuer": signed({**CLAIMS, "iss": ISSUER + "/"}, HEADER),
    "an id token": signed({**CLAIMS, "token_use": "id"}, HEADER),
    "alg none": parts({"alg": "none", **HEADER}, CLAIMS),
    "alg None": parts({"alg": "NoNe", **HEADER}, CLAIMS, "x"),
    "HS256 with the public key": parts({"alg": "HS256", **HEADER}, CLAIMS, "c2lnbmVk"),
    "RS256 for an EC key": parts({"alg": "RS256", **HEADER}, CLAIMS, "c2lnbmVk"),
    "unknown key": signed(CLAIMS, {"kid": "k2"}, THEIRS),
    "path as key": signed(CLAIMS, {"kid": "../../../etc/passwd"}, THEIRS),
    "address as key": signed(CLAIMS, {"kid": "https://evil.example/jwks"}, THEIRS),
    "jku": signed(CLAIMS, {**HEADER, "jku": "https://evil.example/jwks"}, THEIRS),
    "jwk": signed(CLAIMS, {**HEADER, "jwk": {"kty": "EC"}}, THEIRS),
    "crit": signed(CLAIMS, {**HEADER, "crit": ["b64"]}),
    "changed": GOOD.replace(GOOD.split(".")[1], parts({}, {**CLAIMS, "cognito:groups": ["leads"]}).split(".")[1]),
    "no signature": GOOD.rpartition(".")[0] + ".",
    "huge": GOOD + "A" * 20_000,
    "deep": parts({"alg": "ES256", **HEADER}, {}).replace("e30", base64.urlsafe_b64encode(b"[" * 9_000).decode()),
    "empty": "",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_not_a_token_of_ours_signs_nobody_in(opened: Open, attack: str) -> None:
    ASKED.clear()
    answer = opened(by_token()).get("/", headers={"Authorization": f"Bearer {ATTACKS[attack]}"})
    assert answer.status_code in {401, 503}
    assert "alice" not in answer.text
    assert set(ASKED) <= {f"{ISSUER}/.well-known/jwks.json"}


BALANCER_ATTACKS = {
    "a client's own header": signed(PERSON, BALANCER, THEIRS),
    "another balancer": signed(PERSON, {**BALANCER, "signer": SIGNER.replace("console", "mine")}),
    "no signer": signed(PERSON, {name: it for name, it in BALANCER.items() if name != "signer"}),
    "another client": signed(PERSON, {**BALANCER, "client": "client-2"}),
    "expired": signed(PERSON, {**BALANCER, "exp": NOW - 600}),
    "path as key": signed(PERSON, {**BALANCER, "kid": f"../{KEY_ID}"}),
    "address as key": signed(PERSON, {**BALANCER, "kid": f"@evil.example/{KEY_ID}"}),
    "alg none": parts({"alg": "none", **BALANCER}, PERSON),
    "plain": json.dumps(PERSON),
}


@pytest.mark.parametrize("attack", BALANCER_ATTACKS)
def test_a_load_balancers_header_counts_only_with_its_signature(opened: Open, attack: str) -> None:
    ASKED.clear()
    answer = opened(by_balancer()).get("/", headers={"X-Amzn-Oidc-Data": BALANCER_ATTACKS[attack]})
    assert answer.status_code == 401
    assert set(ASKED) <= {f"https://public-keys.auth.elb.eu-west-1.amazonaws.com/{KEY_ID}"}


ACCESS = {"groups": GOOD, "another person": signed({**CLAIMS, "sub": "s-2"}, HEADER), "forged": ATTACKS["forged"]}


@pytest.mark.parametrize(("access", "status"), [("groups", 200), ("another person", 401), ("forged", 401), ("", 401)])
def test_groups_come_from_the_same_persons_access_token(opened: Open, access: str, status: int) -> None:
    client = opened(by_balancer(groups_verifier=verifier()))
    headers = {"X-Amzn-Oidc-Data": signed(PERSON, BALANCER)}
    headers |= {"X-Amzn-Oidc-Accesstoken": ACCESS[access]} if access else {}
    assert client.get("/", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("groups", "staging"),
    [
        (["product"], True),
        ("a, product b", True),
        (["Product"], False),
        (["admin", "*"], False),
        (7, False),
        (None, False),
    ],
)
def test_groups_give_the_role_and_form_fields_do_not(opened: Open, groups: Any, staging: bool) -> None:
    client = opened(by_token())
    headers = {"Authorization": f"Bearer {signed({**CLAIMS, 'cognito:groups': groups}, HEADER)}", "X-Role": "admin"}
    fields = {"role": "admin", "groups": "leads", "environment": "staging"}
    for name, may in (("staging", staging), ("prod", False)):
        answer = client.post(f"/e/{name}/proposals/x/withdraw?role=admin", data=fields, headers=headers)
        assert answer.status_code == (404 if may else 403)


def test_keys_that_cannot_be_had_are_neither_yes_nor_no(opened: Open) -> None:
    client = opened(by_token(silence))
    answer = client.post(
        "/e/prod/proposals/x/approve", data={"reason": "a b"}, headers={"Authorization": f"Bearer {GOOD}"}
    )
    assert answer.status_code == 503
    assert "can&#39;t be checked" in answer.text or "can't be checked" in answer.text
    assert 'name="reason" value="a b"' in answer.text


# flagkit.toml

BASE = f"""
[console]
hosts = ["flags.example.com"]
audit_file = "-"
trusted_proxies = 1

[console.sign_in]
issuer = "{ISSUER}"
%s

[[console.roles]]
group = "product"
role = "toggler"
environments = "staging*"
"""
ALB = f'kind = "alb"\nsigner = "{SIGNER}"\nclient_id = "{CLIENT}"\ngroups_from = "access_token"'


def read(folder: Path, text: str) -> ConsoleSettings:
    (folder / "flagkit.toml").write_text(text)
    return configured(ConsoleSettings((f"prod=file:{folder}/flags.json",), clock=CLOCK), environment={})


@pytest.mark.parametrize("sign_in", [ALB, f'kind = "token"\naudience = ["{CLIENT}"]\nuse = "id"'])
def test_settings_come_from_the_file(tmp_path: Path, sign_in: str) -> None:
    settings = read(tmp_path, BASE % sign_in)
    assert isinstance(settings.sign_in, TokenSignIn)
    assert settings.hosts[-1] == "flags.example.com"
    assert (settings.audit_file, settings.trusted_proxies) == (Path("-"), 1)


@pytest.mark.parametrize(
    "source", ["appconfig://a/b/c?region=eu-west-1", "prod=appconfig://a/b/c?region=x", "flags.json"]
)
def test_the_file_of_any_first_source_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flagkit.toml").write_text(BASE % ALB)
    assert configured(ConsoleSettings((source,), clock=CLOCK), environment={}).sign_in is not None


def test_without_a_table_settings_stay(tmp_path: Path) -> None:
    assert read(tmp_path, "").sign_in is None
    assert read(tmp_path, '[console]\nhosts = ["a"]\n').sign_in is None
    assert configured(ConsoleSettings(("file:x.json",)), environment={"FLAGKIT_CONFIG": ""}).sign_in is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BASE % ALB.replace(SIGNER, "arn:aws:s3:::x"), "must be the ARN of an Application Load Balancer"),
        (BASE % 'kind = "token"\naudience = []', "audience"),
        (BASE % 'kind = "saml"', "kind"),
        ((BASE % ALB).partition("[[console.roles]]")[0], "nobody has a role"),
        ('[[console.roles]]\ngroup = "a"\nrole = "admin"\n', "roles need"),
        ((BASE % ALB).replace('"toggler"', '"root"'), "role"),
        ('[console]\nhosts = ["*"]\n', "hosts"),
    ],
)
def test_settings_that_are_not_valid_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read(tmp_path, text)
