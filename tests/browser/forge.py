"""CivicForge on the sandbox with a flag profile for each environment, and a console that knows three people."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from canary.sandbox import civicforge
from canary.sandbox.program import Running, run
from canary.sandbox.scenario import Scenario
from flagkit.console import ConsoleSettings, Identity, Role, create_app
from tests.browser.conftest import Person
from tests.browser.serving import Served
from tests.canary.sandbox.test_program import options

ENVIRONMENTS = ("dev", "staging", "prod")
DEV, STAGING, PROD = SOURCES = tuple(f"appconfig://civicforge/{name}/flags-{name}" for name in ENVIRONMENTS)
APPROVALS = f'[[approvals]]\nsource = "{PROD}"\n'
PEOPLE = {
    "maria": Identity("Maria", {"*": Role.TOGGLER}),
    "ben": Identity("Ben", {"*": Role.APPROVER}),
    "ada": Identity("Ada", {"*": Role.ADMIN}),
}


class ByCookie:
    """A sign-in for tests: the cookie says who it is."""

    sign_out = None

    async def identify(self, connection: HTTPConnection) -> Identity | None:
        return PEOPLE.get(connection.cookies.get("person", ""))

    async def ask(self, request: Request) -> Response:
        return PlainTextResponse("nobody is signed in", 401)

    def routes(self) -> Sequence[Route]:
        return ()


@contextmanager
def forge(folder: Path, speed: float = 600.0) -> Iterator[Running]:
    """AWS on this machine with the flags of CivicForge in three environments, and this process pointed to it.

    At the speed of 600 a minute takes a tenth of a second.
    """
    with (
        pytest.MonkeyPatch.context() as patch,
        run(options(folder, speed=speed, scenario=Scenario(base="empty"))) as running,
    ):
        for name, value in running.info["environ"].items():
            patch.setenv(name, value)
        patch.chdir(folder)
        _build()
        yield running


def console(**settings: Any) -> Served:
    """The console over the three environments."""
    served = Served()
    served.app = create_app(
        ConsoleSettings(SOURCES, title="CivicForge", sign_in=ByCookie(), base_url=served.url, **settings)
    )
    return served


def at_work(person: Person, url: str, name: str = "ada") -> Any:
    """A new tab of somebody who is signed in."""
    host = url.removeprefix("http://").split("/")[0].split(":")[0]
    person.context.add_cookies([{"name": "person", "value": name, "domain": host, "path": "/"}])
    return person.open(url)


def save(page: Any, environment: str, reason: str = "because") -> None:
    """Confirms what a preview shows."""
    page.get_by_label("Reason").fill(reason)
    confirm = page.get_by_label("Type its name to confirm")
    if confirm.count():
        confirm.fill(environment)
    page.get_by_role("button", name=f"Save in {environment}").click()
    page.get_by_role("status").filter(has_text="is saved").wait_for()


def live_of(environment: str) -> dict[str, Any]:
    """The document that clients get now."""
    data: Any = boto3.client("appconfigdata")
    token = data.start_configuration_session(
        ApplicationIdentifier=civicforge.APPLICATION,
        EnvironmentIdentifier=environment,
        ConfigurationProfileIdentifier=f"flags-{environment}",
    )["InitialConfigurationToken"]
    document: dict[str, Any] = json.loads(
        data.get_latest_configuration(ConfigurationToken=token)["Configuration"].read()
    )
    return document


def _build() -> None:
    flags = copy.deepcopy(civicforge.FLAGS)
    for key in ("new_attestation_flow", "maintenance_mode", "quest_button"):
        text = flags["flags"][key].get("description", "Read by the web page")
        flags["flags"][key]["description"] = f"{text} [flagkit owner: web; client-visible]"
    client: Any = boto3.client("appconfig")
    application = client.create_application(Name=civicforge.APPLICATION)["Id"]
    for name in ENVIRONMENTS:
        environment = client.create_environment(ApplicationId=application, Name=name)["Id"]
        profile = client.create_configuration_profile(
            ApplicationId=application, Name=f"flags-{name}", LocationUri="hosted", Type="AWS.Freeform"
        )["Id"]
        client.create_hosted_configuration_version(
            ApplicationId=application,
            ConfigurationProfileId=profile,
            Content=json.dumps(flags).encode(),
            ContentType="application/json",
        )
        client.start_deployment(
            ApplicationId=application,
            EnvironmentId=environment,
            ConfigurationProfileId=profile,
            ConfigurationVersion="1",
            DeploymentStrategyId="AppConfig.AllAtOnce",
        )
