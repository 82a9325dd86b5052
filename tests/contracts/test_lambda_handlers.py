"""Handlers in the stand-in: real code, virtual time, cold starts.

Sources: lambda-canary.md §2.2 (Duration and Init) and §9 trap 9; the rest is the stand-in's own promise.
"""

from __future__ import annotations

import json
import random
from typing import Any

import boto3
import pytest

from canary.testing import AwsStandIn

SLEEPY = """
import time

def handler(event, context):
    time.sleep(event["s"])
    return context.get_remaining_time_in_millis()
"""


@pytest.fixture
def client(canary_aws: AwsStandIn) -> Any:
    return boto3.client("lambda")


def read(answer: Any) -> Any:
    return json.loads(answer["Payload"].read())


@pytest.mark.parametrize(
    ("source", "handler", "kind"),
    [
        ("import not_there_at_all", "app.handler", "Runtime.ImportModuleError"),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound"),
        ("x = 1", "other.handler", "Runtime.ImportModuleError"),
        ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError"),
        ("raise RuntimeError('no database')", "app.handler", "RuntimeError"),
    ],
)
def test_code_that_cannot_be_imported_fails_each_invocation(
    canary_aws: AwsStandIn, client: Any, source: str, handler: str, kind: str
) -> None:
    canary_aws.lambda_.deploy("f", source, Handler=handler)
    for _ in range(2):
        answer = client.invoke(FunctionName="f")
        assert (answer["FunctionError"], read(answer)["errorType"]) == ("Unhandled", kind)


def test_a_handler_that_asks_whether_there_is_a_stream_gets_an_answer(canary_aws: AwsStandIn, client: Any) -> None:
    """`logging` does, in its last resort; a stream has no length."""
    canary_aws.lambda_.deploy("api", "import sys\ndef handler(event, context): return bool(sys.stderr)")
    assert read(client.invoke(FunctionName="api")) is True


def test_no_except_of_the_handler_stops_a_timeout(canary_aws: AwsStandIn) -> None:
    swallow = """
        import time
        def handler(event, context):
            try:
                time.sleep(60)
            except:
                return "escaped"
    """
    canary_aws.lambda_.deploy("f", swallow)
    assert canary_aws.lambda_.call("f").error == "Unhandled"


def test_sleep_is_the_invocations_time_only(canary_aws: AwsStandIn, client: Any) -> None:
    """A pause of the handler is its Duration; neither the clock nor the test waits."""
    canary_aws.lambda_.deploy("f", SLEEPY, Timeout=900)
    before = canary_aws.clock.monotonic()
    assert read(client.invoke(FunctionName="f", Payload=b'{"s": 600}')) == 300_000
    assert canary_aws.clock.monotonic() == before
    assert canary_aws.lambda_.recent[-1].duration_ms == pytest.approx(600_000, abs=2)


def test_a_handlers_clocks_run_on_virtual_time(canary_aws: AwsStandIn) -> None:
    source = """
        import time
        def handler(event, context):
            started, wall = time.perf_counter(), time.time()
            time.sleep(2)
            return [time.perf_counter() - started, time.time() - wall, wall]
    """
    canary_aws.lambda_.deploy("f", source)
    canary_aws.clock.advance(3600)
    took, wall_took, wall = json.loads(canary_aws.lambda_.call("f").payload)
    assert (took, wall_took) == (pytest.approx(2), pytest.approx(2))
    assert wall == pytest.approx(canary_aws.clock.epoch_s(), abs=1)


def test_cold_starts_are_paid_per_version_and_per_parallel_request(canary_aws: AwsStandIn) -> None:
    """A new version has cold environments, and Duration hides Init (lambda-canary.md §9, trap 9)."""
    canary_aws.lambda_.deploy("f", SLEEPY)
    canary_aws.lambda_.deploy("f", SLEEPY + "\n# 2")
    call = canary_aws.lambda_.call
    first = call("f", "1", b'{"s": 0.5}')
    assert (first.init_ms, first.duration_ms) == (200, pytest.approx(501))
    assert call("f", "1", b'{"s": 0.5}').init_ms == 200  # the first environment is busy
    canary_aws.clock.advance(1)
    assert call("f", "1", b'{"s": 0.5}').init_ms == 0
    assert call("f", "2", b'{"s": 0.5}').init_ms == 200
    canary_aws.clock.advance(3600)
    assert call("f", "1", b'{"s": 0.5}').init_ms == 200  # idle environments end


