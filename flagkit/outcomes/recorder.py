"""Records who was exposed and what happened to them; sends it to a store in batches.

The thread that answers a request only appends to a bounded buffer. Nothing here raises to a caller, waits for a store
while a request is served, or keeps a user id that isn't hashed once it is sent.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Protocol, Unpack

from cachetools import TTLCache

from flagkit.core.evaluation import Evaluation
from flagkit.core.outcomes import FAILED, SLOW, Exposed, Happened, Outcome, is_usable
from flagkit.core.rollouts import experiment_of
from flagkit.errors import UsageError
from flagkit.runtime import forks
from flagkit.runtime.clock import Clock, machine_clock, stopwatch, wait_by
from flagkit.runtime.exposures import PAIRS_KEPT, Pseudonyms

if TYPE_CHECKING:
    from flagkit.core.shares import Decides
    from flagkit.core.snapshot import Snapshot
    from flagkit.runtime.overrides import Choice, Follower

logger = logging.getLogger("flagkit")
SECRET_VARIABLE = "FLAGKIT_OUTCOMES_SECRET"  # noqa: S105 - its name, not its value
_ATTEMPTS = 3
"""How often an outcome of a user whose exposure isn't known is sent: another process may still have to send it."""
_BATCH = 1000
_LAG_S = 300.0
"""Besides the window: how long other processes may still count under a name that this one has left."""
VALUE = "value"
"""The metric of `report(value=…)` without a name."""


