"""The command reference is written from the commands, so it can't drift."""

from __future__ import annotations

from pathlib import Path

from canary.cli.reference import explained_exit_codes, known_exit_codes, reference

PAGE = Path(__file__).parents[3] / "docs" / "canary" / "cli.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == reference(), "run: python -m canary.cli.reference > docs/canary/cli.md"


def test_every_exit_code_is_explained() -> None:
    assert known_exit_codes() <= explained_exit_codes()
