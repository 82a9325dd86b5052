"""The panel in the console, over HTTP without sockets, against the stand-in at virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from canary import runner
from canary.assembly import assemble, load_plan
from canary.console import ReleasesSettings, panel
from canary.core.events import Origin
from canary.core.state import CanaryState
from canary.runner import Ports
from canary.testing import AwsStandIn
from flagkit.console import ConsoleSettings, FixedSignIn, Identity, Role, create_app

PLAN = """\
[stages.staging]
functions = ["api:live"]
steps = [20, 50]
bake = "5m"
hold_max = "5m"

[stages.staging.rules]
clean_tree = false

[stages.prod]
functions = ["shop:live"]
rules = { confirm = true, clean_tree = false }
"""


@dataclass
class Desk:
    """A person with a browser, and AWS behind it."""

    aws: AwsStandIn
    base: Path
    client: TestClient
    releases: int = 0
    headers: dict[str, str] = field(default_factory=lambda: {"sec-fetch-site": "same-origin"})

    def get(self, path: str, *, part: bool = False) -> httpx.Response:
        headers = {**self.headers, **({"hx-request": "true"} if part else {})}
        return self.client.get(f"/releases{path}", headers=headers, follow_redirects=False)

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.client.post(f"/releases{path}", data=fields, headers=self.headers, follow_redirects=False)

    def ports(self, stage: str = "staging") -> Ports:
        plan = load_plan(self.base / "canary.toml")
        origin = Origin(commit="abc", started_by="ci")
        return assemble(plan, stage, base=self.base, session=self.aws.session(), clock=self.aws.clock, origin=origin)

    def start(self, minutes: float = 0.5, stage: str = "staging") -> CanaryState:
        """A canary in progress, driven for some minutes."""
        ports = self.ports(stage)
        plan = load_plan(self.base / "canary.toml").stage(stage)
        state = runner.start(plan, ports)
        until = self.aws.clock.now().timestamp() + minutes * 60
        while self.aws.clock.now().timestamp() < until:
            state = runner.tick(plan, ports, state).state
            self.aws.clock.advance(30)
        return state

    def release(self, failing_percent: int, function: str = "api") -> str:
        """Publishes a version that fails so many percent of its requests."""
        self.releases += 1
        source = f"""
            import random  # release {self.releases}

            draw = random.Random(1)

            def handler(event, context):
                if draw.random() * 100 < {failing_percent}:
                    raise RuntimeError("no")
                return {{"statusCode": 200}}
        """
        return self.aws.lambda_.deploy(function, source, alias="live")

    def alias(self, function: str = "api") -> tuple[str, dict[str, float]]:
        client: Any = self.aws.session().client("lambda")
        answer = client.get_alias(FunctionName=function, Name="live")
        return answer["FunctionVersion"], answer.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    with AwsStandIn(seed=3) as aws:

        def make(plan: str = PLAN, role: Role = Role.ADMIN, **settings: Any) -> Desk:
            (tmp_path / "canary.toml").write_text(plan)
            (tmp_path / "flags.json").write_text('{"version": "1", "flags": {}, "values": {}}')
            made = ReleasesSettings(
                plan=tmp_path / "canary.toml",
                base=tmp_path,
                clock=aws.clock,
                sessions=lambda stage: aws.session(),
                **settings,
            )
            flags = ConsoleSettings(
                sources=(f"staging=file:{tmp_path / 'flags.json'}",),
                sign_in=FixedSignIn(Identity("amira", {"*": role})),
                audit_file=tmp_path / "audit.log",
            )
            app = create_app(flags, panels=[panel(made)])
            desk = Desk(aws, tmp_path, TestClient(app, base_url="http://127.0.0.1"))
            desk.release(0)
            desk.release(0, "shop")
            aws.traffic.steady("api", "live", requests_per_minute=60)
            aws.clock.advance(60)
            return desk

        yield make


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()
