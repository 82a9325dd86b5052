"""`canary console --sandbox` starts, serves behind its one-time address, and ends with all that it started."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from canary.cli import run
from flagkit.console.serving import listen

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "canary", "console", "--sandbox", "--port", "0", "--speed", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as started:
        yield started
        started.kill()


def address(process: subprocess.Popen[str], pattern: str) -> str:
    """What a line of the program's output says."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError("".join(lines))


@pytest.mark.sweep
@pytest.mark.slow
def test_it_serves_until_it_is_ended_and_leaves_nothing_running(process: subprocess.Popen[str]) -> None:
    sandbox = address(process, r"Sandbox on (http://127\.0\.0\.1:\d+)")
    sign_in = address(process, r"Sign in to the console: (http\S+)")
    base = sign_in.partition("/sign-in")[0]
    with httpx.Client(base_url=base, follow_redirects=True, trust_env=False, timeout=60) as browser:
        assert browser.get("/releases/").status_code == 401
        assert browser.get(sign_in).status_code == 200
        assert "new_attestation_flow" in browser.get("/").text
        assert "rewards:live" in browser.get("/releases/").text
        page = ""
        while "canary started" not in page:  # the page waits for AWS, so this is no busy loop
            page = browser.get("/releases/staging").text
        assert "version 2 (new)" in page
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{sandbox}/_sandbox/clock", trust_env=False)


def test_a_port_in_use_and_a_plan_that_is_missing_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        taken.listen()
        assert run(["console", "--port", str(port)]) == 2
        assert f"can't listen on 127.0.0.1, port {port}" in capsys.readouterr().err
    assert run(["console", "--port", "0", "--plan", "nowhere.toml"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err
