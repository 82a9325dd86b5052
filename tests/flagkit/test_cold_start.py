"""What a cold start doesn't load: each of these costs milliseconds of CPU (docs/benchmarks/coldstart.md)."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(program: str) -> set[str]:
    code = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_flags_without_rules_load_nothing_of_the_rule_language():
    program = """
from flagkit import Flags, StaticSource
flags = Flags(StaticSource({"a": True, "b": "red"}))
assert flags.is_enabled("a") and flags.string("b", default="") == "red"
"""
    assert {name for name in loaded_by(program) if name.startswith("flagkit.core.rules")} == set()


def test_the_agent_is_asked_without_a_library_for_http():
    program = """
from flagkit.sources import connect
from flagkit.errors import SourceError
agent = connect("agent://shop/prod/flags?port=1")
try:
    agent.fetch()
except SourceError:
    pass
"""
    assert loaded_by(program) & {"http.client", "ssl", "email", "httpx", "urllib.request"} == set()


@pytest.mark.parametrize("module", ["flagkit.frameworks", "flagkit.frameworks.django"])
def test_the_middlewares_load_no_framework(module):
    frameworks = {"starlette", "fastapi", "flask", "werkzeug", "django", "asgiref", "boto3", "botocore", "httpx"}
    assert loaded_by(f"import {module}") & frameworks == set()


@pytest.mark.parametrize("package", ["flagkit", "canary"])
def test_the_help_of_a_command_loads_nothing_that_only_its_work_needs(package):
    program = f"""
from {package}.cli.app import program
from flagkit.cli.arguments import command_of
for command in program().commands.values():
    command_of(command)
"""
    heavy = {"boto3", "botocore", "httpx", "pydantic", "rich", "moto", "starlette", "uvicorn"}
    assert loaded_by(program) & heavy == set()
