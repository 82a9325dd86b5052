"""canary against plain moto, as against any emulator that lacks calls and checks: it says what it can't see, and works.

moto ignores RevisionId, answers 404 or 501 for what it doesn't have, and keeps empty weights (lambda-canary.md §7).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from canary import runner
from canary.assembly import assemble
from canary.core.plan import Plan
from flagkit.testing import VirtualClock

pytestmark = pytest.mark.sweep

PLAN = Plan.parse('[stages.staging]\nfunctions = ["api:live"]\nsteps = [10, 50]\nbake = "5m"\n')


def package(body: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", f"def handler(event, context):\n    return {body}\n")
    return content.getvalue()


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config: Any = {"lambda": {"use_docker": False}}
    with mock_aws(config=config):
        role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        client = boto3.client("lambda")
        client.create_function(
            FunctionName="api",
            Runtime="python3.12",
            Role=role,
            Handler="app.handler",
            Code={"ZipFile": package("1")},
            Publish=True,
        )
        client.update_function_code(FunctionName="api", ZipFile=package("2"), Publish=True)
        client.create_alias(FunctionName="api", Name="live", FunctionVersion="1", Description="Live traffic")
        yield client


def alias(functions: Any) -> tuple[str, object, str]:
    found = functions.get_alias(FunctionName="api", Name="live")
    weights = found.get("RoutingConfig", {}).get("AdditionalVersionWeights") or None
    return found["FunctionVersion"], weights, found["Description"]


def test_a_canary_without_traffic_starts_holds_and_comes_back_whole(functions: Any, tmp_path: Path) -> None:
    stage = PLAN.stage("staging")
    clock = VirtualClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    ports = assemble(PLAN, "staging", base=tmp_path, clock=clock)
    state = runner.start(stage, ports)
    for _ in range(8):
        done = runner.tick(stage, ports, state)
        state = done.state
        clock.advance(60)
    assert alias(functions)[:2] == ("1", {"2": 0.1})
    assert done.judgement is not None
    assert done.judgement.verdict == "no_data"
    ended = runner.rollback(stage, ports)
    assert ended is not None
    assert ended.phase == "rolled_back"
    assert alias(functions) == ("1", None, "Live traffic")


def test_calls_that_the_emulator_lacks_are_named_not_fatal(functions: Any, tmp_path: Path) -> None:
    ports = assemble(PLAN, "staging", base=tmp_path, clock=VirtualClock(datetime(2026, 11, 23, 9, tzinfo=UTC)))
    facts = ports.aliases.function_facts(PLAN.stage("staging").functions[0])
    assert "lambda:ListProvisionedConcurrencyConfigs" in facts.unknown
