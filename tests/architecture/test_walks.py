"""The walks of docs/architecture.md happen: their functions are called, in their order, between the ends they name."""

from __future__ import annotations

import io
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from canary.testing import AwsStandIn
from flagkit import Flags, StaticSource
from flagkit.testing import AppConfigFlags

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROLLOUT = {"name": "on", "enabled": True, "rule": '(split pct::25 by::$userId seed::"f")'}
OFF = {"name": "off", "enabled": False}
PLAN = """
[stages.staging]
functions = ["api:live"]
steps = [20, 50]
bake = "5m"
[stages.staging.rules]
clean_tree = false
"""
HANDLER = """
import random
def handler(event, context):
    if random.random() < {failing}:
        raise RuntimeError("broken")
    return {{"statusCode": 200}}
"""

Call = tuple[str, str]


class Trace:
    """The calls of functions of both packages, and of AWS, in their order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._names: dict[CodeType, Call | None] = {}

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if code.co_name == "_make_api_call":
            if event in ("call", "return"):
                self.calls.append(("aws" if event == "call" else "answered", str(frame.f_locals.get("operation_name"))))
        elif event == "call":
            if code not in self._names:
                self._names[code] = self._name(code)
            if name := self._names[code]:
                self.calls.append(name)

    def _name(self, code: CodeType) -> Call | None:
        path = Path(code.co_filename)
        if not path.is_relative_to(ROOT) or path.relative_to(ROOT).parts[0] not in ("flagkit", "canary"):
            return None
        return code.co_qualname.replace(".<locals>", ""), str(path.relative_to(ROOT))

    def until(self, operation: str, occurrence: int = 0) -> int:
        """Where a call of AWS stands."""
        return [number for number, call in enumerate(self.calls) if call == ("aws", operation)][occurrence]


@contextmanager
def traced() -> Iterator[Trace]:
    trace = Trace()
    sys.setprofile(trace)
    threading.setprofile(trace)  # a call of AWS runs in a thread of its own, which is waited for
    try:
        yield trace
    finally:
        threading.setprofile(None)
        sys.setprofile(None)


def steps(heading: str) -> list[Call]:
    """The functions and files of one walk."""
    section = PAGE.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    found = re.findall(r"^\| \d+ \| `([\w.]+)` \| `([\w/]+\.py)` \|", section, re.MULTILINE)
    assert found
    return [(name, file) for name, file in found]


def missing(walk: list[Call], calls: list[Call]) -> list[Call]:
    """The steps that aren't called after the ones before them."""
    left = iter(calls)
    return [step for step in walk if step not in left]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """`canary deploy staging` of a version that is rolled back."""
    from canary.cli import run
    from canary.cli.session import CliContext

    base = tmp_path_factory.mktemp("release")
    (base / "canary.toml").write_text(PLAN)
    with AwsStandIn(seed=3) as aws:
        aws.lambda_.deploy("api", HANDLER.format(failing=0), alias="live")
        aws.traffic.steady("api", "live", requests_per_minute=120)
        aws.clock.advance(300)
        aws.lambda_.deploy("api", HANDLER.format(failing=0.6))
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out), traced() as trace:
            code = run(("deploy", "staging"), CliContext(clock=aws.clock, base=base))
    assert code == 3, out.getvalue()
    return trace


def test_from_a_user_id_to_its_bucket() -> None:
    flags = Flags(StaticSource({"f": {"_variants": [ROLLOUT, OFF]}}))
    walk = steps("From a user id to its bucket")
    with traced() as trace:
        flags.is_enabled("f", "user-8")
    assert missing(walk, trace.calls) == []
    flags.prepare()
    with traced() as trace:
        flags.is_enabled("f", "user-8")
    assert trace.calls == [walk[0]], "and the generated function, which is in no file"


def test_from_flagkit_rollout_to_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    from flagkit.cli import run
    from flagkit.cli.context import CliContext

    with AwsStandIn() as aws:
        profile = AppConfigFlags(aws.session())
        profile.deploy({f"flag{number}": {"_variants": [ROLLOUT, OFF]} for number in range(20)})
        aws.clock.advance(700)
        monkeypatch.setenv("FLAGKIT_SOURCE", profile.url)
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out), traced() as trace:
            run(("rollout", "flag3", "40"), CliContext(aws.clock, session=aws.session()))
    calls = trace.calls[: trace.until("StartDeployment")]
    assert missing(steps("From `flagkit rollout` to `StartDeployment`"), calls) == [], out.getvalue()


def test_from_canary_deploy_to_the_first_write(release: Trace) -> None:
    calls = release.calls[: release.until("UpdateAlias")]
    assert missing(steps("From `canary deploy` to the first write"), calls) == []


def test_from_an_error_count_to_the_rollback(release: Trace) -> None:
    """The third UpdateAlias is the rollback: the record and the first weight come before it."""
    end = release.until("UpdateAlias", 2)
    start = max(number for number, call in enumerate(release.calls[:end]) if call == ("answered", "GetMetricData"))
    walk = steps("From a minute's error count to `UpdateAlias`")
    assert missing(walk, release.calls[start:end]) == []


def test_a_walk_in_another_order_is_found() -> None:
    calls: list[Any] = [("a", "x.py"), ("b", "x.py"), ("c", "y.py")]
    assert missing([calls[1], calls[0]], calls) == [calls[0]]
