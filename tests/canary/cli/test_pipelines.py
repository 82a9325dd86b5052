"""The pipelines of examples/pipelines are valid, and their commands do what the page says on a CI checkout."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.cli import run
from canary.cli.session import CliContext
from canary.testing import AwsStandIn

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "pipelines"
PAGE = (ROOT / "docs" / "canary" / "pipelines.md").read_text("utf-8")
NOT_RUNNING = 5
USES = re.compile(r"^ *(?:- )?uses: (\S+)", re.MULTILINE)
SYSTEMS = {
    "github-release.yml": {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/main", "GITHUB_ACTOR": "amira"},
    "github-decide.yml": {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/main", "GITHUB_ACTOR": "amira"},
    "gitlab-ci.yml": {"CI_COMMIT_BRANCH": "main", "GITLAB_USER_LOGIN": "amira"},
    "buildspec.yml": {"CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main", "CODEBUILD_INITIATOR": "amira"},
}

ENGINES = ("github-engine.yml", "gitlab-engine.yml", "buildspec-engine.yml")


def texts(value: Any) -> Iterator[str]:
    """Every text of a document, in its order."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def commands(name: str) -> list[str]:
    """The commands of canary in a pipeline; those of a choice once for each."""
    document = yaml.safe_load((EXAMPLES / name).read_text("utf-8"))
    found = [line for text in texts(document) for line in re.findall(r"canary (?:[a-z]+|\"\$COMMAND\") [^;\n]*", text)]
    inputs = document.get(True, {}).get("workflow_dispatch", {}).get("inputs", {})  # YAML 1.1 reads `on` as true
    choices = inputs.get("command", {}).get("options", [])
    patient = [choice for choice in choices if choice not in {"rollback", "promote"}]
    chosen = {True: ["promote", "rollback"], False: patient}
    return [
        line.replace('"$COMMAND"', choice)
        for line in found
        for choice in (chosen["--yes" in line] if "$COMMAND" in line else [""])
    ]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A detached checkout of a repository with the plan, as CI systems make it."""
    (tmp_path / "canary.toml").write_text((EXAMPLES / "canary.toml").read_text("utf-8"))
    (tmp_path / ".gitignore").write_text("canary-report.html\n")
    for words in ("init -q -b main", "add .", "commit -qm first", "checkout -q --detach", "branch -qD main"):
        identity = ["-c", "user.name=Amira", "-c", "user.email=amira@example.com"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words.split()], check=True)
    return tmp_path


@pytest.fixture
def aws() -> Iterator[AwsStandIn]:
    with AwsStandIn(seed=3, region="eu-west-1") as made:
        session = made.session()
        for name in ("api", "api-staging"):
            made.lambda_.deploy(name, "def handler(event, context): return {}", alias="live")
            made.traffic.steady(name, "live", requests_per_minute=60)
        session.client("sqs").create_queue(QueueName="shop-dlq")
        session.client("sns").create_topic(Name="releases")
        session.client("dynamodb").create_table(
            TableName="canary",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        made.clock.advance(600)
        made.lambda_.deploy("api", "def handler(event, context): return {'statusCode': 200}")
        yield made


@pytest.mark.sweep
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_commands_of_a_pipeline_run_on_a_ci_checkout(
    name: str,
    aws: AwsStandIn,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    summary = checkout.parent / "summary.md"
    for variable in {key for system in SYSTEMS.values() for key in system}:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {**SYSTEMS[name], "GITHUB_STEP_SUMMARY": str(summary)}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(checkout)
    if name == "github-decide.yml":  # something to decide about
        assert run(["deploy", "production", "--yes"], CliContext(clock=aws.clock)) == 0
    codes: dict[str, int] = {}
    for line in commands(name):
        capsys.readouterr()
        words = shlex.split(line.replace("$STAGE", "production").replace("$BRANCH", ""))
        codes[" ".join(words[1:])] = run(words[1:], CliContext(clock=aws.clock))
        wanted = NOT_RUNNING if words[1] in {"abort", "pause", "resume", "promote"} else 0
        assert codes[" ".join(words[1:])] == wanted, (line, capsys.readouterr().err)
    assert codes
    if name == "github-release.yml":
        assert "### ✅ Canary on production: promoted" in summary.read_text("utf-8")
    if any(line.startswith("canary deploy") for line in codes):
        assert (checkout / "canary-report.html").exists()


@pytest.mark.slow
def test_doctor_names_what_a_plan_needs_and_the_account_does_not_have(
    aws: AwsStandIn, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = aws.session()
    session.client("dynamodb").delete_table(TableName="canary")
    sqs = session.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="shop-dlq")["QueueUrl"])
    monkeypatch.chdir(checkout)
    assert run(["doctor", "production", "--branch", "main"], CliContext(clock=aws.clock)) == 5
    shown = capsys.readouterr().out
    assert "warning  journal: the journal can't be read: dynamodb:Query: ResourceNotFoundException" in shown
    assert "FAILED   metrics: dlq: sqs:GetQueueUrl: AWS.SimpleQueueService.NonExistentQueue" in shown


def test_every_exit_code_of_the_page_has_the_meaning_of_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "canary-commands.md").read_text("utf-8")
    known, shown = (set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE)) for text in (reference, PAGE))
    assert shown == known


@pytest.mark.parametrize("name", [*SYSTEMS, *ENGINES, "canary.toml"])
def test_the_page_shows_each_pipeline_as_it_is(name: str) -> None:
    language = "toml" if name.endswith("toml") else "yaml"
    assert f"```{language}\n{(EXAMPLES / name).read_text('utf-8')}```\n" in PAGE


def test_every_action_of_a_workflow_is_pinned_to_a_commit() -> None:
    used = [line for path in EXAMPLES.glob("github-*.yml") for line in USES.findall(path.read_text("utf-8"))]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


@pytest.mark.parametrize("name", ENGINES)
def test_the_options_that_a_pipeline_with_an_engine_passes_exist(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = commands(name)
    words = shlex.split(line.replace("$STAGE", "production").replace("$ENGINE", "none").replace("$BRANCH", ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(EXAMPLES)
        assert run(words[1:], CliContext()) == 2
    assert "none" in capsys.readouterr().err.splitlines()[0]  # not an engine; every option is known


INFRASTRUCTURE = ROOT / "examples" / "infrastructure"


class _Tagged(yaml.SafeLoader):
    """Reads `!Ref` and `!GetAtt` as the value behind them."""


_Tagged.add_multi_constructor("!", lambda loader, tag, node: f"{tag} {node.value}")


@pytest.mark.parametrize("name", ["sam.yaml", "serverless.yml"])
def test_a_template_of_another_tool_creates_the_alias_once_and_publishes_nothing(name: str) -> None:
    text = (INFRASTRUCTURE / name).read_text("utf-8")
    document = yaml.load(text, _Tagged)
    found = document.get("Resources") or document["resources"]["Resources"]
    assert found["ApiFirst"]["DeletionPolicy"] == "Retain"
    assert found["ApiLive"]["Properties"]["FunctionVersion"] == "GetAtt ApiFirst.Version"
    assert document.get("provider", {"versionFunctions": False})["versionFunctions"] is False
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert not re.search("AutoPublishAlias|DeploymentPreference|canary-deployments|aws-alias", code)


def test_the_cdk_app_uses_neither_current_version_nor_a_deployment_group() -> None:
    tree = ast.parse((INFRASTRUCTURE / "cdk_app.py").read_text("utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {"CfnVersion", "CfnAlias"} <= called
    assert not {"current_version", "LambdaDeploymentGroup"} & (called | named)


@pytest.mark.slow
def test_cfn_lint_finds_nothing_in_the_sam_template_of_the_examples() -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), "--regions", "us-east-1", "--", INFRASTRUCTURE / "sam.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
