"""canary package and canary infra: files are written, and what can't be done is said."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from canary.infra import package, template
from canary.infra.package import Package
from tests.canary.cli.conftest import Desk


def test_infra_prints_or_writes_the_template(desk: Desk) -> None:
    printed = json.loads(desk("infra", "staging").out)
    assert "StateMachine" in printed["Resources"]
    done = desk("infra", "staging", "--out", "t.json")
    assert done.out.startswith("t.json written: ")
    assert json.loads((desk.base / "t.json").read_text()) == printed
    assert "can't be written" in desk("infra", "staging", "--out", "nowhere/t.json").err


def test_package_writes_the_zip_and_says_where_it_goes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(plan: str, arch: str, python: str, *, wheels: object) -> Package:
        assert "stages.staging" in plan
        return Package(b"zip", 3_000_000, ("boto3 1",))

    monkeypatch.setattr(package, "build", build)
    done = desk("package")
    assert done.code == 0
    assert (desk.base / "canary-tick-arm64.zip").read_bytes() == b"zip"
    assert "Next: aws s3 cp canary-tick-arm64.zip s3://BUCKET/canary/tick-" in done.out
    said = json.loads(desk("package", "--out", "x.zip", "--arch", "x86_64", "--json").out)
    assert (said["file"], said["runtime"], said["unzipped_bytes"]) == ("x.zip", "python3.13", 3_000_000)


@pytest.fixture
def cloudformation(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Any:
    """moto's CloudFormation: it loads every service, and API Gateway's wants a checker of OpenAPI that nothing uses."""
    absent = SimpleNamespace(validate=None, validate_spec=None, OpenAPIValidationError=ValueError)
    for name in ("openapi_spec_validator", "openapi_spec_validator.validation.exceptions"):
        monkeypatch.setitem(sys.modules, name, absent)
    monkeypatch.setitem(sys.modules, "openapi_spec_validator.validation", absent)
    return desk.aws.session().client("cloudformation")


@pytest.fixture
def stack(cloudformation: Any) -> Any:
    """A stack whose template is the one of the plan; moto keeps it, and one table is all that it makes."""
    made = {"Resources": {"Journal": {"Type": "AWS::DynamoDB::Table", "Properties": {
        "TableName": "canary-journal", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    }}}}  # fmt: skip
    cloudformation.create_stack(StackName="canary-staging", TemplateBody=json.dumps(made))
    return made


@pytest.mark.slow
def test_diff_is_silent_where_the_stack_is_the_template(
    desk: Desk, stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "template", lambda plan, name: stack)
    done = desk("infra", "staging", "--diff")
    assert (done.code, done.out) == (
        0,
        "canary-staging (CREATE_COMPLETE): no difference from the template of the plan\n",
    )


@pytest.mark.slow
def test_diff_names_each_place_that_differs(desk: Desk, stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = json.loads(json.dumps(stack))
    planned["Resources"]["Journal"]["Properties"]["TableName"] = "other"
    planned["Resources"]["Journal"]["Properties"].pop("BillingMode")
    planned["Outputs"] = {}
    monkeypatch.setattr(template, "template", lambda plan, name: planned)
    done = desk("infra", "staging", "--diff")
    assert done.code == 1
    assert done.out.splitlines()[1:] == [
        '  ~ Resources.Journal.Properties.TableName: "canary-journal" → "other"',
        "  - Resources.Journal.Properties.BillingMode",
        "  + Outputs",
    ]
    said = json.loads(desk("infra", "staging", "--diff", "--json").out)
    assert [one["path"].rpartition(".")[2] for one in said["differences"]] == ["TableName", "BillingMode", "Outputs"]


@pytest.mark.slow
def test_a_stack_that_is_not_deployed_is_named(desk: Desk, cloudformation: Any) -> None:
    done = desk("infra", "staging", "--diff", "--stack", "none")
    assert done.code == 1
    assert "there is no stack none" in done.err
    assert desk("infra", "staging", "--diff", "--out", "x").code == 2


def test_another_format_is_refused(desk: Desk) -> None:
    assert "'pulumi' is not a format" in desk("infra", "staging", "--format", "pulumi").err
    assert "aws_cloudformation_stack" in desk("infra", "staging", "--format", "terraform").out
    assert "AWS::Serverless" in desk("infra", "staging", "--format", "sam").out
