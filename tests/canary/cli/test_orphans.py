"""`canary orphans`: finds abandoned canaries in several regions from the aliases alone, and ends them."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import boto3
import pytest

from canary import runner
from canary.adapters.aws import open_session
from canary.adapters.lambda_aliases import LambdaAliases, aliases_with_descriptions
from canary.assembly import assemble, load_plan
from canary.core.orphans import sightings
from canary.core.state import CanaryState
from canary.errors import AwsError
from canary.runner.orphans import end_by_record
from tests.canary.cli.conftest import PLAN, Desk

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("traffic")]


def zipped(source: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("app.py", source)
    return file.getvalue()


def begin(desk: Desk, stage: str) -> CanaryState:
    """A canary whose driver ends after its first tick."""
    plan = load_plan(desk.base / "canary.toml")
    ports = assemble(plan, stage, base=desk.base, clock=desk.aws.clock)
    return runner.tick(plan.stage(stage), ports, runner.start(plan.stage(stage), ports)).state


@pytest.fixture
def abandoned(desk: Desk) -> Desk:
    """Three canaries whose driver was killed: two stages of the plan, and a function that no plan has, elsewhere."""
    other = """
[stages.west]
functions = ["api:live"]
region = "eu-west-1"

[stages.west.rules]
clean_tree = false
"""
    client = boto3.client("lambda", region_name="eu-west-1")
    for name in ("api", "lonely"):
        arn = client.create_function(
            FunctionName=name, Runtime="python3.13", Role="arn:aws:iam::123456789012:role/r", Handler="app.handler",
            Code={"ZipFile": zipped("def handler(event, context):\n    return 1\n")}, Publish=True,
        )["Version"]  # fmt: skip
        client.create_alias(FunctionName=name, Name="live", FunctionVersion=arn)
        client.update_function_code(
            FunctionName=name, ZipFile=zipped("def handler(event, context):\n    return 2\n"), Publish=True
        )
    desk.aws.clock.advance(60)
    whole = desk.base / "canary.toml"
    plans = (PLAN, other.replace("stages.west", "stages.lonely").replace("api:", "lonely:"), other)
    desk.release(0)
    for text, name in zip(plans, ("staging", "lonely", "west"), strict=True):
        whole.write_text(text)
        begin(desk, name)
    whole.write_text(PLAN + other)
    return desk


def routes(region: str, name: str) -> tuple[str, object]:
    found = boto3.client("lambda", region_name=region).get_alias(FunctionName=name, Name="live")
    return found["FunctionVersion"], found.get("RoutingConfig")


def test_orphans_are_found_and_ended_in_every_region(abandoned: Desk) -> None:
    done = abandoned("orphans")
    assert done.code == 0, done
    assert done.out.count("in progress: baking") == 3
    abandoned.aws.traffic.streams[0].stop()
    abandoned.aws.clock.advance(3 * 3600)
    done = abandoned("orphans")
    assert (done.code, done.out.count("abandoned: baking")) == (1, 3)
    abandoned.answer = "n"
    assert abandoned("orphans", "--end").code == 5
    done = abandoned("orphans", "--end", "--yes")
    assert done.code == 0, done
    for region, name in (("us-east-1", "api"), ("eu-west-1", "api"), ("eu-west-1", "lonely")):
        assert routes(region, name) == ("1", None)
    assert abandoned("orphans").out == "no canary in progress\n"
    assert "aborted on request" in abandoned("history", "staging").out


def test_a_region_that_cannot_be_read_is_not_called_clean(abandoned: Desk) -> None:
    abandoned.aws.faults.add("denied", "lambda.ListFunctions")
    done = abandoned("orphans", "--region", "eu-west-1")
    assert done.code == 1
    assert "eu-west-1 can't be searched" in done.err
    assert not done.out


def test_no_region_is_not_called_clean(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    assert "no region to search" in desk("orphans").err
    assert desk("orphans").code == 2
    done = desk("status", "staging")
    assert "no AWS region is set" in done.err, done


def test_one_canary_is_ended_by_its_id(desk: Desk) -> None:
    desk.release(0)
    state = begin(desk, "staging")
    (desk.base / "canary.toml").unlink()  # the aliases alone are enough
    assert desk("orphans", "--id", "nobody").code == 2
    desk.aws.faults.add("server_error", "lambda.UpdateAlias", times=2)
    assert desk("orphans", "--id", state.canary_id, "--end", "--yes").code == 0
    assert desk.alias() == ("1", {})
    assert desk("orphans", "--json").out == ""


@pytest.mark.parametrize("has_plan", [True, False])
def test_an_alias_that_somebody_has_moved_keeps_that_and_is_free_again(desk: Desk, has_plan: bool) -> None:
    desk.release(0)
    state = begin(desk, "staging")
    desk.release(0, "3")
    boto3.client("lambda").update_alias(
        FunctionName="api", Name="live", FunctionVersion="3", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert desk("deploy", "staging").code == 6
    if not has_plan:
        (desk.base / "canary.toml").unlink()
    done = desk("orphans", "--id", state.canary_id, "--end", "--yes")
    assert (done.code, "api:live: serves version 3" in done.err) == (0, True)
    assert desk.alias() == ("3", {})
    assert desk("orphans").out == "no canary in progress\n"


def test_an_alias_that_was_changed_meanwhile_is_left_alone(desk: Desk) -> None:
    desk.release(0)
    begin(desk, "staging")
    session, clock = open_session("us-east-1"), desk.aws.clock
    (found,) = sightings("us-east-1", aliases_with_descriptions(session), clock.now(), timedelta())
    aliases = LambdaAliases(session, clock)
    desk.aws.faults.add("server_error", "lambda.GetAlias")
    with pytest.raises(AwsError, match="was not ended everywhere"):
        end_by_record(found, aliases, clock)
    desk.aws.faults.clear()
    assert desk("abort", "staging").code == 0
    assert end_by_record(found, aliases, clock) == ("api:live: changed meanwhile, left as it is",)