def test_module_level_code_runs_in_init_and_its_state_stays(canary_aws: AwsStandIn) -> None:
    source = """
        import time
        time.sleep(1.5)
        count = 0
        def handler(event, context):
            global count
            count += 1
            return count
    """
    canary_aws.lambda_.deploy("f", source)
    first = canary_aws.lambda_.call("f", "1")
    assert (first.payload, first.init_ms) == (b"1", pytest.approx(1700))
    assert first.duration_ms == 1
    canary_aws.clock.advance(5)
    assert canary_aws.lambda_.call("f", "1").payload == b"2"
    assert canary_aws.lambda_.call("f", "$LATEST").payload == b"1"


def test_packages_of_several_modules_do_not_mix(canary_aws: AwsStandIn) -> None:
    """Both versions have an `app` and a `helper`, one imported late; each sees its own, and the process neither."""
    import io
    import sys
    import zipfile

    for number in ("1", "2"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(
                "app.py", "import helper\ndef handler(e, c):\n    import late\n    return helper.X + late.X\n"
            )
            archive.writestr("helper.py", f"X = 'h{number}'\n")
            archive.writestr("late.py", f"X = 'l{number}'\n")
        assert canary_aws.lambda_.deploy("f", buffer.getvalue()) == number
    path = list(sys.path)
    for number in ("1", "2", "1", "2"):
        assert canary_aws.lambda_.call("f", number).payload == json.dumps(f"h{number}l{number}").encode()
    assert {"app", "helper", "late"} & set(sys.modules) == set()
    assert sys.path == path


def test_handlers_draw_the_same_random_numbers_in_every_run() -> None:
    def handler(event: object, context: object) -> float:
        return random.random()

    def drawn() -> list[bytes]:
        with AwsStandIn(seed=3) as aws:
            aws.lambda_.deploy("f", handler)
            return [aws.lambda_.call("f").payload for _ in range(5)]

    before = random.getstate()
    assert drawn() == drawn()
    assert random.getstate() == before


def test_asyncio_waits_in_the_invocations_time(canary_aws: AwsStandIn) -> None:
    source = """
        import asyncio, time
        async def main(seconds):
            started = time.monotonic_ns()
            await asyncio.gather(asyncio.sleep(seconds), asyncio.sleep(seconds / 2))
            return (time.monotonic_ns() - started) / 1e9
        def handler(event, context):
            return asyncio.run(main(event["s"]))
    """
    canary_aws.lambda_.deploy("f", source)
    outcome = canary_aws.lambda_.call("f", "", b'{"s": 2}')
    assert (json.loads(outcome.payload), outcome.duration_ms) == (pytest.approx(2), pytest.approx(2001))
    assert b"Sandbox.Timedout" in canary_aws.lambda_.call("f", "", b'{"s": 200}').payload


def test_an_init_that_takes_too_long_fails(canary_aws: AwsStandIn) -> None:
    """Init is limited to 10 s (developer guide, "Lambda execution environment lifecycle")."""
    canary_aws.lambda_.deploy("f", "import time\ntime.sleep(11)\n")
    assert canary_aws.lambda_.call("f").error == "Unhandled"


def test_a_negative_pause_is_an_error_of_the_handler(canary_aws: AwsStandIn) -> None:
    canary_aws.lambda_.deploy("f", SLEEPY)
    assert b"ValueError" in canary_aws.lambda_.call("f", "", b'{"s": -1}').payload


@pytest.mark.parametrize("stop", [KeyboardInterrupt, pytest.fail.Exception])
def test_a_stop_that_is_not_the_handlers_own_reaches_the_test(
    canary_aws: AwsStandIn, stop: type[BaseException]
) -> None:
    def handler(event: Any, context: Any) -> None:
        raise stop("enough")

    canary_aws.lambda_.deploy("f", handler)
    with pytest.raises(stop):
        canary_aws.lambda_.call("f")


def test_a_package_may_read_its_own_files(canary_aws: AwsStandIn) -> None:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        code = "import os, pathlib\n\ndef handler(e, c):\n"
        code += "    root = pathlib.Path(os.environ['LAMBDA_TASK_ROOT'])\n    return (root / 'data.txt').read_text()\n"
        archive.writestr("app.py", code)
        archive.writestr("data.txt", "hello")
    canary_aws.lambda_.deploy("f", buffer.getvalue())
    assert canary_aws.lambda_.call("f").payload == b'"hello"'
