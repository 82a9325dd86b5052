"""The PairedProbes port: the same synthetic request to both versions, by their numbers; an answer is a value.

Pairs are sent by threads beside the driver, evenly over a minute, so a function that hangs delays no judgement. Where
threads can't outlive a call (a driver in Lambda) or must not run (a virtual clock) they are sent at once, for a bounded
time. What wasn't answered in time, was throttled or refused is unknown: such a pair isn't counted at all.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from canary.adapters.aws import Api, Session, read_body
from canary.adapters.health import as_http
from canary.core import probes
from canary.core.measurements import MINUTE, DataState, MinuteCounts, Stream, StreamKey
from canary.core.plan import ProbesGate, StagePlan
from canary.core.schedule import whole_minute
from canary.errors import AwsError
from canary.ports import Clock, Target
from flagkit.channels.http import DeadlineError, within
from flagkit.channels.text import printable

AT_ONCE: Final = 8
"""Pairs on their way at the same time, at most: slow functions are probed less often, not with more threads."""
TOGETHER_S: Final = 20.0
"""How long pairs that are sent at once may take in all."""
GRACE_S: Final = 5.0
LOOK_AGAIN_S: Final = 0.25
"""Real seconds after which a wait asks the clock again, which may run faster."""
UNKNOWN_IN_A_ROW: Final = 3
"""After so many pairs without a known answer the rest of the minute isn't sent: who throttles or hangs gets no more."""
LARGEST_ANSWER: Final = 6_400_000
"""Bytes; Lambda itself answers 6 MB at most."""

_CLIENT_CONTEXT: Final = base64.b64encode(json.dumps(probes.CLIENT_CONTEXT).encode()).decode()


@dataclass
class _Tally:
    """What the pairs of one function have answered since it was last asked. Threads add to it."""

    rows: dict[datetime, tuple[int, int, int]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, minute: datetime, *, candidate_failed: bool, baseline_failed: bool) -> None:
        with self.lock:
            pairs, candidate, baseline = self.rows.get(minute, (0, 0, 0))
            self.rows[minute] = (
                pairs + 1,
                candidate + (candidate_failed and not baseline_failed),
                baseline + (baseline_failed and not candidate_failed),
            )

    def take(self) -> tuple[MinuteCounts, ...]:
        with self.lock:
            rows, self.rows = self.rows, {}
        return tuple(
            MinuteCounts(minute, pairs, candidate, pairs, baseline)
            for minute, (pairs, candidate, baseline) in sorted(rows.items())
        )


class PairedInvocations:
    """Sends the probes of a stage.

    Args:
        session: for the invocations.
        clock: dates the pairs.
        beside: in threads beside the driver; otherwise at once, before `collect` returns.
    """

    def __init__(self, session: Session, clock: Clock, *, beside: bool) -> None:
        self._session, self._clock, self._beside = session, clock, beside
        self._lambda: dict[float, Api] = {}
        self.batches: dict[tuple[StreamKey, str, str], Batch] = {}

    def collect(self, stage: StagePlan, targets: Sequence[Target]) -> tuple[Stream, ...]:
        """What has been answered since the last call; begins the pairs of the next minute where none are on their way.

        A tick that is longer than a minute gets as many pairs as its minutes.
        """
        return tuple(
            self._collect(StreamKey(target.function.key, name), gate, target, max(MINUTE, stage.tick))
            for name, gate in stage.gates.items()
            if isinstance(gate, ProbesGate)
            for target in targets
            if StreamKey(target.function.key, name) in stage.keys(name)
        )

    def first(self, stage: StagePlan, targets: Sequence[Target]) -> tuple[tuple[StreamKey, str], ...]:
        """One probe of each target's baseline, before the start: by stream, why it isn't a success; empty if it is."""
        found: list[tuple[StreamKey, str]] = []
        for name, gate in stage.gates.items():
            for target in targets if isinstance(gate, ProbesGate) else ():
                key = StreamKey(target.function.key, name)
                if isinstance(gate, ProbesGate) and key in stage.keys(name):
                    ok, why = _send(self._api(gate), gate, target, target.baseline)
                    found.append((key, "" if ok else why))
        return tuple(found)

    def stop(self) -> None:
        """Sends no more pairs until `collect` is called again."""
        for batch in self.batches.values():
            batch.stop()

    def _collect(self, key: StreamKey, gate: ProbesGate, target: Target, length: timedelta) -> Stream:
        name = (key, target.candidate, target.baseline)
        batch = self.batches.get(name)
        state, detail = (DataState.COMPLETE, "") if batch is None else batch.state()
        if batch is None or batch.is_over:
            total = round(gate.per_minute * (length / MINUTE))
            tally = _Tally() if batch is None else batch.tally
            batch = self.batches[name] = Batch(self._api(gate), gate, target, total, tally, self._clock)
            if self._beside:
                batch.start(length.total_seconds())
            else:
                batch.run(TOGETHER_S)
                state, detail = batch.state()
        return Stream(key, batch.tally.take(), state=state, detail=detail)

    def _api(self, gate: ProbesGate) -> Api:
        seconds = gate.timeout.total_seconds()
        if seconds not in self._lambda:
            self._lambda[seconds] = Api(self._session, "lambda", read_timeout_s=seconds)
        return self._lambda[seconds]


