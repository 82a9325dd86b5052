"""The command line on the stand-in: real boto3 calls, virtual time, a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from canary.cli import run
from canary.cli.session import CliContext
from canary.testing import AwsStandIn

PLAN = """\
[stages.staging]
functions = ["api:live"]
steps = [20, 50]
bake = "5m"
hold_max = "5m"

[stages.staging.rules]
clean_tree = false

[stages.prod]
functions = ["api:live"]
"""


@dataclass
class FakeRevision:
    """What git would say."""

    on_branch: str | None = "main"
    files: tuple[str, ...] | None = ()

    def branch(self) -> str | None:
        return self.on_branch

    def is_on(self, branch: str) -> bool:
        return self.on_branch == branch

    def uncommitted(self) -> tuple[str, ...] | None:
        return self.files

    def commit(self) -> str | None:
        return "abc"

    def author(self) -> str | None:
        return "Amira"

    def person(self) -> str:
        return "ci"


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


@dataclass
class Desk:
    """A person at a terminal, with AWS behind it."""

    aws: AwsStandIn
    base: Path
    capture: pytest.CaptureFixture[str]
    revision: FakeRevision = field(default_factory=FakeRevision)
    answer: str | None = None
    asked: list[str] = field(default_factory=list)

    def __call__(self, *words: str) -> Done:
        self.capture.readouterr()
        ask: Callable[[str], str] | None = None if self.answer is None else self._ask
        context = CliContext(clock=self.aws.clock, revision=self.revision, base=self.base, ask=ask)
        code = run(words, context)
        caught = self.capture.readouterr()
        return Done(code, caught.out, caught.err)

    def _ask(self, question: str) -> str:
        self.asked.append(question)
        assert self.answer is not None
        return self.answer

    def write_plan(self, text: str) -> None:
        (self.base / "canary.toml").write_text(text)

    def release(self, failing_percent: int, number: str = "2") -> str:
        """Publishes a version that fails so many percent of its requests."""
        source = f"""
            import random

            draw = random.Random({number})

            def handler(event, context):
                if draw.random() * 100 < {failing_percent}:
                    raise RuntimeError("no")
                return {{"statusCode": 200}}
        """
        return self.aws.lambda_.deploy("api", source, alias="live")

    def alias(self) -> tuple[str, dict[str, float]]:
        client: Any = self.aws.session().client("lambda")
        answer = client.get_alias(FunctionName="api", Name="live")
        return answer["FunctionVersion"], answer.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "CANARY_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    with AwsStandIn(seed=3) as aws:
        made = Desk(aws, tmp_path, capsys)
        made.write_plan(PLAN)
        made.release(0, "1")
        yield made


@pytest.fixture
def traffic(desk: Desk) -> None:
    """Five minutes of it, which take as long as ten tests."""
    desk.aws.traffic.steady("api", "live", requests_per_minute=300)
    desk.aws.clock.advance(5 * 60)


@pytest.fixture(autouse=True)
def few_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    """`plan --rps` simulates a few releases only."""
    monkeypatch.setattr("canary.simulator.power.HEALTHY_RUNS", 4)
    monkeypatch.setattr("canary.simulator.power.REGRESSION_RUNS", 8)
