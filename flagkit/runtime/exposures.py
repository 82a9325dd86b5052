"""Who saw which variant: recorded once per flag, variant and user in a window, sent to a sink in batches.

Nothing is sent in the thread that reads a flag. It must not decide answers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TextIO

from cachetools import TTLCache

from flagkit.core.evaluation import Evaluation
from flagkit.runtime import forks
from flagkit.runtime.clock import Clock, machine_clock


class Pseudonyms:
    """User ids as salted hashes, so that exposures and telemetry can be joined without naming a user.

    Args:
        salt: the same in the whole deployment; if None: the environment variable FLAGKIT_SALT, else a random one
            (then hashes of two processes can't be compared).
    """

    def __init__(self, salt: str | None = None) -> None:
        text = os.environ.get("FLAGKIT_SALT") if salt is None else salt
        self._key = secrets.token_bytes(16) if text is None else text.encode()

    def of(self, user: str) -> str:
        """Return the user's pseudonym: 32 hexadecimal digits of HMAC-SHA-256."""
        return hmac.new(self._key, user.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:32]


logger = logging.getLogger("flagkit")
PAIRS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Exposure:
    """One user saw one variant of one flag.

    Attributes:
        at: when it was recorded.
        flag: the flag's key.
        variant: the variant's name; `on` or `off` for a flag without variants.
        user: the hashed user id, or the plain one if hashing is off; None for reads without a user.
        reason: why the answer was given.
        version: of the document.
    """

    at: datetime
    flag: str
    variant: str
    user: str | None
    reason: str
    version: str | None

    def to_dict(self) -> dict[str, object]:
        """The exposure as JSON-ready data."""
        return {**asdict(self), "at": self.at.isoformat()}


Sink = Callable[[Sequence[Exposure]], object]
"""Receives a batch; if it raises, the batch is dropped and counted."""


class Exposures:
    """Records exposures; pass its `watch` to the client: `flags.watch(exposures.watch)`.

    Args:
        sink: takes the batches; see `LogSink`, `EmfSink`, `FirehoseSink` or a function.
        window_s: how long the same user isn't recorded again for the same flag and variant.
        flush_interval_s: how often the background thread sends a batch; if None, only `flush` sends.
        capacity: how many exposures wait for the next batch at most; the rest is dropped and counted.
        salt: of the hash of user ids, the same in the whole deployment; if None: the environment variable
            FLAGKIT_SALT, else a random one.
        hash_users: whether user ids are hashed at all.
        clock: dates exposures and measures the window.

    Attributes:
        dropped: how many were lost, because of the capacity or a failed sink.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        window_s: float = 3600.0,
        flush_interval_s: float | None = 10.0,
        capacity: int = 10_000,
        salt: str | None = None,
        hash_users: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.dropped = 0
        self._sink = sink
        self._clock = machine_clock() if clock is None else clock
        self._capacity = capacity
        self._pseudonyms = Pseudonyms(salt) if hash_users else None
        self._waiting: deque[Exposure] = deque()
        self._seen: TTLCache[tuple[str, str, str | None], bool] = TTLCache(
            PAIRS_KEPT, ttl=window_s, timer=self._clock.monotonic
        )
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._flush_interval_s = flush_interval_s
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        forks.register(self)

    def watch(self, evaluation: Evaluation, user_id: object) -> None:
        """Record an answer, unless it is an error or was recorded in this window."""
        if evaluation.error is not None:
            return
        variant = evaluation.variant or ("on" if evaluation.is_on else "off")
        plain = None if user_id is None else str(user_id)
        pair = (evaluation.key, variant, plain)
        with self._lock:
            if pair in self._seen:
                return
            self._seen[pair] = True
            if self._closed or len(self._waiting) >= self._capacity:
                self.dropped += 1
                return
            user = plain if plain is None or self._pseudonyms is None else self._pseudonyms.of(plain)
            self._waiting.append(
                Exposure(self._clock.now(), evaluation.key, variant, user, str(evaluation.reason), evaluation.version)
            )
            if self._thread is None and self._flush_interval_s is not None:
                self._start()

    def flush(self) -> int:
        """Send what waits and return how many were sent; for example at the end of a Lambda invocation."""
        with self._sending:
            with self._lock:
                batch = tuple(self._waiting)
                self._waiting.clear()
            if not batch:
                return 0
            try:
                lost = self._sink(batch)
            except Exception:
                logger.exception("flagkit: %d exposures were dropped because their sink failed", len(batch))
                lost = len(batch)
            count = lost if isinstance(lost, int) else 0  # a sink can return how many it couldn't send
            with self._lock:
                self.dropped += count
            return len(batch) - count

    def close(self) -> None:
        """Send what waits and end the thread."""
        with self._lock:
            self._closed = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)
        self.flush()

    def after_fork(self) -> None:
        """Repair a forked child's copy; the parent sends what waited."""
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._wake = threading.Event()
        self._thread = None
        self._waiting.clear()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="flagkit-exposures", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while not self._wake.wait(self._flush_interval_s):
            self.flush()


MAX_RECORDS = 500  # PutRecordBatch: 500 records, 4 MiB (its API reference)
MAX_BYTES = 4 * 1024 * 1024


class LogSink:
    """One line per exposure in the logger `flagkit.exposures`, its fields as `extra`."""

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self._logger = logging.getLogger("flagkit.exposures") if logger is None else logger
        self._level = level

    def __call__(self, exposures: Sequence[Exposure]) -> int:
        """Log them."""
        for exposure in exposures:
            extra = {f"exposure_{name}": value for name, value in exposure.to_dict().items()}
            self._logger.log(self._level, "exposure %s=%s", exposure.flag, exposure.variant, extra=extra)
        return 0


class EmfSink:
    """Counts by flag and variant in CloudWatch's embedded metric format, one line each, on standard output.

    In AWS Lambda, CloudWatch turns these lines into metrics; they contain no users. The counts by flag alone are what
    `flagkit list` reads to say when a flag was last evaluated.

    Args:
        namespace: of the metrics.
        stream: where to write; standard output if None.
    """

    def __init__(self, namespace: str = "flagkit", stream: TextIO | None = None) -> None:
        self._namespace = namespace
        self._stream = stream

    def __call__(self, exposures: Sequence[Exposure]) -> int:
        """Write one line per flag and variant."""
        stream = sys.stdout if self._stream is None else self._stream
        for (flag, variant), count in Counter((item.flag, item.variant) for item in exposures).items():
            metric = {
                "Namespace": self._namespace,
                "Dimensions": [["Flag", "Variant"], ["Flag"]],
                "Metrics": [{"Name": "Exposures", "Unit": "Count"}],
            }
            at_ms = int(exposures[-1].at.timestamp() * 1000)
            line = {
                "_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [metric]},
                "Flag": flag,
                "Variant": variant,
                "Exposures": count,
            }
            stream.write(json.dumps(line) + "\n")
        stream.flush()
        return 0


class FirehoseSink:
    """JSON lines into an Amazon Data Firehose stream; refused records are sent again, a few times.

    Args:
        client: `boto3.client("firehose")`.
        stream: the delivery stream's name.
        attempts: how often a record is sent at most.
        clock: waits between attempts.
    """

    def __init__(self, client: Any, stream: str, *, attempts: int = 3, clock: Clock | None = None) -> None:
        self._client = client
        self._stream = stream
        self._attempts = attempts
        self._clock = machine_clock() if clock is None else clock

    def __call__(self, exposures: Sequence[Exposure]) -> int:
        """Send them and return how many were refused in all attempts."""
        lines = [json.dumps(exposure.to_dict()).encode() + b"\n" for exposure in exposures]
        return sum(self._send(batch) for batch in _batches(lines))

    def _send(self, lines: list[bytes]) -> int:
        for attempt in range(self._attempts):
            if attempt:
                self._clock.sleep(0.1 * 2**attempt)
            records = [{"Data": line} for line in lines]
            answer = self._client.put_record_batch(DeliveryStreamName=self._stream, Records=records)
            if not answer["FailedPutCount"]:
                return 0
            # The answer has one entry per record, in order; those with an ErrorCode were refused.
            replies = zip(lines, answer["RequestResponses"], strict=True)
            lines = [line for line, reply in replies if reply.get("ErrorCode")]
        return len(lines)


def _batches(lines: list[bytes]) -> list[list[bytes]]:
    batches: list[list[bytes]] = []
    size = MAX_BYTES
    for line in lines:
        if size + len(line) > MAX_BYTES or len(batches[-1]) == MAX_RECORDS:
            batches.append([])
            size = 0
        batches[-1].append(line)
        size += len(line)
    return batches
