"""The client that applications use: it answers questions about flags at once, from memory.

Reads never raise and never touch the network (decision 0006). The refresher fetches, the core evaluates.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Never, ParamSpec, Self, TypeVar, Unpack, overload

from flagkit.core.context import Context, UserId, text_of
from flagkit.core.evaluation import ErrorCode, Evaluation, Reason, ValueType, failure, mismatch, resolve
from flagkit.runtime.engine import Engine, Options
from flagkit.runtime.overrides import FlagTable, Override, Watcher, weakly
from flagkit.runtime.read_warnings import MOST, ReadWarnings
from flagkit.runtime.refresher import RefreshMode
from flagkit.runtime.status import Status
from flagkit.runtime.store import Listener, StateListener
from flagkit.sources.base import Source
from flagkit.sources.urls import connect, default_url

if TYPE_CHECKING:
    import boto3

    from flagkit.core.explanation import Explanation
    from flagkit.core.outcomes import Happened
    from flagkit.outcomes.recorder import Outcomes
    from flagkit.runtime.gates import Gate
    from flagkit.user import UserFlags

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Instead = TypeVar("Instead")
_USUAL_IDS = frozenset({str, int, type(None)})


class Flags:
    """Feature flags, evaluated in this process.

    ```python
    flags = Flags.connect("appconfig://shop/production/flags")
    if flags.is_enabled("new_checkout", user_id, {"country": "US"}): ...
    ```

    Create one per process and share it between threads. A read never fails: an unknown or broken flag answers with
    the caller's default, and is logged once.

    Args:
        source: where the document comes from.
        **options: see `Options`.

    Raises:
        SourceUrlError: FLAGKIT_OVERRIDES is not valid.
    """

    def __init__(self, source: Source, **options: Unpack[Options]) -> None:
        self._flags: FlagTable = {}
        self._absent: dict[str, Evaluation] = {}
        self._read_warnings = ReadWarnings()
        self._engine = Engine(source, weakly(self._install), **options)
        self._store = self._engine.store
        self.outcomes: Outcomes | None = None
        # The background thread knows its engine, not the client: a client that is dropped without `close` ends it.
        weakref.finalize(self, self._engine.refresher.abandon).atexit = False

    @classmethod
    def connect(
        cls, url: str | None = None, *, session: boto3.Session | None = None, **options: Unpack[Options]
    ) -> Self:
        """Create a client from a source URL.

        Args:
            url: for example `file:flags.json` or `appconfig://shop/production/flags`. If None: the environment variable
                FLAGKIT_SOURCE, or in AWS Lambda the first configuration that the AppConfig extension prefetches.
            session: boto3 session for AWS sources.
            **options: see `Options`.

        Raises:
            SourceUrlError: there is no URL, or it is not valid. A source that doesn't answer raises nothing: see
                `status()` and `wait_until_ready()`.
        """
        return cls(connect(default_url() if url is None else url, session=session), **options)

    # Without `*` before `default`: Python calls a function with keyword-only parameters 16 ns slower, a sixth of this.
    def is_enabled(
        self, key: str, user_id: UserId = None, context: Context | None = None, default: bool = False
    ) -> bool:
        """Return whether a flag is on for a user.

        Args:
            key: the flag.
            user_id: the user; `$userId` in rules.
            context: the other attributes that rules can use.
            default: the answer if the flag has none.
        """
        # The hot path: one look-up, one call, no lock and no look at the clock.
        if context is None and type(user_id) not in _USUAL_IDS:
            self._read_warnings.user_id(user_id)
        try:
            on = self._flags[key](user_id, context).is_on
        except Exception:  # noqa: BLE001  (reads never raise: decision 0006; an unknown key lands here, too)
            on = None
        if on is not None:
            return on
        self._unanswered(key, user_id, context)
        return default

    def evaluate(self, key: str, user_id: UserId = None, context: Context | None = None) -> Evaluation:
        """Return the whole answer of a flag: variant, value, attributes, reason, version."""
        if context is None and type(user_id) not in _USUAL_IDS:
            self._read_warnings.user_id(user_id)
        evaluation = self._answer(self._flags, key, user_id, context)
        if evaluation.error is ErrorCode.FLAG_NOT_FOUND:
            self._engine.watch_unknown(evaluation, user_id)
        return evaluation

    def boolean(
        self, key: str, user_id: UserId = None, context: Context | None = None, *, default: bool = False
    ) -> bool:
        """Return the flag's boolean value: attribute `value` if it is a boolean, otherwise whether the flag is on."""
        return self.is_enabled(key, user_id, context, default=default)

    # The three below are the hot path again, each with its own type test: a shared function would cost a call more.

    def string(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: str) -> str:
        """Return the flag's attribute `value` as text."""
        if context is None and type(user_id) not in _USUAL_IDS:
            self._read_warnings.user_id(user_id)
        try:
            value = self._flags[key](user_id, context).value
        except Exception:  # noqa: BLE001  (reads never raise: decision 0006)
            value = None
        if type(value) is not str:
            value = self._other(ValueType.STRING, key, user_id, context, default)
        return value

    def integer(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: int) -> int:
        """Return the flag's attribute `value` as a whole number."""
        if context is None and type(user_id) not in _USUAL_IDS:
            self._read_warnings.user_id(user_id)
        try:
            value = self._flags[key](user_id, context).value
        except Exception:  # noqa: BLE001  (reads never raise: decision 0006)
            value = None
        if type(value) is not int:
            value = self._other(ValueType.INTEGER, key, user_id, context, default)
        return value

    def number(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: float) -> float:
        """Return the flag's attribute `value` as a number."""
        if context is None and type(user_id) not in _USUAL_IDS:
            self._read_warnings.user_id(user_id)
        try:
            value = self._flags[key](user_id, context).value
        except Exception:  # noqa: BLE001  (reads never raise: decision 0006)
            value = None
        if type(value) is not float:
            value = self._other(ValueType.NUMBER, key, user_id, context, default)
        return value

    @overload
    def object(
        self, key: str, user_id: UserId = ..., context: Context | None = ..., *, default: dict[str, Any]
    ) -> dict[str, Any]: ...
    @overload
    def object(
        self, key: str, user_id: UserId = ..., context: Context | None = ..., *, default: list[Any]
    ) -> list[Any]: ...
    @overload
    def object(
        self, key: str, user_id: UserId = ..., context: Context | None = ..., *, default: None = ...
    ) -> dict[str, Any] | list[Any] | None: ...
    def object(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: Any = None) -> Any:
        """Return the flag's attribute `value` if it is a list or object, otherwise all its attributes.

        A list where the default is a dictionary, or the other way round, is a type mismatch: the default is returned.
        """
        evaluation = self.resolve(ValueType.OBJECT, key, user_id, context, default=default)
        if isinstance(default, dict | list) and type(evaluation.value) is not type(default):
            expected = f"the default is {'an object' if isinstance(default, dict) else 'a list'}"
            evaluation = mismatch(evaluation, expected, default)
            self._read_warnings.failure(evaluation)
        return evaluation.value

    def resolve(
        self, wanted: ValueType, key: str, user_id: UserId = None, context: Context | None = None, *, default: Any
    ) -> Evaluation:
        """Return the whole answer to a typed question; `value` is the flag's or the default, `reason` says which."""
        evaluation = resolve(self.evaluate(key, user_id, context), ValueType(wanted), default)
        if evaluation.error is not None:
            self._read_warnings.failure(evaluation)
        return evaluation

    @overload
    def requires_flag(self, key: str, *, when: bool = ..., default: bool = ...) -> Gate[None]: ...
    @overload
    def requires_flag(
        self, key: str, *, when: bool = ..., default: bool = ..., instead: BaseException | type[BaseException]
    ) -> Gate[Never]: ...
    @overload
    def requires_flag(
        self, key: str, *, when: bool = ..., default: bool = ..., instead: Callable[..., Coroutine[Any, Any, Instead]]
    ) -> Gate[Instead]: ...
    @overload
    def requires_flag(
        self, key: str, *, when: bool = ..., default: bool = ..., instead: Callable[..., Instead]
    ) -> Gate[Instead]: ...
    @overload
    def requires_flag(self, key: str, *, when: bool = ..., default: bool = ..., instead: Instead) -> Gate[Instead]: ...
    def requires_flag(self, key: str, *, when: bool = True, default: bool = False, instead: Any = None) -> Gate[Any]:
        """Decorator for a kill switch: the function, or coroutine function, runs only while the flag is on.

        ```python
        @flags.requires_flag("maintenance_mode", when=False, instead=HTTPException(503))
        async def checkout(): ...
        ```

        Args:
            key: a flag without rules about a user.
            when: the answer of the flag with which the function runs.
            default: the answer if the flag has none.
            instead: what happens otherwise: a function is called with the same arguments (and awaited, if the
                decorated one is a coroutine function), an exception is raised, any other value is returned.
        """
        from flagkit.runtime.gates import gated

        def is_open() -> bool:
            return self.is_enabled(key, default=default) is when

        return lambda function: gated(function, is_open, instead)

    def for_user(self, user_id: UserId, context: Context | None = None) -> UserFlags:
        """Return the same reads for one user and context."""
        from flagkit.user import UserFlags

        self._read_warnings.user_id(user_id)
        return UserFlags(self, user_id, context)

    def explain(self, key: str, user_id: UserId = None, context: Context | None = None) -> Explanation:
        """Explain an answer: each rule, each operand, bucket against threshold."""
        from flagkit.core.explanation import Explanation, explain

        table = self._engine.unwatched  # an explanation is no exposure
        answer = self._answer(table, key, user_id, context)
        snapshot = self._store.snapshot
        own = snapshot is not None and answer.error is None
        # A flag can be compiled between the two look-ups, so once more.
        own = own and any(snapshot is not None and snapshot.flags.get(key) is table[key] for _ in range(3))
        if snapshot is None or not own:
            return Explanation(answer, text_of(user_id))  # no answer, an override, or the Agent's answer
        explanation = explain(snapshot, key, user_id, context)
        if answer.reason is not Reason.STALE:
            return explanation
        return replace(explanation, evaluation=replace(explanation.evaluation, reason=Reason.STALE))

    def all(self, user_id: UserId = None, context: Context | None = None) -> dict[str, Evaluation]:
        """Return the answers of all flags for one user; watchers are not notified of these."""
        self._read_warnings.user_id(user_id)
        table, snapshot = self._engine.unwatched, self._store.snapshot
        if snapshot is not None and table is snapshot.flags and not self._store.stale:  # no overrides, no Agent
            return snapshot.all(user_id, context)
        return {key: self._answer(table, key, user_id, context) for key in table}

    def prepare(self, *keys: str) -> None:
        """Compile flags now, all of them if none is named, rather than after their first reads.

        For a process that should be fast from its first request, for example in the init phase of AWS Lambda. The
        flags in use are compiled again with each new document, before it becomes current.
        """
        if self._store.snapshot is not None:
            self._store.snapshot.prepare(keys or None)

    def keys(self) -> tuple[str, ...]:
        """Return the keys of all flags."""
        return tuple(self._flags)

    def refresh(self) -> bool:
        """Ask the source now; return whether it answered properly."""
        return self._engine.refresher.refresh()

    def refresh_if_due(self, budget_s: float | None = None) -> None:
        """Ask the source if a poll is due.

        Args:
            budget_s: how long the caller can wait; a later answer is still used. No limit if None.
        """
        self._engine.refresher.refresh_if_due(budget_s)

    def on_invocation(
        self, handler: Callable[Parameters, Result], *, budget_s: float = 0.5
    ) -> Callable[Parameters, Result]:
        """Decorator for an AWS Lambda handler: polls the source at the start of an invocation, if a poll is due.

        Args:
            handler: the function.
            budget_s: how long an invocation can be delayed by it.
        """

        @functools.wraps(handler)
        def refreshed(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            if self._engine.mode is not RefreshMode.BACKGROUND:
                self.refresh_if_due(budget_s)
            return handler(*args, **kwargs)

        return refreshed

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until the source has delivered a document; return whether it has."""
        return self._engine.wait_until_ready(timeout_s)

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call a function with the keys of the flags that changed, whenever another document becomes current.

        The refreshing thread calls it after the change; what it raises is logged.

        Returns:
            a function that removes the listener.
        """
        return self._store.on_change(listener)

    def on_state(self, listener: StateListener) -> Callable[[], None]:
        """Call a function with the status whenever its `state` has changed; otherwise like `on_change`."""
        return self._store.on_state(listener)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call a function with each answer that is given, `(evaluation, user_id)`, in the thread that reads.

        For exposures and telemetry: see `Exposures` and `flagkit.telemetry`. Without watchers, reads cost nothing
        more.

        Returns:
            a function that removes the watcher.
        """
        return self._engine.add_watcher(watcher)

    def report_to(self, outcomes: Outcomes) -> Callable[[], None]:
        """Record exposures of experiments, and what `report` says, with `outcomes`; return a function that stops it."""
        self.outcomes = outcomes
        return self._engine.add_chooser(outcomes.follow)

    def report(self, user_id: UserId, **happened: Unpack[Happened]) -> None:
        """Say what happened to a user; it counts once for the experiments the user is in (see `flagkit.outcomes`).

        It never raises and never waits, and does nothing without `report_to`.
        """
        if self.outcomes is not None:
            self.outcomes.report(user_id, **happened)

    def add_override(self, override: Override) -> None:
        """Place answers above those of the document, for example in a test; see `flagkit.testing.override`."""
        self._engine.add_override(override)

    def remove_override(self, override: Override) -> None:
        """Remove an override."""
        self._engine.remove_override(override)

    @property
    def may_wait(self) -> bool:
        """Whether reads can call the Agent on this machine (a FeatureFlags profile over `agent://`)."""
        document = self._store.document
        return document is not None and document.remote is not None

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._engine.refresher.closed

    def status(self) -> Status:
        """Return which document is current and how fresh it is."""
        return self._store.status()

    def close(self) -> None:
        """Stop refreshing; reads are answered from the current document."""
        self._engine.refresher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __contains__(self, key: Any) -> bool:
        return key in self._flags

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def _install(self, table: FlagTable) -> None:
        self._flags = table  # the swap: one assignment, readers hold either table
        self._absent = {}

    def _version(self) -> str | None:
        return None if self._store.snapshot is None else self._store.snapshot.version

    def _answer(self, table: FlagTable, key: str, user_id: UserId, context: Context | None) -> Evaluation:
        try:
            evaluation = table[key](user_id, context)
        except KeyError:
            return self._unknown(key)
        except Exception as error:  # noqa: BLE001  (reads never raise: decision 0006)
            message = f"evaluating flag {key!r} failed: {type(error).__name__}"
            return failure(str(key), ErrorCode.GENERAL, message, version=self._version())
        if self._store.stale and evaluation.error is None:
            return replace(evaluation, reason=Reason.STALE)
        return evaluation

    def _other(self, wanted: ValueType, key: str, user_id: UserId, context: Context | None, default: Any) -> Any:
        """The slow path of a typed read; the fast one has notified the watchers, except of a flag that is unknown."""
        evaluation = resolve(self._unanswered(key, user_id, context), wanted, default)
        if evaluation.error is not None:
            self._read_warnings.failure(evaluation)
        return evaluation.value

    def _unanswered(self, key: str, user_id: UserId, context: Context | None) -> Evaluation:
        evaluation = self._answer(self._engine.unwatched, key, user_id, context)
        if evaluation.error is not None:
            self._read_warnings.failure(evaluation)
        if evaluation.error is ErrorCode.FLAG_NOT_FOUND:
            self._engine.watch_unknown(evaluation, user_id)
        return evaluation

    def _unknown(self, key: str) -> Evaluation:
        if not self._store.ready:
            message = f"no flag document has been loaded yet from {self._store.source_url}"
            return failure(str(key), ErrorCode.PROVIDER_NOT_READY, message)
        # Code can ask for a deleted flag at every request, and the search for a similar name takes milliseconds.
        absent = self._absent
        if (known := absent.get(key)) is not None:
            return known
        suggestion = self._suggestion(key) if len(absent) < MOST else ""
        message = f"there is no flag {key!r}{suggestion}"
        unknown = failure(str(key), ErrorCode.FLAG_NOT_FOUND, message, version=self._version())
        if len(absent) < MOST:
            absent[key] = unknown
        return unknown

    def _suggestion(self, key: str) -> str:
        from difflib import get_close_matches

        close = get_close_matches(str(key)[:64], tuple(self._flags), n=1)
        return f"; did you mean {close[0]!r}?" if close else ""
