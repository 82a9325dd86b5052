"""`flagkit` as a real process against a sandbox: changes arrive, and no signal or closed pipe undoes one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.sandbox.control import state
from canary.sandbox.program import Running, run
from canary.sandbox.scenario import Scenario
from tests.canary.sandbox.test_program import options

pytestmark = [
    pytest.mark.sweep,
    pytest.mark.enable_socket,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif(os.name != "posix", reason="signals"),
]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    quiet = Scenario(settings=("traffic api=0 rewards=0 quests=0",))
    with run(options(tmp_path, scenario=quiet)) as sandbox:
        sandbox.server.step(900)  # the bake of the first deployments
        yield sandbox


def start(running: Running, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flagkit", *arguments]
    environ = {**os.environ, **running.info["environ"]}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    return process.returncode, said + errors


def shown(running: Running, key: str) -> str:
    """State and audience of a flag in what users have."""
    with running.server.lock:
        live = state(running.server.aws, running.server.pace)["flags"]
    (flags,) = (entry["flags"] for entry in live if entry["environment"] == "staging")
    return str(flags[key])


def wait_for_deployment(running: Running, process: subprocess.Popen[str]) -> None:
    calls = running.server.aws.wire.calls
    while not any(record.call == "appconfig.StartDeployment" for record in calls[-20:]):
        assert process.poll() is None, process.communicate()


def test_changes_arrive_and_are_shown(running: Running) -> None:
    running.server.pace.speed = 600
    code, said = done(start(running, "rollout", "new_attestation_flow", "25", "--yes"))
    assert (code, "10 % → 25 %" in said) == (0, True)
    code, said = done(start(running, "kill", "double_rewards", "--yes"))
    assert code == 0, said
    running.server.pace.speed = 0
    assert shown(running, "double_rewards").startswith("off")
    listed, showed = start(running, "list"), start(running, "show", "new_attestation_flow")
    code, said = done(listed)
    assert (code, "new_attestation_flow  25 %" in said) == (0, True)
    assert "25 %" in done(showed)[1]


@pytest.mark.parametrize("hazard", ["SIGINT", "closed pipe"])
def test_a_deployment_goes_on_when_its_watcher_ends(running: Running, hazard: str) -> None:
    """The clock stands still, so that the command is in the middle of its watch."""
    running.server.aws.wire.calls.clear()
    process = start(running, "rollout", "new_attestation_flow", "40", "--yes")
    wait_for_deployment(running, process)
    if hazard == "SIGINT":
        process.send_signal(signal.SIGINT)
        code, said = done(process)
        assert code == 130, said
    else:
        assert process.stdout is not None
        process.stdout.close()
        running.server.pace.speed = 6000
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        process.stderr.close()
        running.server.pace.speed = 0
    running.server.step(1800)
    assert shown(running, "new_attestation_flow").startswith("40 %")
