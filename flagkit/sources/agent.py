"""The document from the AWS AppConfig Agent or Lambda extension on this machine (appconfig.md §6).

A Freeform document is only carried by the Agent and evaluated here. Of a FeatureFlags profile the Agent gives answers,
not rules: `RemoteEvaluator` asks it for each user and context. It must not retry, and only a remote read waits.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from flagkit.core.context import text_of
from flagkit.core.evaluation import Evaluation, FlagFunction, Reason
from flagkit.core.snapshot import Snapshot
from flagkit.errors import AccessDeniedError, SourceError, SourceNotFoundError, SourceUnavailableError
from flagkit.sources.base import Document, DocumentKind, content_version, is_whole, rules_are_hidden
from flagkit.sources.local_http import Ask, Headers, LocalHttp, Reply

if TYPE_CHECKING:
    from cachetools import TTLCache as AnswerCache


FETCH_TIMEOUT_S = 4.0  # the Agent itself gives AWS 3 s
DEFAULT_PORT = 2772


class AgentSource:
    """A profile, read from the AppConfig Agent on this machine.

    Args:
        application: id or name.
        environment: id or name.
        profile: id or name.
        ask: sends a request; HTTP to localhost if None.
        port: the Agent's port; if None: AWS_APPCONFIG_EXTENSION_HTTP_PORT, else 2772.
        poll_interval_s: how often to poll the Agent, and how long an answer for one user is cached. The Agent itself
            polls AWS every 45 s.
    """

    def __init__(
        self,
        application: str,
        environment: str,
        profile: str,
        *,
        ask: Ask | None = None,
        port: int | None = None,
        poll_interval_s: float = 15.0,
    ) -> None:
        self.names = f"{application}/{environment}/{profile}"
        self.url = f"agent://{self.names}"
        self.poll_interval_s = poll_interval_s
        application, environment, profile = map(_quoted, (application, environment, profile))
        self._path = f"/applications/{application}/environments/{environment}/configurations/{profile}"
        self._port = port
        self._given = ask
        self._ask = self._make_ask()
        self._version: str | None = None

    def fetch(self) -> Document | None:
        """Return the document, or None if it was delivered before."""
        reply = self.get((), FETCH_TIMEOUT_S)
        content = reply.body
        # The header's name is from memory in appconfig.md §6; without it the content identifies itself.
        version = reply.headers.get("configuration-version") or content_version(content)
        if version == self._version:
            return None
        self._version = version
        if is_whole(content):
            return Document(content, version)
        remote = None
        if rules_are_hidden(content):
            from flagkit.sources.agent import RemoteEvaluator

            remote = RemoteEvaluator(self.get, version, keep_s=self.poll_interval_s)
        return Document(content, version, None, DocumentKind.FEATURE_FLAGS, remote=remote)

    def get(self, headers: Headers, timeout_s: float) -> Reply:
        """Send one request to the Agent.

        Raises:
            SourceError: there is no usable answer.
        """
        try:
            reply = self._ask(self._path, headers, timeout_s)
        except OSError as error:
            raise SourceUnavailableError(
                f"the AppConfig Agent does not answer: {error}",
                hint="Check that the Agent or the Lambda extension runs, and on this port (agent://…?port=2772).",
            ) from error
        if reply.status == 200:
            return reply
        detail = reply.body[:200].decode(errors="replace").strip()
        message = f"the AppConfig Agent answered {reply.status} for {self.names}: {detail}"
        if reply.status in {401, 403}:
            raise AccessDeniedError(message, hint="Set ACCESS_TOKEN to the Agent's, or grant its role the data plane.")
        if reply.status == 404:
            raise SourceNotFoundError(message)
        if reply.status == 429 or reply.status >= 500:
            raise SourceUnavailableError(message)
        raise SourceError(message)

    def reset(self) -> None:
        """Discard connections, for a forked child; the next fetch delivers the document."""
        self._version = None
        self._ask = self._make_ask()

    def close(self) -> None:
        """Close what the request function holds open."""
        close = getattr(self._ask, "close", None)
        if close is not None:
            close()

    def _make_ask(self) -> Ask:
        if self._given is not None:
            return self._given

        port = self._port or int(os.environ.get("AWS_APPCONFIG_EXTENSION_HTTP_PORT") or DEFAULT_PORT)
        return LocalHttp("localhost", port, os.environ.get("ACCESS_TOKEN"))


def _quoted(name: str) -> str:
    if name.isascii() and name.replace("-", "").replace("_", "").isalnum():
        return name  # nearly every name; urllib would be 2 ms of a cold start
    from urllib.parse import quote

    return quote(name, safe="")


ANSWERS_KEPT = 10_000
ASK_TIMEOUT_S = 0.5  # a read waits for a process on the same machine
PAUSE_S = 1.0
USER_KEY = "userId"


class _Body(Protocol):
    @property
    def body(self) -> bytes: ...


class RemoteEvaluator:
    """Evaluates flags whose rules only the Agent has: one request per user and context, cached for a while.

    This is the only kind of read that can wait, at most `ASK_TIMEOUT_S` (docs/sources.md). Without an answer the flag's
    default variant is returned with the reason RULES_UNSEEN. An Agent that hangs is not asked again for `PAUSE_S`, so
    that it delays one reader and not all of them.

    Args:
        get: sends a request to the Agent: `(headers, timeout_s)`, returns an object with a `body`.
        version: the version that the answers belong to.
        keep_s: how long an answer is cached.
        timer: seconds, for the cache.
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
        from cachetools import TTLCache  # only a FeatureFlags profile needs it

        self._kept: AnswerCache[Headers, Snapshot] = TTLCache(ANSWERS_KEPT, ttl=keep_s, timer=timer)
        self._timer = timer
        self._ask_from_s = -inf
        self._lock = threading.Lock()  # cachetools asks for one

    def flag(self, key: str, unruled: Evaluation) -> FlagFunction:
        """Return the function of one flag; `unruled` is its default variant."""

        def ask(user_id: object, context: Mapping[str, object] | None) -> Evaluation:
            snapshot, kept = self._answers(context_headers(user_id, context))
            if snapshot is None:
                return unruled
            found = snapshot.evaluate(key)
            if found.reason is not Reason.RULES_UNSEEN:
                return found
            # The Agent names the variant, not the rule: another one than without context means that a rule matched.
            reason = Reason.DEFAULT if found.variant == unruled.variant else Reason.TARGETING_MATCH
            if not found.enabled:
                reason = Reason.DISABLED
            return replace(found, reason=Reason.CACHED if kept else reason, message="")

        return ask

    def _answers(self, headers: Headers) -> tuple[Snapshot | None, bool]:
        """Return the answers for one user and context, and whether they come from the cache."""
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
    """Return `Context: key=value`, one header per pair, and `Entity-Id` for sticky deployments (appconfig.md §6).

    A pair with a line break is left out, because it would inject headers.
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
