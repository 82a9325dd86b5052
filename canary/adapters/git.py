"""What git and the CI system say about the code that is released; nothing is changed, no repository is an answer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CI_BRANCHES: Final = (
    "GITHUB_REF",
    "CI_COMMIT_BRANCH",
    "CODEBUILD_WEBHOOK_HEAD_REF",
    "BITBUCKET_BRANCH",
    "CIRCLE_BRANCH",
    "BUILD_SOURCEBRANCH",
    "GIT_BRANCH",
)
"""Where GitHub, GitLab, CodeBuild, Bitbucket, CircleCI, Azure and Jenkins name the branch of a detached checkout."""

CI_PEOPLE: Final = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "CODEBUILD_INITIATOR", "BUILD_USER", "USER", "USERNAME")
"""Where CI systems, and at last the machine, name the person that runs a job."""


class GitRevision:
    """The repository that holds a directory.

    Args:
        directory: in the working tree.
        environment: the CI system's variables.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._environment = os.environ if environment is None else environment

    def branch(self) -> str | None:
        """The checked-out branch; of a detached checkout what the CI system says; None where nobody knows."""
        return self._git("symbolic-ref", "--quiet", "--short", "HEAD") or self._ci_branch()

    def is_on(self, branch: str) -> bool:
        """Whether the commit belongs to the branch: it is checked out, or the remote's branch contains the commit."""
        found = self.branch()
        if found is not None:
            return found == branch
        return self._git("merge-base", "--is-ancestor", "HEAD", f"refs/remotes/origin/{branch}") is not None

    def is_clean(self) -> bool:
        """True when nothing is uncommitted; False without a repository: what can't be known isn't clean."""
        return self.uncommitted() == ()

    def uncommitted(self) -> tuple[str, ...] | None:
        """The files with uncommitted changes; None without a repository."""
        found = self._git("status", "--porcelain")
        return None if found is None else tuple(line[2:].strip() for line in found.splitlines())

    def commit(self) -> str | None:
        """The commit's hash; None when there is none."""
        return self._git("rev-parse", "--verify", "--quiet", "HEAD")

    def author(self) -> str | None:
        """The author of the commit; None when there is none."""
        return self._git("log", "-1", "--format=%an")

    def person(self) -> str:
        """Who runs this, as the CI system or the machine says."""
        return next((self._environment[name] for name in CI_PEOPLE if self._environment.get(name)), "")

    def _ci_branch(self) -> str | None:
        for name in CI_BRANCHES:
            value = self._environment.get(name, "")
            if value.startswith("refs/") and not value.startswith("refs/heads/"):
                continue  # a tag or a pull request
            if value := value.removeprefix("refs/heads/").removeprefix("origin/"):
                return value
        return None

    def _git(self, *arguments: str) -> str | None:
        try:
            done = subprocess.run(  # noqa: S603  fixed arguments, no shell
                ["git", "-C", str(self._directory), *arguments],  # noqa: S607  git is wherever PATH has it
                capture_output=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=30,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode("utf-8", "replace").rstrip("\n") if done.returncode == 0 else None
