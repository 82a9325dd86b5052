"""One invocation: which version, is there room, run it, report it. The API around it is in `invoke`."""

from __future__ import annotations

import json
import random
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from canary.testing.lambda_.disturbance import Disturbances
from canary.testing.lambda_.sandbox import Result, Sandbox, Stopwatch
from canary.testing.lambda_.settings import LambdaSettings
from canary.testing.lambda_.state import LATEST, Alias, Function, Version
from canary.testing.lambda_.telemetry import Telemetry
from flagkit.testing import VirtualClock
from flagkit.testing.turns import TurnLock

ANSWER_MAX_BYTES = 6 * 1024 * 1024 + 100  # 6291556, as AWS's message says


@dataclass(slots=True)
class Outcome:
    """What became of one invocation.

    Attributes:
        at: its start, virtual time.
        function: name of the function.
        qualifier: the alias or version that was called, "" for none.
        version: the version that ran, "" if it was throttled.
        payload: the answer, or AWS's error document.
        error: `Unhandled` if the handler failed, `Throttled` or `Pending` if nothing ran, else None.
        duration_ms: as AWS reports it: without Init.
        init_ms: the cold start, 0 for a warm environment.
        request_id: the invocation's id.
        log: what the handler wrote.
        stream: the log stream of its environment.
    """

    at: datetime
    function: str
    qualifier: str
    version: str
    payload: bytes
    error: str | None
    duration_ms: float
    init_ms: float
    request_id: str
    log: list[str]
    stream: str = ""

    @property
    def latency_ms(self) -> float:
        """What the caller waits: Init and Duration."""
        return self.init_ms + self.duration_ms


class ClientContext:
    """What a caller sent as `ClientContext`, the way Python's runtime hands it on."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.custom = value.get("custom")
        self.env = value.get("env")
        self.client = value.get("client")


class HandlerContext:
    """The context object of Python's Lambda runtime."""

    def __init__(
        self,
        function: Function,
        qualifier: str,
        version: Version,
        request_id: str,
        watch: Stopwatch,
        stream: str,
        client_context: ClientContext | None = None,
    ) -> None:
        self.function_name = function.name
        self.function_version = version.number
        # The handler sees the real version, but the ARN by which it was called (lambda-canary.md §1).
        self.invoked_function_arn = function.qualified_arn(qualifier)
        self.memory_limit_in_mb = str(version.config["MemorySize"])
        self.aws_request_id = request_id
        self.log_group_name = f"/aws/lambda/{function.name}"
        self.log_stream_name = stream
        self.identity = None
        self.client_context = client_context
        self._watch = watch

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's timeout."""
        return max(0, int((self._watch.limit_s - self._watch.spent_s) * 1000))


def environment_variables(function: Function, version: Version, stream: str, region: str) -> dict[str, str]:
    """What Lambda's runtime sets (developer guide, "Defined runtime environment variables"), with the function's own.

    `LAMBDA_TASK_ROOT` is set when the code is unpacked.
    """
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "ASIASTANDIN000000000",
        "AWS_SECRET_ACCESS_KEY": "stand-in",
        "AWS_SESSION_TOKEN": "stand-in",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.config['Runtime']}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version.number,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.config["MemorySize"]),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "_HANDLER": version.config["Handler"],
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/opt/lib",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "TZ": ":UTC",
        **version.config.get("Environment", {}).get("Variables", {}),
    }


