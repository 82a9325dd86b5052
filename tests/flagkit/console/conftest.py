"""A console on files, or on the AppConfig stand-in, and a browser without JavaScript."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from flagkit.console import ConsoleSettings, FixedSignIn, Identity, Role, create_app
from flagkit.testing import AppConfigFlags, AwsStandIn, VirtualClock

DOCUMENT: dict[str, Any] = {
    "version": "1",
    "flags": {
        "new_flow": {
            "name": "New flow",
            "description": "One page instead of four [flagkit owner: payments; tags: q3]",
        },
        "button": {
            "name": "Button",
            "attributes": {
                "color": {"constraints": {"type": "string", "enum": ["red", "blue"]}},
                "size": {"constraints": {"type": "number", "maximum": 9}},
            },
        },
        "plain": {"name": "Plain"},
    },
    "values": {
        "new_flow": {
            "_variants": [
                {
                    "name": "on",
                    "enabled": True,
                    "rule": '(and (eq $country "US") (split pct::25 by::$userId seed::"new_flow"))',
                },
                {"name": "off", "enabled": False},
            ]
        },
        "button": {"enabled": True, "color": "red", "size": 3},
        "plain": {"enabled": False},
    },
}


EVERYBODY = FixedSignIn(Identity("alice", {"*": Role.ADMIN}))


class ByHeader:
    """Signs in whom the header X-Person names, with what roles."""

    sign_out = None

    async def identify(self, connection: HTTPConnection) -> Identity | None:
        name, _, role = connection.headers.get("x-person", "").partition(" ")
        return Identity(name, {"*": Role(role)}, f"id-{name}") if role else None

    async def ask(self, request: Request) -> Response:
        return PlainTextResponse("sign in", 401)

    def routes(self) -> Sequence[Route]:
        return []


def browser(settings: ConsoleSettings) -> TestClient:
    """A browser on a console of its own, which says where its requests come from."""
    return TestClient(create_app(settings), base_url="http://127.0.0.1", headers={"Sec-Fetch-Site": "same-origin"})


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def console(tmp_path: Path, clock: VirtualClock) -> Iterator[Callable[..., TestClient]]:
    """Open a console on files with these documents, one for each environment."""
    opened: list[TestClient] = []

    def open_console(**documents: Any) -> TestClient:
        sources = []
        for name, document in (documents or {"flags": DOCUMENT}).items():
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(document))
            sources.append(f"{name}=file:{path}")
        client = browser(ConsoleSettings(tuple(sources), clock=clock, sign_in=EVERYBODY))
        opened.append(client)
        return client

    yield open_console
    for client in opened:
        client.close()


class Person:
    """Somebody with a browser: reads a page, fills in a form, confirms what the preview shows."""

    def __init__(self, client: TestClient, environment: str) -> None:
        self.client, self.environment = client, environment

    def page(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def base(self, key: str) -> str:
        """The version that the page of a flag shows, as its forms keep it."""
        page = self.page(f"/e/{self.environment}/flags/{key}")
        found = re.search(r'name="base" value="([^"]+)"', page)
        assert found is not None
        return found[1]

    def ask(self, action: str, key: str, status: int = 200, base: str | None = None, **fields: Any) -> str:
        """Send a form and return the page that follows: a preview, or what is wrong."""
        base = self.base(key) if base is None else base
        answer = self.client.post(
            f"/e/{self.environment}/change", data={"action": action, "key": key, "base": base, **fields}
        )
        assert answer.status_code == status, answer.text
        return answer.text

    def confirm(self, preview: str, status: int = 303, **fields: Any) -> Any:
        """Send the form of a preview."""
        form = next(form for form in re.findall(r"<form.*?</form>", preview, re.DOTALL) if 'name="edit_id"' in form)
        data = hidden(form)
        data |= {"step": "save", "reason": "because", "confirm": self.environment, **fields}
        answer = self.client.post(f"/e/{self.environment}/change", data=data, follow_redirects=False)
        assert answer.status_code == status, answer.text
        return answer

    def change(self, action: str, key: str, **fields: Any) -> str:
        """Make a change, and return the page that follows."""
        preview = self.ask(action, key, **fields)
        assert "What changes" in preview, preview
        return self.page(self.confirm(preview).headers["location"])


def hidden(form: str) -> dict[str, Any]:
    """The hidden fields of a form."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form):
        found.setdefault(html.unescape(name), []).append(html.unescape(value))
    return dict(found)


@pytest.fixture
def person(console: Callable[..., TestClient]) -> Person:
    """Somebody in `dev`, beside `prod`."""
    return Person(console(dev=DOCUMENT, prod=DOCUMENT), "dev")


@pytest.fixture
def aws_person() -> Iterator[tuple[Person, AwsStandIn]]:
    """Somebody in an environment of AppConfig, with flagkit's own strategies."""
    with AwsStandIn() as aws:
        profile = AppConfigFlags(aws.session(), environment="test")
        for name, bake in (("flagkit-immediate", 0), ("flagkit-guarded", 10)):
            profile.client.create_deployment_strategy(
                Name=name,
                DeploymentDurationInMinutes=0,
                GrowthFactor=100,
                FinalBakeTimeInMinutes=bake,
                ReplicateTo="NONE",
            )
        profile.deploy(DOCUMENT)
        aws.clock.advance(700)
        settings = ConsoleSettings((profile.url,), session=aws.session(), clock=aws.clock, sign_in=EVERYBODY)
        with browser(settings) as client:
            yield Person(client, "test"), aws
