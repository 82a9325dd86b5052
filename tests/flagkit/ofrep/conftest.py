"""A server over a document in memory, asked without sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from flagkit import Flags
from flagkit.ofrep import OfrepApp, OfrepSettings, create_app
from flagkit.sources.base import Document, content_version
from flagkit.testing import ScriptedSource, VirtualClock

BULK = "/ofrep/v1/evaluate/flags"
VISIBLE = "[flagkit client-visible]"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def on(key: str, rule: str | None = None, **values: object) -> dict[str, Any]:
    variant: dict[str, Any] = {"name": key, "enabled": True}
    if values:
        variant["attributeValues"] = values
    return variant if rule is None else {**variant, "rule": rule}


OFF = {"name": "off", "enabled": False}
VALUES: dict[str, Any] = {
    "plain": {"enabled": True},
    "secret": {"enabled": True, "value": "internal"},
    "beta": {"_variants": [on("on", '(split pct::50 by::$userId seed::"beta")'), OFF]},
    "region": {"_variants": [on("us", '(eq $country "US")'), OFF]},
    "colour": {
        "_variants": [
            on("red", '(split pct::40 by::$userId seed::"colour")', value="#f00", dark=True),
            on("blue", None, value="#00f"),
        ]
    },
    "ratio": {"_variants": [on("whole", '(eq $country "US")', value=1), on("half", None, value=0.5)]},
    "limit": {"enabled": True, "value": 10, "unit": "items", "list": ["a"]},
    "layout": {"enabled": True, "value": {"columns": [1, {"wide": None}]}},
    "message": {"enabled": False, "value": "hello"},
    "broken": {"_variants": [on("us", '(eq $country "US"'), OFF]},
    "stopped": {
        "_variants": [
            {"name": "switched off", "enabled": False, "rule": '(or (exists key::"x") (not (exists key::"x")))'},
            on("on", '(split pct::50 by::$userId seed::"stopped")'),
            OFF,
        ]
    },
}


def document(values: Mapping[str, Any] = VALUES, hidden: tuple[str, ...] = ("secret",)) -> bytes:
    flags = {key: {"name": key, "description": "" if key in hidden else VISIBLE} for key in values}
    return json.dumps({"version": "1", "flags": flags, "values": values}).encode()


def delivered(content: bytes) -> Document:
    return Document(content, content_version(content))


@dataclass
class Server:
    app: Any
    flags: Flags
    source: ScriptedSource
    clock: VirtualClock
    headers: dict[str, str] = field(default_factory=dict)

    def deploy(self, content: bytes) -> None:
        """Makes another document current."""
        self.source.script.append(delivered(content))
        assert self.flags.refresh()

    def ask(
        self,
        path: str = BULK,
        body: object = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        **scope: Any,
    ) -> Answer:
        """One request; the body is a context, or raw bytes."""
        content = body if isinstance(body, bytes) else json.dumps({"context": {} if body is None else body}).encode()
        return asyncio.run(ask(self.app, method, path, content, {**self.headers, **(headers or {})}, **scope))

    def flag(self, key: str, **context: object) -> Answer:
        return self.ask(f"{BULK}/{key}", context)

    def all(self, **context: object) -> dict[str, Any]:
        return {flag["key"]: flag for flag in self.ask(BULK, context).json["flags"]}


async def ask(app: Any, method: str, path: str, body: bytes, headers: Mapping[str, str], **extra: Any) -> Answer:
    sent: list[dict[str, Any]] = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]
    url, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": url,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("192.0.2.1", 1234),
        **extra,
    }

    async def receive() -> dict[str, Any]:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    return Answer(
        start["status"],
        {name.decode(): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


@pytest.fixture
def serve() -> Any:
    """Creates servers."""
    opened: list[Flags] = []

    def create(content: bytes | None = None, *, verifier: Any = None, **settings: Any) -> Server:
        clock = VirtualClock()
        source = ScriptedSource(delivered(document() if content is None else content))
        flags = Flags(source, clock=clock)
        opened.append(flags)
        app: OfrepApp = create_app(flags, OfrepSettings(**settings), verifier=verifier)
        return Server(app, flags, source, clock)

    yield create
    for flags in opened:
        flags.close()


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    """A server with the flags of VALUES."""
    return serve()
