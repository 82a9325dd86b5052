"""The console as a Lambda function and as a container, as the examples set it up."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from flagkit.console import ConsoleSettings, create_app, lambda_handler
from flagkit.console.audit import AuditLog
from flagkit.testing import VirtualClock

EXAMPLE = Path(__file__).parents[3] / "examples" / "console"


def event(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    """What a function URL sends."""
    http = {"method": method, "path": path, "sourceIp": "192.0.2.7", "protocol": "HTTP/1.1"}
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "flags.example.com", **headers},
        "requestContext": {"http": http, "stage": "$default"},
        "isBase64Encoded": False,
    }


def test_the_example_of_a_function_asks_to_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    spec = importlib.util.spec_from_file_location("example_function", EXAMPLE / "function.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    answers = [module.handler(event(path), None) for path in ("/", "/e/prod/proposals/x", "/static/console.css")]
    assert [answer["statusCode"] for answer in answers] == [401, 401, 200]
    assert module.handler(event("/", host="evil.example"), None)["statusCode"] == 421
    forged = event("/", **{"x-amzn-oidc-data": "e30.e30.e30", "x-amzn-oidc-identity": "alice"})
    assert module.handler(forged, None)["statusCode"] == 401


def test_a_function_answers_the_health_check(tmp_path: Path) -> None:
    (tmp_path / "flags.json").write_text('{"version": "1", "flags": {}, "values": {}}')
    handle = lambda_handler(create_app(ConsoleSettings((f"file:{tmp_path}/flags.json",))))
    answer = handle(event("/healthz"), None)
    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (200, "ok")
    assert handle(event("/", "POST"), None)["statusCode"] in {403, 421}


def test_the_container_runs_as_nobody_special_and_checks_its_health() -> None:
    lines = (EXAMPLE / "Dockerfile").read_text().splitlines()
    words = {line.split()[0]: line.split(None, 1)[1] for line in lines if line and line[0] not in "# "}
    assert words["USER"] == "10001"
    assert json.loads(words["ENTRYPOINT"])[:2] == ["flagkit", "console"]
    assert json.loads(words["CMD"])[::2] == ["--source", "--source"]
    check = json.loads(words["HEALTHCHECK"].partition("CMD ")[2])
    compile(check[2], "HEALTHCHECK", "exec")
    assert "/healthz" in check[2]


def test_the_audit_log_may_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    log = AuditLog(Path("-"), VirtualClock())
    log.check()
    log.write(who="alice", action="x")
    assert json.loads(capsys.readouterr().out)["who"] == "alice"