class Store(Protocol):
    """Keeps one row per user, and counters by minute and arm."""

    @property
    def window_s(self) -> float:
        """How long outcomes of a user count."""
        ...

    def record(self, exposures: Sequence[Exposed], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Counts them, each at most once however often it is sent.

        Returns:
            the outcomes of users whose exposure isn't known yet.

        Raises:
            Exception: some may not have been counted; all of them are sent again.
        """
        ...


class Outcomes:
    """Records exposures and outcomes of the users of rollouts and experiments.

    ```python
    outcomes = Outcomes(DynamoStore("canary-outcomes"), experiments={"new_checkout"})
    flags.report_to(outcomes)
    ```

    Args:
        store: where they are counted; `MemoryStore`, `DynamoStore`, `EmfStore`.
        secret: hashes user ids (HMAC-SHA-256), the same in the whole deployment; if None: the environment variable
            FLAGKIT_OUTCOMES_SECRET.
        experiments: the flags whose users are counted, or a function from a flag's key to the name it is counted
            under (None: not counted), asked once for each document. While a guarded rollout of the flag is under way,
            its id is added to the name: `new_checkout@k3f9a2c1`.
        slow_s: requests that take longer are slow, where a framework's integration reports them.
        flush_interval_s: how often the background thread sends a batch; if None, only `flush` sends.
        capacity: how many events wait at most; the rest is dropped and counted.
        clock: dates events.

    Attributes:
        dropped: how many events were lost, because of the capacity or a store that failed for too long.
        clock: dates events.
        elapsed_s: a stopwatch for requests.

    Raises:
        UsageError: there is no secret.
    """

    def __init__(
        self,
        store: Store,
        *,
        secret: str | None = None,
        experiments: Collection[str] | Callable[[str], str | None] = (),
        slow_s: float = 2.0,
        flush_interval_s: float | None = 5.0,
        capacity: int = 10_000,
        clock: Clock | None = None,
    ) -> None:
        secret = secret or os.environ.get(SECRET_VARIABLE)
        if not secret:
            raise UsageError(
                "outcomes need a secret that hashes user ids",
                hint=f"Give secret=…, or set {SECRET_VARIABLE}; the same in the whole deployment.",
            )
        self.dropped = 0
        self.clock: Clock = machine_clock() if clock is None else clock
        self.elapsed_s = stopwatch(self.clock)
        self._store, self._slow_s = store, slow_s
        self._pseudonyms = Pseudonyms(secret)
        self._name_of = experiments if callable(experiments) else _named(experiments)
        self._current: dict[str, str] = {}
        self._until: dict[str, float] = {}
        self._follows = False
        self._nameless: set[str] = set()
        self._capacity, self._flush_interval_s = capacity, flush_interval_s
        self._exposed: deque[Exposed] = deque()
        self._happened: deque[tuple[Outcome, int]] = deque()
        self._seen: TTLCache[tuple[str, str], float] = TTLCache(PAIRS_KEPT, ttl=3600.0, timer=self.clock.monotonic)
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        forks.register(self)
        _alive.add(self)
        for key in () if callable(experiments) else _keys(experiments):
            self._name(key, {})

    def follow(self, snapshot: Snapshot | None) -> Choice:
        """Watch the answers of a document; `Flags.report_to` calls it with each one, before its flags are read.

        An answer is counted for the rollout that was under way in the document that gave it. Users about whom the
        percentage doesn't decide are not exposed: targeted by name, held out, outside of the layer or the condition.
        """
        self._follows = True
        rollouts = {} if snapshot is None else snapshot.rollouts
        if snapshot is not None:
            for key in {*self._current, *rollouts}.intersection(snapshot.flags):
                self._name(key, rollouts)
        return partial(self._follower, snapshot, rollouts)

    def _follower(self, snapshot: Snapshot | None, rollouts: Mapping[str, str], key: str) -> Follower | None:
        name = self._name(key, rollouts, is_new=False)
        decides = None if name is None or snapshot is None else snapshot.percentage_decides(key)
        return None if name is None else partial(self._watch, name, decides)

    def _name(self, key: str, rollouts: Mapping[str, str], *, is_new: bool = True) -> str | None:
        """What users of a flag are counted under; what they were counted under before is forgotten after a while."""
        try:
            plain = self._name_of(key)
        except Exception as error:  # noqa: BLE001 - as below
            logger.warning(
                "flagkit: whether %s is an experiment could not be found out (%s)", key, type(error).__name__
            )
            return None
        if plain is None:
            return None
        name = experiment_of(plain, rollouts.get(key, ""))
        with self._lock:
            before = self._current.get(key, name)
            if is_new or before == name:
                if before != name:
                    self._until[before] = self._leaving()
                self._current[key] = name
                self._until[name] = inf
        return name

    def _leaving(self) -> float:
        return self.clock.monotonic() + self._store.window_s + _LAG_S

    def _watch(
        self,
        name: str,
        decides: Decides | None,
        evaluation: Evaluation,
        user_id: object,
        context: Mapping[str, object] | None,
    ) -> None:
        """Record an answer as an exposure: the first one of a user about whom the percentage decided."""
        if user_id is None and evaluation.key not in self._nameless:
            self._nameless.add(evaluation.key)
            logger.warning("flagkit: %s is read without a user id, and nobody is counted then", evaluation.key)
        if evaluation.error is not None or user_id is None:
            return
        try:
            pair = name, str(user_id)
            if pair in self._seen:  # without the lock: a second exposure does no harm
                return
            if decides is not None and not decides(user_id, context):
                return
            at_s = self.clock.now().timestamp()
            arm = evaluation.variant or ("on" if evaluation.is_on else "off")
            event = Exposed(name, self._pseudonyms.of(pair[1]), arm, at_s)
            with self._lock:
                if name not in self._until:
                    self._until[name] = self._leaving()
                self._seen[pair] = at_s
                self._keep(event)
        except Exception as error:  # noqa: BLE001 - as below
            logger.warning("flagkit: an exposure was lost (%s)", type(error).__name__)

    def report(self, user_id: object, **happened: Unpack[Happened]) -> None:
        """Record what happened to a user; see `Happened`. It never raises and never waits."""
        try:
            failed, slow = happened.get("failed", False), happened.get("slow", False)
            value, metric = happened.get("value"), happened.get("metric")
            if user_id is None or not (failed or slow or value is not None):
                return
            now_s, plain = self.clock.now().timestamp(), str(user_id)
            user = self._pseudonyms.of(plain)
            events: list[tuple[str, float | None]] = []
            if failed:
                events.append((metric or FAILED, None))
            if slow:
                events.append((SLOW, None))
            if value is not None:
                events.append((metric or VALUE, float(value)))
            if not self._follows:
                self._follows = True
                logger.warning("flagkit: reports count in no guarded rollout before flags.report_to(outcomes)")
            present = self.clock.monotonic()
            with self._lock:
                self._until = {name: until for name, until in self._until.items() if until >= present}
                for name in self._until:
                    exposed_s = self._seen.get((name, plain))
                    if exposed_s is not None and now_s > exposed_s + self._store.window_s:
                        continue  # the window is over
                    for what, number in events:
                        self._keep(Outcome(name, user, what, now_s, number))
        except Exception as error:  # noqa: BLE001 - reads and reports never raise; a message can name a user or a value
            logger.warning("flagkit: an outcome was lost (%s)", type(error).__name__)

    def observe(self, user_id: Callable[[], object], status: int, duration_s: float) -> None:
        """Record a request as frameworks see it: failed from status 500 on, slow beyond `slow_s`.

        Args:
            user_id: asked only if there is something to record.
            status: of the answer.
            duration_s: how long it took.
        """
        try:
            failed, slow = status >= 500, duration_s > self._slow_s
            if not (failed or slow):
                return
            user = user_id()
        except Exception as error:  # noqa: BLE001 - as above
            logger.warning("flagkit: the user of a failed request could not be read (%s)", type(error).__name__)
            return
        self.report(user, failed=failed, slow=slow)

    def flush(self) -> int:
        """Send what waits and return how many events were counted; for example at the end of a Lambda invocation."""
        with self._sending:
            sent = 0
            while True:
                with self._lock:
                    exposed = [self._exposed.popleft() for _ in range(min(_BATCH, len(self._exposed)))]
                    happened = [self._happened.popleft() for _ in range(min(_BATCH, len(self._happened)))]
                if not exposed and not happened:
                    return sent
                attempts = dict(happened)
                try:
                    unknown = self._store.record(exposed, [event for event, _ in happened])
                except Exception as error:  # noqa: BLE001 - whatever a store raises: it is asked again later
                    self._again(exposed, happened, error)
                    return sent
                sent += len(exposed) + len(happened) - len(unknown)
                later = [(event, attempts[event] + 1) for event in unknown if attempts[event] + 1 < _ATTEMPTS]
                with self._lock:
                    self._happened.extend(later)
                if later and len(happened) < _BATCH:
                    return sent

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
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._wake = threading.Event()
        self._thread = None
        self._exposed.clear()
        self._happened.clear()

    def _keep(self, event: Exposed | Outcome) -> None:
        """Queue an event; the lock is held."""
        full = len(self._exposed) + len(self._happened) >= self._capacity
        if full and isinstance(event, Outcome) and self._exposed:
            self._exposed.pop()  # a user who isn't counted says nothing; one whose failure is lost looks well
            self.dropped += 1
            full = False
        if self._closed or full or not is_usable(event):
            self.dropped += 1
            return
        if isinstance(event, Exposed):
            self._exposed.append(event)
        else:
            self._happened.append((event, 0))
        if self._thread is None and self._flush_interval_s is not None:
            self._thread = threading.Thread(
                target=self._loop, args=(self._flush_interval_s,), name="flagkit-outcomes", daemon=True
            )
            self._thread.start()

    def _again(self, exposed: list[Exposed], happened: list[tuple[Outcome, int]], error: Exception) -> None:
        """Keep a batch for the next flush, as far as there is room, outcomes before exposures (see `_keep`)."""
        logger.warning("flagkit: outcomes could not be stored (%s); they are sent again", type(error).__name__)
        with self._lock:
            waiting = len(exposed) + len(self._exposed) + len(happened) + len(self._happened)
            self._happened = deque([*happened, *self._happened][: self._capacity])
            self._exposed = deque([*exposed, *self._exposed][: self._capacity - len(self._happened)])
            self.dropped += waiting - len(self._happened) - len(self._exposed)

    def _loop(self, interval_s: float) -> None:
        while not wait_by(self.clock, self._wake, interval_s):
            self.flush()

    def at_exit(self) -> None:
        """Send what the thread would have sent if the program had gone on."""
        if self._thread is not None:
            self.close()


def _keys(experiments: Collection[str]) -> frozenset[str]:
    return frozenset((experiments,) if isinstance(experiments, str) else experiments)


def _named(experiments: Collection[str]) -> Callable[[str], str | None]:
    known = _keys(experiments)
    return lambda key: key if key in known else None


_alive: weakref.WeakSet[Outcomes] = weakref.WeakSet()


def _at_exit() -> None:
    for outcomes in list(_alive):
        outcomes.at_exit()


atexit.register(_at_exit)
