"""How an OFREP server behaves; values only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flagkit.frameworks.awslambda import CLAIMS
from flagkit.web.asgi import BODY_LIMIT, BODY_TIMEOUT_S
from flagkit.web.token_settings import TokenSettings

_MIN_KEY_CHARS = 16
_LEAST = (("max_streams", 1), ("streams_per_address", 1), ("burst", 1), ("trusted_proxies", 0), ("body_limit", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfrepSettings:
    """How an OFREP server behaves.

    Attributes:
        origins: the sites whose pages may read the answers, such as `https://shop.example`; `*` for all. None is
            needed for pages of the server's own origin.
        api_keys: secrets that callers send as `Authorization: Bearer …` or `X-API-Key`; several, so that one can be
            replaced. Without keys and tokens everybody may ask.
        tokens: which tokens of signed-in users are accepted. The user is then the token's `sub`, whatever the body
            says.
        claims: which claims become context (`custom:tier` as `tier`, `cognito:groups` as `groups`); the body of a
            request with a token can't set these.
        visible: keys of flags that are visible to clients without a mark, for a source that delivers no descriptions
            (a FeatureFlags profile over `appconfig://` or `agent://`).
        streams: whether clients are notified of changes by server-sent events; otherwise they poll.
        stream_url: the URL of the streams, if it isn't on this server's own origin and path.
        stream_secret: what the address of the streams is signed with, the same in all processes; needed with `tokens`
            and without `api_keys`, because a browser sends no token with a stream.
        max_streams: how many clients can listen to this process at once.
        streams_per_address: how many of them can come from one address; None for no limit.
        heartbeat_s: seconds between two comments on a silent stream, so that proxies keep it open.
        rate_per_s: requests per second that one address may make over a longer time; None for no limit.
        burst: requests that one address may make at once.
        trusted_proxies: how many proxies of one's own each request has passed: the caller's address is then the last
            but so many of X-Forwarded-For.
        body_limit: bytes of a body at most.
        body_timeout_s: how long a body can take.
    """

    origins: Collection[str] = ()
    api_keys: Collection[str] = field(default=(), repr=False)
    tokens: TokenSettings | None = None
    claims: Collection[str] = CLAIMS
    visible: Collection[str] = ()
    streams: bool = True
    stream_url: str | None = None
    stream_secret: str | None = field(default=None, repr=False)
    max_streams: int = 1000
    streams_per_address: int | None = None
    heartbeat_s: float = 15.0
    rate_per_s: float | None = None
    burst: int = 100
    trusted_proxies: int = 0
    body_limit: int = BODY_LIMIT
    body_timeout_s: float = BODY_TIMEOUT_S

    def __post_init__(self) -> None:
        for name in ("origins", "api_keys", "claims", "visible"):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a list of strings, not one string")
        for origin in self.origins:
            _check_origin(origin)
        if self.stream_url is not None and not self.stream_url.startswith(("https://", "http://")):
            raise ValueError(f"stream_url must be a whole URL, not {self.stream_url[:80]!r}")
        self._check_secrets()
        for name, least in _LEAST:
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        for name in ("heartbeat_s", "body_timeout_s", "rate_per_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, not {value}")

    def _check_secrets(self) -> None:
        if any(len(key) < _MIN_KEY_CHARS or not key.isascii() or not key.isprintable() for key in self.api_keys):
            raise ValueError(f"an API key must have at least {_MIN_KEY_CHARS} printable ASCII characters")
        if any("*" in claim for claim in self.claims):
            raise ValueError("claims must be named one by one: a claim that a token lacks could come from the body")
        if self.tokens is not None:
            check_streams(self)


def check_streams(settings: OfrepSettings) -> None:
    """Refuse streams beside tokens that nobody signs.

    Raises:
        ValueError: there is no secret.
    """
    if settings.streams and not settings.api_keys and not settings.stream_secret:
        raise ValueError("stream_secret is missing: streams beside tokens need one, or are switched off")


def _check_origin(origin: str) -> None:
    if origin == "*":
        return
    parts = urlsplit(origin)
    plain = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc or plain != origin.lower():
        raise ValueError(f"{origin!r} is not an origin: write scheme, host and port only, as in https://shop.example")
