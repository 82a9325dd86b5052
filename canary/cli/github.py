"""GitHub Actions: annotations and the step summary; silent everywhere else."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal


def in_actions() -> bool:
    """True inside a GitHub Actions job. Since 0.1."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotate(level: Literal["error", "warning", "notice"], title: str, message: str) -> None:
    """Writes a workflow command to stderr: GitHub reads it there too, and stdout is for `--json`. Since 0.1."""
    if not in_actions():
        return
    sys.stderr.write(f"::{level} title={_property(title)}::{_data(message)}\n")


def summarise(markdown: str) -> None:
    """Appends to the job's step summary; a summary that can't be written never fails a canary. Since 0.1."""
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not in_actions() or not target:
        return
    try:
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(markdown + "\n")
    except OSError as error:
        sys.stderr.write(f"warning: the step summary was not written: {error}\n")


def _data(text: str) -> str:
    # Escapes of GitHub's toolkit (actions/toolkit, packages/core/src/command.ts).
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
