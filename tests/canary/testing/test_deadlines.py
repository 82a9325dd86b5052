"""Handlers that never return: they end at their deadline, and the next one runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import boto3
import pytest

from canary.testing import AwsStandIn
from canary.testing.lambda_ import Outcome, deadline, sandbox
from canary.testing.lambda_.deadline import Deadlines, StillRunning

pytestmark = pytest.mark.slow  # coverage is a tracer, and with one handlers aren't interrupted in Python 3.11

HANGS = {
    "loop": "def handler(event, context):\n    while True: pass",
    "no exception stops it": """
        def handler(event, context):
            try:
                while True: pass
            except BaseException:
                return "escaped"
    """,
    "while it is imported": "while True: pass",
}


class Stop(BaseException):
    pass


class Quick(Deadlines):
    """Waits for a moment in the place of the whole timeout, where a handler hangs."""

    hangs = False

    def run(self, work: Callable[[], object], limit_s: float) -> object:  # type: ignore[override]
        assert limit_s >= 5, "a busy machine is no hang"
        return super().run(work, 0.05 if self.hangs else 60)

    def __call__(self, aws: AwsStandIn, name: str, payload: bytes = b"{}") -> Outcome:
        self.hangs = True
        try:
            return aws.lambda_.call(name, payload=payload)
        finally:
            self.hangs = False


@pytest.fixture
def hang(canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Quick]:
    quick = Quick(sandbox.TimedOut)
    monkeypatch.setattr(sandbox, "_deadlines", quick)
    canary_aws.lambda_.settings.ends_hangs = True
    yield quick
    quick.close()


@pytest.mark.parametrize("source", HANGS.values(), ids=HANGS)
def test_a_handler_that_never_returns_times_out_as_on_lambda(canary_aws: AwsStandIn, hang: Quick, source: str) -> None:
    canary_aws.lambda_.deploy("f", source)
    outcome = hang(canary_aws, "f")
    assert outcome.error == "Unhandled"
    assert b"Task timed out after 3.00 seconds" in outcome.payload
    canary_aws.lambda_.deploy("g", "def handler(event, context): return 1")
    assert canary_aws.lambda_.call("g").payload == b"1"


def test_the_environment_of_a_handler_that_hung_is_not_used_again(canary_aws: AwsStandIn, hang: Quick) -> None:
    source = (
        "calls = []\ndef handler(event, context):\n    calls.append(1)\n    while event: pass\n    return len(calls)"
    )
    canary_aws.lambda_.deploy("f", source)
    assert canary_aws.lambda_.call("f").payload == b"1"
    assert canary_aws.lambda_.call("f").payload == b"2"
    assert hang(canary_aws, "f", b"[1]").error == "Unhandled"
    assert canary_aws.lambda_.call("f").payload == b"1"


@pytest.mark.usefixtures("hang")
def test_a_handler_with_a_deadline_may_invoke_another_function(canary_aws: AwsStandIn) -> None:
    def outer(_event: object, _context: object) -> object:
        return boto3.client("lambda").invoke(FunctionName="inner")["StatusCode"]

    canary_aws.lambda_.deploy("inner", "def handler(event, context): return 7")
    canary_aws.lambda_.deploy("outer", outer)
    assert canary_aws.lambda_.call("outer").payload == b"200"


def test_what_waits_in_c_code_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_PAUSE_S", 0.01)
    deadlines, lock = Deadlines(Stop), threading.Lock()
    with lock, pytest.raises(StillRunning):
        deadlines.run(lock.acquire, 0.01)
    assert deadlines.run(lambda: 5, 10) == 5
    with pytest.raises(ZeroDivisionError):
        deadlines.run(lambda: 1 // 0, 10)
    deadlines.close()
