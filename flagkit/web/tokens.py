"""Verifies tokens of people who signed in elsewhere: OpenID Connect (Cognito) and load balancers. It grants nothing.

A token is text from outside. Nothing in it chooses where keys come from or how it is checked: `alg` must be one of two,
and must be the key's own kind; `jku`, `jwk` and `x5u` are not read. Times are compared with the caller's clock.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NoReturn

import jwt
from cachetools import LRUCache
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from flagkit.runtime.clock import Clock, SystemClock
from flagkit.web.token_settings import BalancerSettings, KeysUnavailableError, TokenError, TokenSettings

ALGORITHMS: Final = ("RS256", "ES256")
MAX_TOKEN_CHARS: Final = 16_384
MIN_RSA_BITS: Final = 2048

_KEYS_LIMIT_BYTES: Final = 262_144
_MOST_KEYS: Final = 100
_FETCH_TIMEOUT_S: Final = 5.0
_REFETCH_S: Final = 30.0
"""How long to wait between two fetches for a key that isn't known: a token can name any key."""
_FRESH_S: Final = 3600.0
_USABLE_S: Final = 24 * 3600.0
"""How long keys are used while the place that publishes them doesn't answer."""
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

Claims = Mapping[str, Any]
PublicKey = RSAPublicKey | EllipticCurvePublicKey
Fetch = Callable[[str], Awaitable[bytes | None]]
"""Returns what is at a URL; None if it can't be had."""


class TokenVerifier:
    """Verifies the tokens of one issuer; its keys are fetched when first needed, and again for a key that is new.

    Args:
        settings: which tokens are accepted.
        clock: the time; the machine's by default.
        fetch: fetches the keys; over HTTP by default.
    """

    def __init__(self, settings: TokenSettings, *, clock: Clock | None = None, fetch: Fetch | None = None) -> None:
        self._settings = settings
        self._clock: Clock = SystemClock() if clock is None else clock
        self._fetch: Fetch = fetch_url if fetch is None else fetch
        self._keys: Mapping[str, PublicKey] = {}
        self._keys_s: float | None = None
        self._asked_s: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def verify(self, token: str) -> Claims:
        """Return the claims of a token.

        Raises:
            TokenError: it is refused.
            KeysUnavailableError: its key can't be had.
        """
        header, payload = _parts(token)
        algorithm, key_id = header["alg"], header.get("kid")
        if not isinstance(key_id, str):
            _refuse("it names no key")
        key = await self._key(key_id)
        claims = _verified(token, key, algorithm, payload)
        settings = self._settings
        _check_times(claims, self._clock.now().timestamp(), settings.leeway_s)
        if claims.get("iss") != settings.issuer:
            _refuse("it is from another issuer")
        if settings.use is not None and claims.get("token_use") != settings.use:
            _refuse(f"it is not an {settings.use} token")
        if not _audiences(claims) & set(settings.audience):
            _refuse("it is for another audience")
        return claims

    async def _key(self, key_id: str) -> PublicKey:
        if key_id not in self._keys or self._older_than(_FRESH_S):
            await self._ask()
        if self._keys_s is None or self._older_than(_USABLE_S):
            raise KeysUnavailableError
        if key_id not in self._keys:
            if self._asked_s is not None and self._keys_s < self._asked_s:  # the last fetch failed
                raise KeysUnavailableError
            _refuse("its key is not known")
        return self._keys[key_id]

    def _older_than(self, seconds: float) -> bool:
        return self._keys_s is None or self._clock.monotonic() - self._keys_s > seconds

    async def _ask(self) -> None:
        """Fetch the keys, unless that was just tried; all who wait share one fetch."""
        task = self._fetching
        if task is None or task.done():
            now_s = self._clock.monotonic()
            if self._asked_s is not None and now_s - self._asked_s < _REFETCH_S:
                return
            self._asked_s = now_s
            task = self._fetching = asyncio.get_running_loop().create_task(self._load(now_s))
        if task.get_loop() is asyncio.get_running_loop():
            await asyncio.shield(task)

    async def _load(self, now_s: float) -> None:
        content = await self._fetch(self._settings.keys_url)
        keys = {} if content is None else read_keys(content)
        if keys:
            self._keys, self._keys_s = keys, now_s


