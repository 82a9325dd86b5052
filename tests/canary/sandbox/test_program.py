"""A whole sandbox: the example in it, its page and API, the Agent's local API, the record, and both command lines."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

import canary.cli
import flagkit.cli
from canary.sandbox.civicforge import BAD, GOOD
from canary.sandbox.errors import SandboxError
from canary.sandbox.program import Options, Running, run
from canary.sandbox.scenario import Scenario

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]


def options(folder: Path, **changes: Any) -> Options:
    base: dict[str, Any] = {
        "scenario": Scenario(),
        "speed": 0.0,
        "seed": 1,
        "region": "us-east-1",
        "host": "127.0.0.1",
        "port": 0,
        "agent_port": 0,
        "is_agent_port_given": True,
        "folder": folder,
        "keeps_state": False,
        "record": None,
    }
    return Options(**{**base, **changes})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("sandbox")
    with run(options(folder, record=folder / "calls.jsonl")) as sandbox:
        sandbox.server.step(300)
        yield sandbox


@pytest.fixture
def shell(running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Running:
    """The variables that `canary sandbox` prints, in a directory of its own."""
    for name, value in running.info["environ"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return running


def get(url: str, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_it_holds_the_application_the_functions_and_their_traffic(running: Running) -> None:
    state = json.loads(get(f"{running.server.url}/_sandbox/state")[1])
    assert [alias["function"] for alias in state["aliases"]] == ["api", "rewards", "quests"]
    assert all(alias["versions"] == ["1", "2", "3", "4"] for alias in state["aliases"])
    assert all(stream["requests"] > 500 for stream in state["traffic"])
    assert {profile["environment"] for profile in state["flags"]} == {"dev", "staging", "prod"}
    shown = {found["environment"]: found["flags"] for found in state["flags"] if found["profile"] == "flags"}
    assert shown["dev"]["new_attestation_flow"] == "10 %: 10 % of users"
    assert shown["dev"]["maintenance_mode"] == "off: all users"
    assert [alarm["name"] for alarm in state["alarms"]] == ["api-5xx"]


def test_its_functions_report_business_metrics_by_version(shell: Running) -> None:
    listed = shell.server.aws.metrics.metrics()
    found = {metric.name for metric, _, _ in listed if metric.namespace == "CivicForge"}
    assert {"Requests", "Attestations", "RewardsGranted", "QuestsDone"} <= found


def test_its_api_has_a_health_check_that_names_the_version(running: Running) -> None:
    request = urllib.request.urlopen(f"{running.server.url}/health", timeout=10)
    with request as answer:
        alias = running.server.aws.lambda_.functions["api"].aliases["live"]
        assert answer.status == 200
        assert answer.headers["x-version"] in {alias.primary, *alias.weights}
    assert get(f"{running.server.url}/api/start?user=user-1")[0] == 200


def test_the_page_shows_what_is_not_modelled(running: Running) -> None:
    status, body = get(running.server.url)
    assert status == 200
    assert b"<title>canary sandbox</title>" in body
    state = json.loads(get(f"{running.server.url}/_sandbox/state")[1])
    assert "ListLayers" in state["not_modelled"]["lambda"]


def test_pages_of_other_sites_can_not_use_it(running: Running) -> None:
    assert get(f"{running.server.url}/_sandbox/state", Origin="https://evil.example")[0] == 403
    rebound = {"Origin": "http://evil.example:4566", "Host": "evil.example:4566"}
    assert get(f"{running.server.url}/_sandbox/state", **rebound)[0] == 403
    assert get(f"{running.server.url}/_sandbox/state", Origin=running.server.url)[0] == 200


@pytest.mark.parametrize("path", ["/_sandbox/nothing", "/_sandbox/calls?limit=x"])
def test_an_unknown_path_is_refused(running: Running, path: str) -> None:
    status, body = get(f"{running.server.url}{path}")
    assert status in {400, 404}
    assert json.loads(body)["message"]


def test_every_call_is_recorded(shell: Running) -> None:
    boto3.client("lambda").get_alias(FunctionName="api", Name="live")
    lines = Path(shell.info["environ"]["CANARY_PLAN"]).with_name("calls.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["call"] == "lambda.GetAlias"
    assert set(json.loads(lines[-1])) == {"at", "call", "outcome"}


@pytest.mark.slow
def list_twice(running: Running) -> None:
    client: Any = running.server.aws.session().client("lambda")
    assert client.list_functions()["Functions"] == client.list_functions()["Functions"] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk")
def test_a_call_that_can_not_be_recorded_is_answered_and_counted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    full = options(tmp_path, scenario=Scenario(base="empty"), record=Path("/dev/full"))
    with pytest.raises(SandboxError, match="calls not written: 2"), run(full) as running:
        list_twice(running)
    assert capfd.readouterr().err.count("No space left") == 1


def test_flagkit_changes_a_flag_in_it(shell: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert flagkit.cli.run(["list"]) == 0
    assert "new_attestation_flow  10 %" in capsys.readouterr().out
    shell.server.pace.speed = 600
    try:
        assert flagkit.cli.run(["rollout", "new_attestation_flow", "25"]) == 0
    finally:
        shell.server.pace.speed = 0
    assert "10 % → 25 %" in capsys.readouterr().out


def test_canary_reads_the_plan_that_the_environment_names(shell: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert canary.cli.run(["plan", "staging"]) == 0
    assert "api:live, rewards:live, quests:live" in capsys.readouterr().out
    assert canary.cli.run(["doctor", "staging"]) == 0


def test_the_command_changes_and_shows_it(shell: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert canary.cli.run(["sandbox", "env"]) == 0
    exports = capsys.readouterr().out.splitlines()
    assert len(exports) == 4
    assert exports[0].startswith(f"export AWS_ENDPOINT_URL={shell.server.url}")
    assert canary.cli.run(["sandbox", "set", "rewards:2", "errors=5%"]) == 0
    assert canary.cli.run(["sandbox", "set", "rewards:2", "clear"]) == 0
    assert canary.cli.run(["sandbox", "set", "help"]) == 0
    assert canary.cli.run(["sandbox", "step", "90s"]) == 0
    assert "stepped by 90 s" in capsys.readouterr().out
    boto3.client("lambda").get_alias(FunctionName="api", Name="live")
    assert canary.cli.run(["sandbox", "calls", "--limit", "1"]) == 0
    assert "lambda.GetAlias" in capsys.readouterr().out
    assert canary.cli.run(["sandbox", "set", "moon"]) == 2
    assert "error[usage]: moon can't be set; expected one of speed" in capsys.readouterr().err


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "canary.sandbox", "set", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: canary sandbox set")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "ftp://x", "http://"])
def test_a_sandbox_that_does_not_answer_is_said(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert canary.cli.run(["sandbox", "env", "--url", url]) != 0
    assert "Traceback" not in capsys.readouterr().err


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for changes in ({"port": port}, {"agent_port": port}):
            with (
                pytest.raises(SandboxError, match=f"127.0.0.1:{port} can't be used") as caught,
                run(options(tmp_path, scenario=Scenario(base="empty"), **changes)),
            ):
                pass
            assert "port" in caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--scenario", "gone.toml"], "gone.toml: No such file"),
        (["--speed", "-1"], "--speed -1 is out of range"),
        (["--speed", "nan"], "error[usage]: Invalid value for '--speed': 'nan' is not a number."),
        (["--host", "203.0.113.1", "--port", "0"], "203.0.113.1:0 can't be used"),
        (["--record", "/nowhere/calls.jsonl", "--port", "0", "--agent-port", "0"], "--record /nowhere/calls.jsonl"),
        (["--host", ""], "--host is empty"),
        (["--state", "/dev/null/x"], "--state /dev/null/x"),
    ],
)
def test_what_can_not_be_used_is_said_before_anything_starts(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert canary.cli.run(["sandbox", *arguments]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert "hint: " in said


AGENT = "/applications/civicforge/environments/staging/configurations"


@pytest.mark.slow
def test_the_agents_local_api_evaluates_a_profile_of_flags(shell: Running) -> None:
    shell.server.step(600)  # the bake of the first deployment: AppConfig starts no other before its end
    client: Any = boto3.client("appconfig")
    application = client.list_applications()["Items"][0]["Id"]
    environment = next(e for e in client.list_environments(ApplicationId=application)["Items"] if e["Name"] == "dev")
    profile = client.create_configuration_profile(
        ApplicationId=application, Name="native", LocationUri="hosted", Type="AWS.AppConfig.FeatureFlags"
    )["Id"]
    rule = '(eq $country "US")'
    content = {
        "version": "1",
        "flags": {"a": {"name": "a"}, "b": {"name": "b"}},
        "values": {
            "a": {"_variants": [{"name": "us", "enabled": True, "rule": rule}, {"name": "rest", "enabled": False}]},
            "b": {"enabled": True},
        },
    }
    version = client.create_hosted_configuration_version(
        ApplicationId=application,
        ConfigurationProfileId=profile,
        Content=json.dumps(content).encode(),
        ContentType="application/json",
    )["VersionNumber"]
    client.start_deployment(
        ApplicationId=application,
        EnvironmentId=environment["Id"],
        ConfigurationProfileId=profile,
        ConfigurationVersion=str(version),
        DeploymentStrategyId="AppConfig.AllAtOnce",
    )
    shell.server.step(1)
    url = f"{shell.info['agent_url']}{AGENT.replace('staging', 'dev')}/native"
    assert json.loads(get(f"{url}?flag=a", Context="country=US")[1]) == {"enabled": True, "_variant": "us"}
    assert json.loads(get(f"{url}?flag=a")[1]) == {"enabled": False, "_variant": "rest"}
    assert set(json.loads(get(f"{url}?flag=a&flag=b")[1])) == {"a", "b"}
    assert set(json.loads(get(url)[1])) == {"a", "b"}
    assert get(f"{url}?flag=none")[0] == 400


@pytest.mark.parametrize("path", ["/", "/applications/x", f"{AGENT}/none", AGENT.replace("staging", "none") + "/flags"])
@pytest.mark.slow
def test_the_agents_local_api_refuses_what_is_not_there(running: Running, path: str) -> None:
    assert get(f"{running.info['agent_url']}{path}")[0] == 404


def test_the_agents_local_api_delivers_a_free_form_document_as_it_is(running: Running) -> None:
    status, body = get(f"{running.info['agent_url']}{AGENT}/flags")
    assert (status, json.loads(body)["version"]) == (200, "1")


@pytest.mark.sweep
def test_a_good_release_is_promoted_and_a_bad_one_rolled_back(
    shell: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """The story of the README, in one process: the commands follow the sandbox's clock."""
    shell.server.pace.speed = 120
    try:
        assert canary.cli.run(["deploy", "staging", "10"]) == 0
        assert canary.cli.run(["deploy", "staging", "10", "--version", BAD]) == 3
        assert canary.cli.run(["status", "staging"]) == 0
    finally:
        shell.server.pace.speed = 0
    said = capsys.readouterr().out
    assert f"version 1 (baseline) → version {GOOD} (new), 100 %" in said
    assert f"api:live serves version {GOOD}" in said
