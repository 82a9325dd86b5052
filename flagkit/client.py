"""The client that applications use: it answers questions about flags at once, from memory.

Reads never raise and never touch the network (decision 0006). Fetching is the refresher's, meaning is the core's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeAlias, TypeVar, Unpack

from flagkit.core.context import text_of
from flagkit.core.evaluation import ErrorCode, Evaluation, Reason, failure
from flagkit.runtime.answers import Kind, resolve
from flagkit.runtime.engine import Engine, Options
from flagkit.runtime.lifecycle import Lifecycle
from flagkit.runtime.overrides import FlagTable
from flagkit.sources.addresses import connect, default_url
from flagkit.sources.base import Source

if TYPE_CHECKING:
    import boto3

    from flagkit.core.explanation import Explanation
    from flagkit.user import UserFlags

logger = logging.getLogger("flagkit")
Context = Mapping[str, object]
UserId: TypeAlias = object  # a name of its own, because the class has a method called `object`
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_WARNINGS_KEPT = 1_000


class Flags(Lifecycle):
    """Feature flags, evaluated in this process.

    ```python
    flags = Flags.connect("appconfig://shop/production/flags")
    if flags.is_enabled("new_checkout", user_id, {"country": "US"}): ...
    ```

    Make one per process and share it between threads. A question never fails: an unknown or broken flag answers with
    the caller's default, and says so once in the log.

    Args:
        source: where the document comes from.
        **options: see `Options`.

    Raises:
        SourceUrlError: FLAGKIT_OVERRIDES can't be read.

    Since 0.1.
    """

    def __init__(self, source: Source, **options: Unpack[Options]) -> None:
        self._flags: FlagTable = {}
        self._absent: dict[str, Evaluation] = {}
        self._warned: set[tuple[str, str | None, str]] = set()
        super().__init__(Engine(source, self._install, **options))
        self._store = self._engine.store

    @classmethod
    def connect(
        cls, url: str | None = None, *, session: boto3.Session | None = None, **options: Unpack[Options]
    ) -> Self:
        """Flags from an address.

        Args:
            url: e.g. `file:flags.json` or `appconfig://shop/production/flags`. Where None: the environment variable
                FLAGKIT_SOURCE, or in AWS Lambda the first configuration that the AppConfig extension prefetches.
            session: boto3 session for AWS sources.
            **options: see `Options`.

        Raises:
            SourceUrlError: there is no address, or it can't be read. A source that doesn't answer raises nothing:
                see `status()` and `wait_until_ready()`.

        Since 0.1.
        """
        return cls(connect(default_url() if url is None else url, session=session), **options)

    def is_enabled(
        self, key: str, user_id: UserId = None, context: Context | None = None, *, default: bool = False
    ) -> bool:
        """Whether a flag is on for a user.

        Args:
            key: the flag.
            user_id: whom it is asked for; `$userId` in rules.
            context: what else rules may look at.
            default: the answer when there is none.

        Since 0.1.
        """
        # The hot path: one look-up, one call, no lock and no look at the clock.
        try:
            on = self._flags[key](user_id, context).is_on
        except Exception:  # noqa: BLE001  (reads never raise: decision 0006; an unknown key lands here, too)
            on = None
        if on is None:
            self._unanswered(key, user_id, context)
            return default
        return on

    def evaluate(self, key: str, user_id: UserId = None, context: Context | None = None) -> Evaluation:
        """The whole answer about a flag: variant, value, attributes, reason, version.

        Since 0.1.
        """
        evaluation = self._answer(self._flags, key, user_id, context)
        if evaluation.error is ErrorCode.FLAG_NOT_FOUND:
            self._engine.watch_unknown(evaluation, user_id)
        return evaluation

    def boolean(
        self, key: str, user_id: UserId = None, context: Context | None = None, *, default: bool = False
    ) -> bool:
        """The flag's boolean value: attribute `value` if it is a boolean, otherwise whether it is on. Since 0.1."""
        return self.is_enabled(key, user_id, context, default=default)

    # The three below are the hot path again, each with its own type test: a shared function would cost a call more.

    def string(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: str) -> str:
        """The flag's attribute `value` as text. Since 0.1."""
        try:
            value = self._flags[key](user_id, context).value
        except Exception:  # noqa: BLE001  (reads never raise: decision 0006)
            value = None
        if type(value) is not str:
            value = self._other(Kind.STRING, key, user_id, context, default)
        return value

    def integer(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: int) -> int:
        """The flag's attribute `value` as a whole number. Since 0.1."""
        try:
            value = self._flags[key](user_id, context).value
        except Exception:  # noqa: BLE001  (reads never raise: decision 0006)
            value = None
        if type(value) is not int:
            value = self._other(Kind.INTEGER, key, user_id, context, default)
        return value

    def number(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: float) -> float:
        """The flag's attribute `value` as a number. Since 0.1."""
        try:
            value = self._flags[key](user_id, context).value
        except Exception:  # noqa: BLE001  (reads never raise: decision 0006)
            value = None
        if type(value) is not float:
            value = self._other(Kind.NUMBER, key, user_id, context, default)
        return value

    def object(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: Any) -> Any:
        """The flag's attribute `value` if it is a list or object, otherwise all its attributes. Since 0.1."""
        return self.resolve(Kind.OBJECT, key, user_id, context, default=default).value

    def resolve(
        self, kind: Kind, key: str, user_id: UserId = None, context: Context | None = None, *, default: Any
    ) -> Evaluation:
        """The whole answer to a typed question; `value` is the flag's or the default, `reason` and `error` say which.

        Since 0.1.
        """
        evaluation = resolve(self.evaluate(key, user_id, context), kind, default)
        if evaluation.error is not None:
            self._warn_once(evaluation)
        return evaluation

    def requires_flag(
        self, key: str, *, when: bool = True, default: bool = False, instead: Any = None
    ) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result | Any]]:
        """Decorator for a kill switch: the function, or coroutine function, runs only while the flag is on.

        ```python
        @flags.requires_flag("maintenance_mode", when=False, instead=HTTPException(503))
        async def checkout(): ...
        ```

        Args:
            key: a flag that asks for no user.
            when: the answer of the flag with which the function runs.
            default: the answer where the flag has none.
            instead: what happens otherwise: a function is called with the same arguments, an exception is raised,
                anything else is returned.

        Since 0.1.
        """
        from flagkit.runtime.gates import gated

        def is_open() -> bool:
            return self.is_enabled(key, default=default) is when

        return lambda function: gated(function, is_open, instead)

    def for_user(self, user_id: UserId, context: Context | None = None) -> UserFlags:
        """The same questions for one user, without naming them each time. Since 0.1."""
        from flagkit.user import UserFlags

        return UserFlags(self, user_id, context)

    def explain(self, key: str, user_id: UserId = None, context: Context | None = None) -> Explanation:
        """Why a flag answers what it does: each rule, each operand, bucket against threshold.

        Since 0.1.
        """
        from flagkit.core.explain import explain
        from flagkit.core.explanation import Explanation

        table = self._engine.unwatched  # an explanation is no exposure
        answer = self._answer(table, key, user_id, context)
        snapshot = self._store.snapshot
        own = snapshot is not None and answer.error is None and snapshot.flags.get(key) is table[key]
        if snapshot is None or not own:
            return Explanation(answer, text_of(user_id))  # no answer, an override, or the Agent's answer
        explanation = explain(snapshot, key, user_id, context)
        if answer.reason is not Reason.STALE:
            return explanation
        return replace(explanation, evaluation=replace(explanation.evaluation, reason=Reason.STALE))

    def all(self, user_id: UserId = None, context: Context | None = None) -> dict[str, Evaluation]:
        """The answers of all flags for one user; watchers aren't told of these. Since 0.1."""
        table = self._engine.unwatched
        return {key: self._answer(table, key, user_id, context) for key in table}

    def keys(self) -> tuple[str, ...]:
        """The keys of all flags. Since 0.1."""
        return tuple(self._flags)

    def __contains__(self, key: UserId) -> bool:
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

    def _other(self, kind: Kind, key: str, user_id: UserId, context: Context | None, default: Any) -> Any:
        """The slow way of a typed question; watchers were told by the fast one, except of a flag that isn't there."""
        evaluation = resolve(self._unanswered(key, user_id, context), kind, default)
        if evaluation.error is not None:
            self._warn_once(evaluation)
        return evaluation.value

    def _unanswered(self, key: str, user_id: UserId, context: Context | None) -> Evaluation:
        evaluation = self._answer(self._engine.unwatched, key, user_id, context)
        if evaluation.error is not None:
            self._warn_once(evaluation)
        if evaluation.error is ErrorCode.FLAG_NOT_FOUND:
            self._engine.watch_unknown(evaluation, user_id)
        return evaluation

    def _unknown(self, key: str) -> Evaluation:
        if not self._store.ready:
            message = f"no flag document is loaded yet from {self._store.source_url}"
            return failure(str(key), ErrorCode.PROVIDER_NOT_READY, message)
        # Code may ask for a deleted flag at every request, and the search for a name like it takes milliseconds.
        absent = self._absent
        if (known := absent.get(key)) is not None:
            return known
        suggestion = self._suggestion(key) if len(absent) < _WARNINGS_KEPT else ""
        message = f"there is no flag {key!r}{suggestion}"
        unknown = failure(str(key), ErrorCode.FLAG_NOT_FOUND, message, version=self._version())
        if len(absent) < _WARNINGS_KEPT:
            absent[key] = unknown
        return unknown

    def _suggestion(self, key: str) -> str:
        from difflib import get_close_matches

        close = get_close_matches(str(key)[:64], tuple(self._flags), n=1)
        return f"; did you mean {close[0]!r}?" if close else ""

    def _warn_once(self, evaluation: Evaluation) -> None:
        """One line per flag, version and kind of failure; never with a user's attributes in it."""
        seen = (evaluation.key, evaluation.version, str(evaluation.error))
        if seen in self._warned or len(self._warned) >= _WARNINGS_KEPT:
            return
        self._warned.add(seen)
        logger.warning("flagkit: %s; the default is served [%s]", evaluation.message, evaluation.error)