class BalancerVerifier:
    """Verifies `x-amzn-oidc-data`, with which an Application Load Balancer says who signed in.

    Its token is not quite a JWT: ES256 only, its parts are padded, and expiry, issuer, client and signer are in its
    header. Each key has an address of its own.

    Args:
        settings: which load balancer is believed.
        clock: the time; the machine's by default.
        fetch: fetches a key; over HTTP by default.
    """

    def __init__(self, settings: BalancerSettings, *, clock: Clock | None = None, fetch: Fetch | None = None) -> None:
        self._settings = settings
        self._clock: Clock = SystemClock() if clock is None else clock
        self._fetch: Fetch = fetch_url if fetch is None else fetch
        self._keys: LRUCache[str, PublicKey] = LRUCache(32)

    async def verify(self, data: str) -> Claims:
        """Return the claims.

        Raises:
            TokenError: the header is refused.
            KeysUnavailableError: its key can't be had.
        """
        header, payload = _parts(data)
        settings = self._settings
        # Before a key is fetched: nobody else's tokens make this server ask for anything.
        if header["alg"] != "ES256":
            _refuse("its algorithm is not ES256")
        if header.get("signer") != settings.signer:
            _refuse("another load balancer signed it")
        if header.get("client") != settings.client_id:
            _refuse("it is for another client")
        if header.get("iss") != settings.issuer:
            _refuse("it is from another issuer")
        _check_times(header, self._clock.now().timestamp(), settings.leeway_s)
        key_id = header.get("kid")
        if not isinstance(key_id, str) or _KEY_ID.fullmatch(key_id) is None:
            _refuse("it names no key")
        return _verified(data, await self._key(key_id), "ES256", payload)

    async def _key(self, key_id: str) -> PublicKey:
        known = self._keys.get(key_id)
        if known is not None:
            return known
        url = f"https://public-keys.auth.elb.{self._settings.region}.amazonaws.com/{key_id}"
        content = await self._fetch(url)
        if content is None:
            raise KeysUnavailableError
        try:
            key = load_pem_public_key(content)
        except (ValueError, UnsupportedAlgorithm):
            raise KeysUnavailableError from None
        if not isinstance(key, EllipticCurvePublicKey):
            raise KeysUnavailableError
        self._keys[key_id] = key
        return key


async def fetch_url(url: str) -> bytes | None:
    """Return what is at a URL of the settings; None if it can't be had. Follows no redirect."""
    from flagkit.channels.http import Http  # httpx takes long to load

    answer = await asyncio.to_thread(Http().request, "GET", url, timeout_s=_FETCH_TIMEOUT_S, limit=_KEYS_LIMIT_BYTES)
    return answer.body if answer.status == 200 and not answer.fault else None


def read_keys(content: bytes) -> dict[str, PublicKey]:
    """Return the usable public keys of a JWKS by their id: RSA of 2,048 bits or more, and P-256."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    listed = document.get("keys") if isinstance(document, dict) else None
    found: dict[str, PublicKey] = {}
    for entry in (listed if isinstance(listed, list) else [])[:_MOST_KEYS]:
        if isinstance(entry, dict) and isinstance(entry.get("kid"), str) and entry.get("use", "sig") == "sig":
            key = _read_key(entry)
            if key is not None:
                found[entry["kid"]] = key
    return found


def _read_key(entry: dict[str, Any]) -> PublicKey | None:
    kind = entry.get("kty")
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(kind) if isinstance(kind, str) else None
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        key = (RSAAlgorithm if kind == "RSA" else ECAlgorithm).from_jwk(entry)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if isinstance(key, RSAPublicKey):
        return key if key.key_size >= MIN_RSA_BITS else None
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and payload, neither of them verified.

    Raises:
        TokenError: it isn't a token, or of a kind that is never accepted.
    """
    parts = token.split(".") if len(token) <= MAX_TOKEN_CHARS else []
    if len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts):
        _refuse("it is not a signed token")
    try:
        header, payload = (json.loads(_decoded(part)) for part in parts[:2])
    except (ValueError, RecursionError, binascii.Error):
        _refuse("it is not a signed token")
    if not isinstance(header, dict) or not isinstance(payload, dict):
        _refuse("it is not a signed token")
    if header.get("alg") not in ALGORITHMS or "crit" in header or "b64" in header:
        _refuse("its algorithm is not accepted")
    return header, payload


def _verified(token: str, key: PublicKey, algorithm: str, payload: dict[str, Any]) -> Claims:
    if isinstance(key, RSAPublicKey) != (algorithm == "RS256"):
        _refuse("its algorithm is not its key's")
    signed, _, signature = token.rpartition(".")
    verifier = RSAAlgorithm(RSAAlgorithm.SHA256) if algorithm == "RS256" else ECAlgorithm(ECAlgorithm.SHA256)
    if not verifier.verify(signed.encode("ascii"), key, _decoded(signature)):  # type: ignore[arg-type]
        _refuse("its signature is wrong")
    return payload


def _decoded(part: str) -> bytes:
    bare = part.rstrip("=")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def _check_times(claims: Claims, now_s: float, leeway_s: int) -> None:
    times = {name: claims.get(name) for name in ("exp", "nbf", "iat")}
    for name, value in times.items():
        if value is None and name != "exp":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
            _refuse(f"its {name} is not a time")
        if name == "exp":
            if value + leeway_s <= now_s:
                _refuse("it has expired")
        elif value - leeway_s > now_s:
            _refuse("it is not valid yet")


def _audiences(claims: Claims) -> set[str]:
    audience = claims.get("aud", claims.get("client_id"))
    found = audience if isinstance(audience, list) else [audience]
    return {name for name in found if isinstance(name, str)}


def _refuse(why: str) -> NoReturn:
    raise TokenError(f"The token is refused: {why}.")
