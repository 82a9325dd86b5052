"""What git and the machine's clock say."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

from canary.adapters import git
from canary.adapters.clock import SystemClock
from canary.adapters.git import GitRevision


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def run(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, "-C", str(tmp_path), *words], check=True, capture_output=True)

    run("init", "-b", "main")
    (tmp_path / "code.py").write_text("1\n")
    run("add", "code.py")
    run("commit", "-m", "Begin")
    return tmp_path


def test_a_clean_tree_on_a_branch(repository: Path) -> None:
    source = GitRevision(repository, {})
    assert (source.branch(), source.is_clean()) == ("main", True)
    assert len(source.commit() or "") == 40


def test_an_uncommitted_change_is_not_clean(repository: Path) -> None:
    (repository / "new.py").write_text("2\n")
    assert not GitRevision(repository, {}).is_clean()


def test_without_a_repository_nothing_is_known_and_nothing_is_clean(tmp_path: Path) -> None:
    source = GitRevision(tmp_path / "nowhere", {})
    assert (source.branch(), source.commit(), source.is_clean()) == (None, None, False)


def test_without_git_nothing_is_known(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(git.subprocess, "run", missing)
    assert GitRevision(repository, {}).branch() is None


def test_the_machines_clock_is_in_utc_and_can_wait() -> None:
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0)
    assert before.tzinfo is UTC
    assert clock.now() >= before


def test_a_clock_that_is_minutes_off_follows_aws_and_a_small_difference_is_left_alone() -> None:
    """lambda-canary.md §9, trap 32."""
    clock = SystemClock()
    real = clock.now()
    clock.aws_says(real + timedelta(minutes=7))
    assert timedelta(minutes=6) < clock.now() - real < timedelta(minutes=8)
    for _ in range(2):
        clock.aws_says(real + timedelta(seconds=1))
    assert clock.now() - real < timedelta(minutes=1)


def test_one_odd_date_is_no_time() -> None:
    clock = SystemClock()
    real = clock.now()
    for years in (-36, 9):
        clock.aws_says(real + timedelta(days=365 * years))
        clock.aws_says(clock.now())
    assert abs(clock.now() - real) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("variables", "branch"),
    [
        ({"GITHUB_REF": "refs/heads/main"}, "main"),
        ({"GITHUB_REF": "refs/tags/v1"}, None),
        ({"GITHUB_REF": "refs/pull/7/merge"}, None),
        ({"CI_COMMIT_BRANCH": "feature/x"}, "feature/x"),
        ({"CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main"}, "main"),
        ({"BITBUCKET_BRANCH": "main"}, "main"),
        ({"CIRCLE_BRANCH": "main"}, "main"),
        ({"BUILD_SOURCEBRANCH": "refs/heads/main"}, "main"),
        ({"GIT_BRANCH": "origin/main"}, "main"),
        ({}, None),
    ],
)
def test_a_detached_checkout_is_on_the_branch_that_the_ci_system_names(
    tmp_path: Path, variables: dict[str, str], branch: str | None
) -> None:
    assert git.GitRevision(tmp_path, variables).branch() == branch


def test_a_detached_commit_is_on_the_branch_of_the_remote_that_contains_it(tmp_path: Path) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    identity = ("-c", "user.name=Amira", "-c", "user.email=a@example.com")
    for command in (
        ("init", "-q", "-b", "main", str(origin)),
        ("-C", str(origin), *identity, "commit", "-q", "--allow-empty", "-m", "first"),
        ("clone", "-q", str(origin), str(clone)),
        ("-C", str(clone), "checkout", "-q", "--detach"),
    ):
        subprocess.run(["git", *command], check=True)
    revision = git.GitRevision(clone, {"USER": "ci"})
    assert revision.branch() is None
    assert revision.is_on("main")
    assert not revision.is_on("other")
    assert (revision.author(), revision.person()) == ("Amira", "ci")
    (clone / "ä b.txt").write_text("")
    assert len(revision.uncommitted() or ()) == 1
    assert git.GitRevision(tmp_path / "nowhere", {}).uncommitted() is None


def test_a_step_of_the_machines_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stepped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2001, 1, 1, tzinfo=tz)

    clock = SystemClock()
    before = clock.now()
    monkeypatch.setattr("canary.adapters.clock.datetime", Stepped)
    assert timedelta() <= clock.now() - before < timedelta(hours=1)
