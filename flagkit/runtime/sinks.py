"""Where exposures go: the log, CloudWatch by embedded metrics, Firehose.

A sink returns how many it couldn't pass on. It must not decide what is an exposure.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO

from flagkit.runtime.clock import Clock, SystemClock
from flagkit.runtime.exposures import Exposure

MAX_RECORDS = 500  # PutRecordBatch: 500 records, 4 MiB (its API reference)
MAX_BYTES = 4 * 1024 * 1024


class LogSink:
    """One line per exposure in the logger `flagkit.exposures`, its fields as `extra`. Since 0.1."""

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self._logger = logging.getLogger("flagkit.exposures") if logger is None else logger
        self._level = level

    def __call__(self, exposures: Sequence[Exposure]) -> int:
        """Logs them."""
        for exposure in exposures:
            extra = {f"exposure_{name}": value for name, value in exposure.to_dict().items()}
            self._logger.log(self._level, "exposure %s=%s", exposure.flag, exposure.variant, extra=extra)
        return 0


class EmfSink:
    """Counts by flag and variant in CloudWatch's embedded metric format, one line each, on standard output.

    In AWS Lambda these lines become metrics by themselves; users don't appear in them.

    Args:
        namespace: of the metrics.
        stream: where to write; standard output where None.

    Since 0.1.
    """

    def __init__(self, namespace: str = "flagkit", stream: TextIO | None = None) -> None:
        self._namespace = namespace
        self._stream = stream

    def __call__(self, exposures: Sequence[Exposure]) -> int:
        """Writes one line per flag and variant."""
        stream = sys.stdout if self._stream is None else self._stream
        for (flag, variant), count in Counter((item.flag, item.variant) for item in exposures).items():
            metric = {
                "Namespace": self._namespace,
                "Dimensions": [["Flag", "Variant"]],
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
    """JSON lines into an Amazon Data Firehose stream; records that it refuses are sent again, a few times.

    Args:
        client: `boto3.client("firehose")`.
        stream: the delivery stream's name.
        attempts: how often a record is tried.
        clock: waits between attempts.

    Since 0.1.
    """

    def __init__(self, client: Any, stream: str, *, attempts: int = 3, clock: Clock | None = None) -> None:
        self._client = client
        self._stream = stream
        self._attempts = attempts
        self._clock = SystemClock() if clock is None else clock

    def __call__(self, exposures: Sequence[Exposure]) -> int:
        """Sends them and returns how many were refused to the end."""
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
            # The answer has one entry per record, in order; those with an ErrorCode weren't taken.
            told = zip(lines, answer["RequestResponses"], strict=True)
            lines = [line for line, reply in told if reply.get("ErrorCode")]
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