class Invoker:
    """Runs invocations.

    Args:
        clock: virtual time.
        telemetry: takes metrics and logs.
        settings: delays and durations.
        seed: makes routing and ids repeatable.
        lock: of the stand-in, whose turn handlers work in.
    """

    def __init__(
        self, clock: VirtualClock, telemetry: Telemetry, settings: LambdaSettings, seed: int, lock: TurnLock
    ) -> None:
        self.clock = clock
        self._lock = lock
        self.settings = settings
        self.telemetry = telemetry
        self.account_concurrency = 1000
        self.recent: deque[Outcome] = deque(maxlen=10_000)
        self.disturbances = Disturbances(seed)
        self._cold = random.Random(f"{seed}/cold")
        self._routing = random.Random(f"{seed}/routing")
        self._ids = random.Random(f"{seed}/ids")
        self._sandboxes: dict[Version, Sandbox] = {}

    def new_id(self) -> str:
        """A repeatable UUID."""
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def route(self, function: Function, qualifier: str) -> Version | None:
        """The version that a call of this qualifier runs; an alias draws anew for each call, never sticky."""
        alias = function.aliases.get(qualifier)
        if alias is None:
            return function.version(qualifier or LATEST)
        primary, weights = self._routing_of(alias)
        for number, weight in weights.items():
            if self._routing.random() < weight:
                return function.version(number)
        return function.version(primary)

    def _routing_of(self, alias: Alias) -> tuple[str, dict[str, float]]:
        settle_s = self.settings.settle_s
        if settle_s > 0:
            # AWS gives no propagation time (lambda-canary.md §1): front ends learn of the change one after another.
            age_s = (self.clock.now() - alias.changed_at).total_seconds()
            if age_s < settle_s and self._routing.random() >= age_s / settle_s:
                return alias.earlier
        return alias.primary, alias.weights

    def invoke(
        self, function: Function, qualifier: str, payload: bytes, client_context: ClientContext | None = None
    ) -> Outcome:
        """Invokes now and returns at once; the time that the handler sleeps is in the outcome, not on the clock.

        Args:
            function: what to call.
            qualifier: alias or version, "" for neither.
            payload: the event as JSON.
            client_context: what a synchronous caller sent beside it.
        """
        version = self.route(function, qualifier)
        if version is None:
            message = f"{function.name} has no {qualifier}"
            raise LookupError(message)
        clock = self.clock
        at, at_s = clock.now(), clock.monotonic()
        if version.active_at > at:
            # Routing to a version that is not Active yet answers 409 (lambda-canary.md §1).
            return Outcome(at, function.name, qualifier, "", b"", "Pending", 0.0, 0.0, self.new_id(), [])
        if self._is_full(function, at_s):
            return self._throttle(function, qualifier, at)
        request_id = self.new_id()
        sandbox, init_s, failure = self._environment(version, function, at_s)
        limit_s = version.timeout_s
        if failure is None:
            watch = Stopwatch(clock.epoch_s() + init_s, at_s + init_s, limit_s)
            context = HandlerContext(function, qualifier, version, request_id, watch, sandbox.stream, client_context)
            result = self._run(sandbox, payload, context, watch)
        else:
            result = failure
        duration_s = min(limit_s, result.spent_s + self.settings.overhead_s)
        version.environments.occupy(at_s + init_s + duration_s)
        body, error = _answer(result, request_id, limit_s)
        log = sandbox.output.take_lines()
        if error is not None:
            log.append(_error_line(result, body))
        outcome = Outcome(
            at,
            function.name,
            qualifier,
            version.number,
            body,
            error,
            duration_s * 1000,
            init_s * 1000,
            request_id,
            log,
            sandbox.stream,
        )
        self._report(function, outcome, at_s + init_s + duration_s)
        if result.hung:
            self.forget(version)  # Lambda, too, starts a new environment after a timeout
        return outcome

    def _run(self, sandbox: Sandbox, payload: bytes, context: HandlerContext, watch: Stopwatch) -> Result:
        disturbances = self.disturbances
        error, longer_s = None, 0.0
        if disturbances.active:
            request_id = context.aws_request_id
            error, longer_s = disturbances.draw(
                context.function_name, context.function_version, request_id, self.clock.now()
            )
        # Without a payload the handler's event is {} (lambda-canary.md §1).
        result = Result(error=error) if error else sandbox.run(json.loads(payload or b"{}"), context, watch)
        result.spent_s += longer_s
        if result.spent_s >= watch.limit_s:
            return Result(spent_s=watch.limit_s, timed_out=True, hung=result.hung)
        return result

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the imported code, which is imported again when it is needed."""
        return {**self.__dict__, "_sandboxes": {}}

    def forget(self, version: Version) -> None:
        """Ends all environments of a version, after a change of its code or settings."""
        version.environments.clear()
        sandbox = self._sandboxes.pop(version, None)
        if sandbox is not None:
            sandbox.close()

    def close(self) -> None:
        """Ends all environments."""
        for version in list(self._sandboxes):
            self.forget(version)

    def _is_full(self, function: Function, at_s: float) -> bool:
        reserved = function.reserved_concurrency
        return reserved is not None and function.busy(at_s) >= reserved

    def _throttle(self, function: Function, qualifier: str, at: datetime) -> Outcome:
        # Nothing ran, so no version is named (lambda-canary.md §2.1); throttles are in neither Invocations nor Errors.
        self.telemetry.count("Throttles", self.telemetry.dimension_sets(function.name, qualifier, ""), at)
        outcome = Outcome(at, function.name, qualifier, "", b"", "Throttled", 0.0, 0.0, self.new_id(), [])
        self.recent.append(outcome)
        return outcome

    def _environment(self, version: Version, function: Function, at_s: float) -> tuple[Sandbox, float, Result | None]:
        """An environment for a request: its sandbox, the cold start it costs, and what went wrong in it."""
        cold = version.environments.take(at_s, self.settings.idle_s)
        cold = cold or (self.settings.cold_ratio > 0 and self._cold.random() < self.settings.cold_ratio)
        sandbox = self._sandboxes.get(version)
        if sandbox is not None:
            return sandbox, self.settings.init_s + sandbox.init_s if cold else 0.0, None
        stream = self._log_stream(version)
        variables = environment_variables(function, version, stream, function.arn.split(":")[3])
        ends_hangs = self.settings.ends_hangs
        sandbox = Sandbox(version.code, version.config["Handler"], variables, self._lock, stream, ends_hangs)
        failure = sandbox.initialise(self.clock.epoch_s(), at_s)
        if failure is None:
            self._sandboxes[version] = sandbox
            return sandbox, self.settings.init_s + sandbox.init_s, None
        # A failed Init is tried again by the next request.
        version.environments.clear()
        return sandbox, self.settings.init_s + sandbox.init_s, failure

    def _log_stream(self, version: Version) -> str:
        number = self._cold.getrandbits(128)
        return f"{self.clock.now():%Y/%m/%d}/[{version.number}]{number:032x}"

    def _report(self, function: Function, outcome: Outcome, end_s: float) -> None:
        self.recent.append(outcome)
        telemetry = self.telemetry
        if outcome.log:
            telemetry.lines(outcome.log, function.name, outcome.version, outcome.request_id, outcome.at)
        alias = function.aliases.get(outcome.qualifier)
        sparse = alias is not None and not alias.weights and not self.settings.executed_version_without_weights
        sets = telemetry.dimension_sets(function.name, outcome.qualifier, "" if sparse else outcome.version)
        failed = outcome.error is not None
        # Dated at the start, known at the end: the error of a ten-minute call appears ten minutes back
        # (lambda-canary.md §2.2). Below a second it makes no difference to minutes of metrics.
        wait_s = end_s - self.clock.monotonic()
        if wait_s < 1.0:
            telemetry.executed(sets, outcome.at, outcome.duration_ms, failed=failed)
        else:
            self.clock.call_after(
                wait_s, partial(telemetry.executed, sets, outcome.at, outcome.duration_ms, failed=failed)
            )


def _error_line(result: Result, body: bytes) -> str:
    document = json.loads(body)
    prefix = "" if result.timed_out else f"[ERROR] {document['errorType']}: "
    return prefix + str(document["errorMessage"])


def _answer(result: Result, request_id: str, limit_s: float) -> tuple[bytes, str | None]:
    """The payload and `FunctionError` of an invocation."""
    if result.timed_out:
        text = f"RequestId: {request_id} Error: Task timed out after {limit_s:.2f} seconds"
        return json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": text}).encode(), "Unhandled"
    error = result.error
    if error is None:
        try:
            body = json.dumps(result.value, ensure_ascii=False).encode()
        except (TypeError, ValueError) as problem:
            error = {
                "errorMessage": f"Unable to marshal response: {problem}",
                "errorType": "Runtime.MarshalError",
                "requestId": request_id,
                "stackTrace": [],
            }
        else:
            if len(body) <= ANSWER_MAX_BYTES:
                return body, None
            text = f"Response payload size exceeded maximum allowed payload size ({ANSWER_MAX_BYTES} bytes)."
            error = {"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"}
    return json.dumps(error, ensure_ascii=False).encode(), "Unhandled"
