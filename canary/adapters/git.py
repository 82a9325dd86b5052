"""What git says about the code that is released; it changes nothing and never fails: no repository is an answer."""

from __future__ import annotations

import subprocess
from pathlib import Path


class GitRevision:
    """The repository that holds a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def branch(self) -> str | None:
        """The checked-out branch; None when detached, or when there is no repository."""
        return self._git("symbolic-ref", "--quiet", "--short", "HEAD")

    def is_clean(self) -> bool:
        """True when nothing is uncommitted; False without a repository: what can't be known isn't clean."""
        return self._git("status", "--porcelain") == ""

    def commit(self) -> str | None:
        """The commit's hash; None when there is none."""
        return self._git("rev-parse", "--verify", "--quiet", "HEAD")

    def _git(self, *words: str) -> str | None:
        try:
            done = subprocess.run(  # noqa: S603  fixed words, no shell
                ["git", "-C", str(self._directory), *words],  # noqa: S607  git is wherever PATH has it
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None
