"""The Terraform module names only what it declares; the SAM snippet passes cfn-lint and moves no alias."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from canary.core.plan import Plan
from canary.infra.formats import sam, terraform
from canary.infra.template import template

PLAN = Plan.parse('[stages.prod]\nfunctions = ["my-api:live", "my_api:live", "my-api:blue-1"]')
STAGE = PLAN.stage("prod")


def declared(module: dict[str, Any]) -> set[str]:
    """What an expression may name."""
    found = {f"var.{name}" for name in module["variable"]} | {"path.module"}
    for kind, named in module["resource"].items():
        found |= {f"{kind}.{name}" for name in named}
    return found | {f"data.{kind}.{name}" for kind, named in module["data"].items() for name in named}


def test_every_expression_of_the_module_names_something_that_it_declares() -> None:
    module = terraform(template(PLAN, "prod"), STAGE, "canary-prod.json")
    text = re.sub(r'\\"[^"$]*\\"', "", json.dumps(module))
    named = re.findall(
        r"(?<![\w.\"/])((?:data\.)?[a-z][a-z0-9_]*\.[a-z_0-9]+)", " ".join(re.findall(r"\$\{[^}]*\}", text))
    )
    assert set(named) - declared(module) == set()
    assert len(set(named)) > 15
    assert {name for name in declared(module) if name.startswith("var.")} <= set(named)


def test_the_module_passes_every_parameter_of_the_template() -> None:
    made = template(PLAN, "prod")
    stack = terraform(made, STAGE, "t.json")["resource"]["aws_cloudformation_stack"]["canary"]
    assert set(stack["parameters"]) == set(made["Parameters"])
    assert stack["parameters"]["GitHubRepository"] == "${var.github_repository}"


def test_odd_names_of_functions_and_aliases_have_ids_of_their_own() -> None:
    keys = ["api:first", "api:blue-1", "api:blue_1", "api-blue:one", "api-blue-1:live", "api:-", "-:live", "_:live"]
    found = sam(Plan.parse(f"[stages.prod]\nfunctions = {json.dumps(keys)}").stage("prod"))["Resources"]
    kinds = Counter(one["Type"].rpartition(":")[2] for one in found.values())
    assert kinds == {"Function": 5, "Version": 5, "Alias": len(keys)}
    assert all(re.fullmatch("[A-Za-z0-9]+", key) for key in found)
    assert {"Api", "ApiFirst"} <= found.keys()


@pytest.mark.sweep
def test_cfn_lint_finds_nothing_in_the_sam_template(tmp_path: Path) -> None:
    path = tmp_path / "sam.json"
    made = sam(STAGE)
    path.write_text(json.dumps(made))
    for name in ("my-api", "my_api"):
        (tmp_path / name).mkdir()
    command = [Path(sys.executable).with_name("cfn-lint"), "--regions", "us-east-1", "--", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "AutoPublishAlias" not in json.dumps(made)
    assert sum(one["Type"] == "AWS::Lambda::Alias" for one in made["Resources"].values()) == 3


ARGUMENTS = {
    "aws_s3_bucket": {"bucket"},
    "aws_s3_object": {"bucket", "key", "source", "content_type", "etag", "source_hash", "tags"},
    "aws_cloudformation_stack": {
        "name", "capabilities", "template_url", "template_body", "parameters", "notification_arns", "on_failure",
        "policy_body", "policy_url", "tags", "iam_role_arn", "timeout_in_minutes", "disable_rollback",
    },
}  # fmt: skip
"""Of the provider's documentation (registry.terraform.io/providers/hashicorp/aws)."""


def test_the_module_passes_only_arguments_that_the_provider_documents() -> None:
    module = terraform(template(PLAN, "prod"), STAGE, "canary-prod.json")
    assert set(module) == {"terraform", "variable", "data", "resource", "output"}
    for kind, named in [*module["resource"].items(), *module["data"].items()]:
        assert all(set(body) <= ARGUMENTS[kind] for body in named.values())


TERRAFORM = shutil.which("terraform") or ""


def run_terraform(folder: Path, *words: str) -> tuple[int, str]:
    environ = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    done = subprocess.run([TERRAFORM, *words, "-no-color"], cwd=folder, env=environ, capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.slow
@pytest.mark.skipif(not TERRAFORM, reason="needs terraform")
@pytest.mark.parametrize("mistake", ["", "var.bukket"])
def test_terraform_validates_the_module_with_its_own_resource_for_the_providers(mistake: str, tmp_path: Path) -> None:
    """Nothing is downloaded: `terraform_data` is built in, and takes any arguments as `input`."""
    made = template(PLAN, "prod")
    module = terraform(made, STAGE, "canary-prod.json")
    parts = [*module["resource"].items(), *module["data"].items()]
    bodies = {name: {"input": body} for _, named in parts for name, body in named.items()}
    plain = {"variable": module["variable"], "output": module["output"], "resource": {"terraform_data": bodies}}
    text = json.dumps(plain)
    for kind, named in parts:
        for name in named:
            text = re.sub(rf"(data\.)?{kind}\.{name}\.", f"terraform_data.{name}.output.", text)
    (tmp_path / "canary-prod.json").write_text(json.dumps(made))
    (tmp_path / "main.tf.json").write_text(text.replace("var.bucket", mistake) if mistake else text)
    code, shown = run_terraform(tmp_path, "init", "-backend=false", "-input=false")
    assert code == 0, shown
    code, shown = run_terraform(tmp_path, "validate")
    assert (code == 0) is not bool(mistake), shown


@pytest.mark.slow
@pytest.mark.skipif(not TERRAFORM, reason="needs terraform")
def test_terraform_reads_the_module_and_the_example(tmp_path: Path) -> None:
    (tmp_path / "main.tf.json").write_text(json.dumps(terraform(template(PLAN, "prod"), STAGE, "canary-prod.json")))
    examples = Path(__file__).parents[3] / "examples" / "infrastructure"
    for folder in (tmp_path, examples):
        code, shown = run_terraform(folder, "providers")
        assert (code, "registry.terraform.io/hashicorp/aws" in shown) == (0, True), shown
    assert run_terraform(examples, "fmt", "-check", "-diff", "main.tf") == (0, "")
