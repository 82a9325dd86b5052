"""Cold start is an architecture rule: what `import` may load (decision 0004)."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"boto3", "botocore", "httpx", "pydantic", "moto", "asyncio", "re2", "typer", "rich"}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import flagkit", "from flagkit import Flags"])
def test_importing_flagkit_loads_no_heavy_library(statement: str) -> None:
    assert loaded_by(statement) & HEAVY == set()


def test_reading_flags_from_a_file_loads_no_heavy_library(tmp_path: object) -> None:
    document = '{"version":"1","flags":{"a":{"name":"a"}},"values":{"a":{"enabled":true}}}'
    statement = (
        f"import pathlib; p = pathlib.Path({str(tmp_path)!r}) / 'flags.json'; p.write_text({document!r}); "
        "from flagkit import Flags; flags = Flags.connect(f'file:{p}'); assert flags.is_enabled('a'); flags.close()"
    )
    assert loaded_by(statement) & HEAVY == set()


def test_importing_canary_loads_no_aws_client_and_no_terminal_library() -> None:
    assert loaded_by("import canary") & {"boto3", "botocore", "httpx", "moto", "typer", "rich"} == set()


@pytest.mark.parametrize("plugin", ["flagkit.testing.pytest_plugin", "canary.testing.pytest_plugin"])
def test_the_pytest_plugins_cost_nothing_until_a_fixture_is_asked_for(plugin: str) -> None:
    assert loaded_by(f"import {plugin}") & {"boto3", "botocore", "moto", "httpx", "pydantic"} == set()
