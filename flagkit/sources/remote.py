"""Answers of flags whose rules only the Agent sees: one question per user and context, kept for a while.

It must not decide which flags those are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from time import monotonic
from typing import Protocol

from cachetools import TTLCache

from flagkit.core.context import text_of
from flagkit.core.evaluation import Evaluation, FlagFunction, Reason
from flagkit.core.snapshot import Snapshot

Headers = tuple[tuple[str, str], ...]
ANSWERS_KEPT = 10_000
ASK_TIMEOUT_S = 0.5  # a read waits for a process on the same machine, and not for long
PAUSE_S = 1.0
USER_KEY = "userId"


class _Body(Protocol):
    @property
    def body(self) -> bytes: ...


class RemoteEvaluator:
    """Asks the Agent for the answers of all flags for one user and context.

    This is the one kind of read that may wait, at most `ASK_TIMEOUT_S` (docs/sources.md). Without an answer the flag's
    default variant is served with the reason RULES_UNSEEN. An Agent that hangs is not asked again for `PAUSE_S`, so
    that it costs one reader its time, and not all of them.

    Args:
        get: asks the Agent: `(headers, timeout_s)` to something with a `body`.
        version: the version that the answers belong to.
        keep_s: how long an answer is kept.
        timer: seconds, for the keeping.

    Since 0.1.
    """

    def __init__(
        self,
        get: Callable[[Headers, float], _Body],
        version: str,
        *,
        keep_s: float,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        self._get = get
        self._version = version
        self._kept: TTLCache[Headers, Snapshot] = TTLCache(ANSWERS_KEPT, ttl=keep_s, timer=timer)
        self._timer = timer
        self._ask_from_s = -inf
        self._lock = threading.Lock()  # cachetools asks for one

    def flag(self, key: str, unruled: Evaluation) -> FlagFunction:
        """The function that answers for one flag; `unruled` is its default variant."""

        def ask(user_id: object, context: Mapping[str, object] | None) -> Evaluation:
            snapshot, kept = self._answers(context_headers(user_id, context))
            if snapshot is None:
                return unruled
            found = snapshot.evaluate(key)
            if found.reason is not Reason.RULES_UNSEEN:
                return found
            # The Agent names the variant, not the rule: another one than without context means that a rule was true.
            reason = Reason.DEFAULT if found.variant == unruled.variant else Reason.TARGETING_MATCH
            if not found.enabled:
                reason = Reason.DISABLED
            return replace(found, reason=Reason.CACHED if kept else reason, message="")

        return ask

    def _answers(self, headers: Headers) -> tuple[Snapshot | None, bool]:
        """The answers for one user and context, and whether they were kept from an earlier question."""
        with self._lock:
            kept: Snapshot | None = self._kept.get(headers)
        if kept is not None:
            return kept, True
        asked_s = self._timer()
        if asked_s < self._ask_from_s:
            return None, False
        try:
            snapshot = Snapshot.from_retrieved(self._get(headers, ASK_TIMEOUT_S).body, version=self._version)
        except Exception:  # noqa: BLE001  (reads never raise: decision 0006)
            now_s = self._timer()
            if now_s - asked_s >= ASK_TIMEOUT_S / 2:
                self._ask_from_s = now_s + PAUSE_S
            return None, False
        with self._lock:
            self._kept[headers] = snapshot
        return snapshot, False


def context_headers(user_id: object, context: Mapping[str, object] | None) -> Headers:
    """`Context: key=value`, one header per pair, values as text, and `Entity-Id` for sticky deployments (§6).

    A pair with a line break is left out rather than let a value write headers of its own.
    """
    pairs = dict(context or {})
    entity = text_of(user_id)
    if entity is not None:
        pairs[USER_KEY] = entity
    texts = ((str(key), text_of(value)) for key, value in pairs.items())
    headers = [
        ("Context", f"{key}={value}") for key, value in sorted(texts, key=lambda pair: pair[0]) if value is not None
    ]
    if entity is not None:
        headers.append(("Entity-Id", entity))
    return tuple((name, value) for name, value in headers if not any(mark in value for mark in "\r\n\0"))
