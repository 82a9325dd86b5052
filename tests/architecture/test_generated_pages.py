"""The reference pages are generated, so they can't drift."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.sweep
@pytest.mark.slow
def test_the_generated_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    generate = importlib.import_module("generate")
    assert generate.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_pages_show_no_internals() -> None:
    api = importlib.import_module("api")
    for name, text in api.api_pages().items():
        assert "lambda:" not in text.replace("`lambda", ""), name
        assert "model_config" not in text, name
        assert "0x" not in text.replace("0x00", ""), name
