"""Who saw which variant: noted once per flag, variant and user in a window, handed to a sink in batches.

Nothing is sent in the thread that asks. It must not decide answers.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from cachetools import TTLCache

from flagkit.core.evaluation import Evaluation
from flagkit.runtime import forks
from flagkit.runtime.clock import Clock, SystemClock
from flagkit.runtime.pseudonyms import Pseudonyms

logger = logging.getLogger("flagkit")
PAIRS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Exposure:
    """One user saw one variant of one flag.

    Attributes:
        at: when it was noted.
        flag: the flag's key.
        variant: the variant's name; `on` or `off` for a flag without variants.
        user: the hashed user id, or as it is if the recorder was told so; None for questions without a user.
        reason: why the answer was given.
        version: of the document.

    Since 0.1.
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
"""Takes a batch; may raise, then the batch is dropped and counted."""


class Exposures:
    """Records exposures; give its `watch` to the client: `flags.watch(exposures.watch)`.

    Args:
        sink: takes the batches; see `flagkit.runtime.sinks`.
        window_s: for how long the same user isn't noted again for the same flag and variant.
        flush_interval_s: how often the background thread hands over; without one (None) only `flush` does.
        capacity: how many wait for the next hand-over at most; what comes on top is dropped and counted.
        salt: of the hash of user ids, the same in the whole deployment; the environment variable FLAGKIT_SALT, else
            one made up at the start, where None.
        hash_users: whether user ids are hashed at all.
        clock: dates exposures and measures the window.

    Attributes:
        dropped: how many were lost, to capacity or to a sink that failed.

    Since 0.1.
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
        self._clock = SystemClock() if clock is None else clock
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
        """Notes an answer, unless it is an error or was noted in this window."""
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
        """Hands over what waits and returns how many were taken; e.g. at the end of a Lambda invocation."""
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
            count = lost if isinstance(lost, int) else 0  # a sink may tell how many it couldn't pass on
            with self._lock:
                self.dropped += count
            return len(batch) - count

    def close(self) -> None:
        """Hands over what waits and ends the thread."""
        with self._lock:
            self._closed = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)
        self.flush()

    def after_fork(self) -> None:
        """Makes a forked child's copy usable; what waited is the parent's to hand over."""
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