class Batch:
    """The pairs of one minute of one function."""

    def __init__(self, api: Api, gate: ProbesGate, target: Target, total: int, tally: _Tally, clock: Clock) -> None:
        self.tally = tally
        self._api, self._gate, self._target, self._clock = api, gate, target, clock
        self._total = total
        self._numbers = itertools.count()
        self._stopped = threading.Event()
        self.threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._known = self._alike = self._unknown = self._in_a_row = 0
        self._why = ""

    @property
    def is_over(self) -> bool:
        """Whether no more pairs will be sent by it."""
        return not any(thread.is_alive() for thread in self.threads)

    def state(self) -> tuple[DataState, str]:
        """How well the stream is known by this batch. Without any known pair it isn't."""
        with self._lock:
            known, alike, unknown, why = self._known, self._alike, self._unknown, self._why
        if unknown and not known:
            return DataState.FAILED, why
        if known >= UNKNOWN_IN_A_ROW and alike == known:
            return DataState.UNKNOWN, f"all {known} pairs failed on both versions, so they compare nothing"
        return DataState.COMPLETE, ""

    def start(self, length_s: float) -> None:
        """Sends the pairs in threads, evenly over so many seconds."""
        elapsed_s = self._elapsed_s()
        self.threads = [
            threading.Thread(target=self._work, args=(elapsed_s, length_s), name="canary-probes", daemon=True)
            for _ in range(min(AT_ONCE, self._total))
        ]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Sends no more pairs; calls on their way are finished."""
        self._stopped.set()

    def run(self, longest_s: float) -> None:
        """Sends the pairs one after the other, for so many seconds at most."""
        end = monotonic() + longest_s
        while monotonic() < end and self._next(monotonic, 0.0):
            pass

    def _elapsed_s(self) -> Callable[[], float]:
        """Seconds from now on, of the clock or the machine, whichever runs faster: a sandbox's clock may.

        A step back of the clock holds no pair up.
        """
        began, began_s, clock = self._clock.now(), monotonic(), self._clock
        return lambda: max((clock.now() - began).total_seconds(), monotonic() - began_s)

    def _work(self, elapsed_s: Callable[[], float], length_s: float) -> None:
        while elapsed_s() < length_s and self._next(elapsed_s, length_s):
            pass

    def _next(self, elapsed_s: Callable[[], float], length_s: float) -> bool:
        """Sends one more pair when it is due; False when there is none."""
        number = next(self._numbers)
        if number >= self._total or self._stopped.is_set():
            return False
        while (wait_s := length_s * number / self._total - elapsed_s()) > 0.0:
            if self._stopped.wait(min(wait_s, LOOK_AGAIN_S)):
                return False
        self._pair(number)
        return True

    def _pair(self, number: int) -> None:
        """Both versions in turn; which of them is first alternates."""
        target = self._target
        minute = whole_minute(self._clock.now())
        failed: dict[str, bool] = {}
        order = (target.candidate, target.baseline)
        for version in order if number % 2 == 0 else reversed(order):
            ok, why = _send(self._api, self._gate, target, version)
            if ok is None:
                self._count(known=False, why=why)
                return
            failed[version] = not ok
        candidate, baseline = failed[target.candidate], failed[target.baseline]
        self.tally.add(minute, candidate_failed=candidate, baseline_failed=baseline)
        self._count(known=True, alike=candidate and baseline)

    def _count(self, *, known: bool, alike: bool = False, why: str = "") -> None:
        with self._lock:
            self._known += known
            self._alike += alike
            self._unknown += not known
            self._in_a_row = 0 if known else self._in_a_row + 1
            self._why = why or self._why
            if self._in_a_row >= UNKNOWN_IN_A_ROW:
                self._stopped.set()


def _send(api: Api, gate: ProbesGate, target: Target, version: str) -> tuple[bool | None, str]:
    """One invocation of a version: whether it succeeded, None when nobody knows, and what is wrong."""
    payload = gate.invoke if gate.path is None else http_event(gate.path)

    def call() -> tuple[str, bool, str]:
        answer = api.call(
            "Invoke",
            FunctionName=target.function.function,
            Qualifier=version,
            Payload=json.dumps(payload).encode(),
            ClientContext=_CLIENT_CONTEXT,
        )
        body = read_body(answer.get("Payload"), "lambda:Invoke", LARGEST_ANSWER)
        executed = str(answer.get("ExecutedVersion", version))
        return executed, bool(answer.get("FunctionError")), body.decode("utf-8", "replace")

    try:
        executed, raised, text = within(gate.timeout.total_seconds() + GRACE_S, call)
    except AwsError as error:
        return None, printable(error.message, 300)
    except DeadlineError as error:
        return None, f"lambda:Invoke: {error}"
    if executed != version:
        return None, f"version {printable(executed)} ran instead of {version}"
    if raised:
        return False, f"version {version} raised: {printable(text)}"
    status, _, odd = as_http(text)
    if odd:
        return None, odd
    failed = status is not None and (status >= 500 or status == 0)
    return not failed, f"version {version} answered {status}" if failed else ""


def http_event(path: str) -> dict[str, object]:
    """A GET request in payload format 2.0, as a function URL and an HTTP API send it.

    https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads

    Args:
        path: with its query: "/orders?limit=1".
    """
    parts = urlsplit(path)
    event: dict[str, object] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {"accept": "*/*", "host": "probe.invalid", "user-agent": "canary", probes.HEADER: "1"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "probe",
            "domainName": "probe.invalid",
            "domainPrefix": "probe",
            "http": {
                "method": "GET",
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "canary",
            },
            "requestId": "probe",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/1970:00:00:00 +0000",
            "timeEpoch": 0,
        },
        "isBase64Encoded": False,
    }
    query: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    if query:
        event["queryStringParameters"] = query
    return event
