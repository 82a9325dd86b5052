"""A terminal on a file and on the AppConfig stand-in: the same words for both."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from flagkit.cli import run
from flagkit.cli.context import CliContext
from flagkit.testing import AppConfigFlags, AwsStandIn, VirtualClock

DOCUMENT: dict[str, Any] = {
    "version": "1",
    "flags": {
        "new_flow": {"name": "New flow", "description": "One page instead of four"},
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


@dataclass
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Terminal:
    """Runs commands in process; `answers` are what a person types, none: nobody is there."""

    cli: CliContext
    source: str
    file: Path | None = None
    aws: AwsStandIn | None = None
    profile: AppConfigFlags | None = None
    asked: list[str] = field(default_factory=list)

    def __call__(self, *words: str, answers: list[str] | None = None) -> Done:
        left = list(answers or ())

        def ask(question: str) -> str:
            self.asked.append(question)
            return left.pop(0)

        cli = self.cli if answers is None else replace(self.cli, ask=ask)
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(words, cli)
        return Done(code, out.getvalue(), err.getvalue())

    def good(self, *words: str, answers: list[str] | None = None) -> Done:
        done = self(*words, answers=answers)
        assert done.code == 0, done
        return done

    def flag(self, key: str) -> Any:
        """What is saved about a flag, but not when."""
        found = self.good("show", key, "--saved", "--json").json
        return {name: value for name, value in found.items() if not name.startswith("last_")}

    def saved(self) -> Any:
        """Everything that is saved, as bytes and number of versions."""
        if self.file is not None:
            history = self.file.with_name(self.file.name + ".history.jsonl")
            return self.file.read_bytes(), history.read_bytes() if history.exists() else b""
        assert self.profile is not None
        listed = self.profile.client.list_hosted_configuration_versions(
            ApplicationId=self.profile.application_id, ConfigurationProfileId=self.profile.profile_id
        )
        deployments = self.profile.client.list_deployments(
            ApplicationId=self.profile.application_id, EnvironmentId=self.profile.environment_id
        )
        return len(listed["Items"]), len(deployments["Items"])


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FLAGKIT_SOURCE", "FLAGKIT_CONFIG", "FLAGKIT_PROTECTED", "FLAGKIT_TRACEBACK", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def on_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(DOCUMENT, indent=2))
    monkeypatch.setenv("FLAGKIT_SOURCE", str(path))
    return Terminal(CliContext(VirtualClock()), str(path), file=path)


def appconfig(aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch, environment: str = "test") -> Terminal:
    """A terminal on a profile with the document deployed, and flagkit's own two strategies."""
    profile = AppConfigFlags(aws.session(), environment=environment)
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
    monkeypatch.setenv("FLAGKIT_SOURCE", profile.url)
    return Terminal(CliContext(aws.clock, session=aws.session()), profile.url, aws=aws, profile=profile)


@pytest.fixture
def on_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    with AwsStandIn() as aws:
        yield appconfig(aws, monkeypatch)


@pytest.fixture(params=["file", "appconfig"])
def terminal(request: pytest.FixtureRequest) -> Terminal:
    chosen: Terminal = request.getfixturevalue("on_file" if request.param == "file" else "on_aws")
    return chosen
