"""Public API and error catalogue are generated, so they can't drift."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

GENERATE = Path(__file__).parents[2] / "docs" / "generate.py"


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="signatures print differently on other Pythons; 3.11 is checked"
)
def test_the_generated_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("generate", GENERATE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(["--check"]) == 0, capsys.readouterr().out
