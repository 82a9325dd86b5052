"""Start time is an architecture rule: what an import or a command may load. Nothing is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"boto3", "botocore", "httpx", "pydantic", "moto", "asyncio", "re2", "click", "rich", "typer"}
HEAVY |= {"jwt", "cryptography", "jinja2", "mangum", "starlette", "uvicorn"}
FILE = {
    "version": "1",
    "flags": {"a": {"name": "A"}, "b": {"name": "B"}},
    "values": {
        "a": {"enabled": True},
        "b": {
            "_variants": [
                {"name": "on", "enabled": True, "rule": '(split pct::25 by::$userId seed::"b")'},
                {"name": "off", "enabled": False},
            ]
        },
    },
}


def loaded_by(statement: str, folder: Path | None = None) -> set[str]:
    code = f"import sys; {statement}; print('|', *sorted(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.rpartition("|")[2].split())


@pytest.mark.parametrize("statement", ["import flagkit", "from flagkit import Flags", "import flagkit.authoring"])
def test_importing_flagkit_loads_no_heavy_library(statement: str) -> None:
    assert loaded_by(statement) & HEAVY == set()


def test_reading_flags_from_a_file_loads_no_heavy_library(tmp_path: Path) -> None:
    (tmp_path / "flags.json").write_text(json.dumps(FILE))
    statement = "from flagkit import Flags; flags = Flags.connect('file:flags.json'); assert flags.is_enabled('a')"
    statement += "; flags.close()"
    assert loaded_by(statement, tmp_path) & HEAVY == set()


def test_an_ofrep_server_loads_no_web_framework_and_no_cryptography() -> None:
    needed = loaded_by("from flagkit.ofrep import create_app, OfrepSettings, TokenSettings; create_app")
    assert needed & HEAVY <= {"asyncio"}


def test_importing_canary_loads_no_aws_client_and_no_terminal_library() -> None:
    assert loaded_by("import canary") & {"boto3", "botocore", "httpx", "moto", "click", "rich"} == set()


@pytest.mark.parametrize("plugin", ["flagkit.testing.pytest_plugin", "canary.testing.pytest_plugin"])
def test_the_pytest_plugins_cost_nothing_until_a_fixture_is_asked_for(plugin: str) -> None:
    assert loaded_by(f"import {plugin}") & {"boto3", "botocore", "moto", "httpx", "pydantic"} == set()


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("flagkit", set()),
        ("flagkit --help", set()),
        ("flagkit --version", set()),
        ("flagkit completion bash", {"click"}),
        ("flagkit list", {"click"}),
        ("flagkit show b", {"click"}),
        ("flagkit rollout --help", {"click"}),
        ("flagkit deploy --help", {"click"}),
        ("canary", set()),
        ("canary --help", set()),
        ("canary --version", set()),
        ("canary completion bash", {"click"}),
    ],
)
def test_a_command_loads_only_what_it_needs(command: str, allowed: set[str], tmp_path: Path) -> None:
    (tmp_path / "flags.json").write_text(json.dumps(FILE))
    program, *arguments = command.split()
    statement = f"from {program}.cli import run; assert run({arguments}) == 0"
    assert loaded_by(statement, tmp_path) & HEAVY <= allowed
