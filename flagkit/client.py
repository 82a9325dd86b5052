"""The client that applications use: it answers questions about flags at once, from memory.

Reads never raise and never touch the network (DESIGN.md D6). Fetching is the refresher's, meaning is the core's.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeAlias, TypeVar

from flagkit.core.evaluator import ErrorCode, Evaluation, Reason, failure
from flagkit.core.snapshot import Snapshot
from flagkit.errors import SourceUrlError
from flagkit.runtime.answers import Kind, resolve
from flagkit.runtime.clock import Clock, SystemClock
from flagkit.runtime.layers import FlagTable, Layer
from flagkit.runtime.refresher import Refresher, RefreshMode
from flagkit.runtime.status import Status
from flagkit.runtime.store import Store
from flagkit.sources.addresses import FORMS, connect
from flagkit.sources.base import Source

if TYPE_CHECKING:
    import boto3

logger = logging.getLogger("flagkit")
Context = Mapping[str, object]
UserId: TypeAlias = object  # a name of its own, because the class has a method called `object`
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_WARNINGS_KEPT = 1_000


class Flags:
    """Feature flags, evaluated in this process.

    ```python
    flags = Flags.connect("appconfig://shop/production/flags")
    if flags.is_enabled("new_checkout", user_id, {"country": "US"}): ...
    ```

    Make one per process and share it between threads. A question never fails: an unknown or broken flag answers with
    the caller's default, and says so once in the log.

    Args:
        source: where the document comes from.
        refresh: who asks for news: `background`, `on_demand` or `manual`; `auto` takes on_demand in AWS Lambda,
            manual with a clock that isn't the machine's, and background otherwise.
        start_wait_s: how long the constructor may wait for the first document.
        stale_after_s: how long a document counts as fresh without being confirmed; three intervals where None.
        user_key: the context key that the positional user id stands for.
        clock: time; the machine's where None.

    Since 0.1.
    """

    def __init__(
        self,
        source: Source,
        *,
        refresh: str = "auto",
        start_wait_s: float = 5.0,
        stale_after_s: float | None = None,
        user_key: str = "userId",
        clock: Clock | None = None,
    ) -> None:
        self._flags: FlagTable = {}
        self._layers: tuple[Layer, ...] = ()
        self._clock: Clock = SystemClock() if clock is None else clock
        self._mode = _mode(refresh, self._clock)
        self._warned: set[tuple[str, str | None, str]] = set()
        self._store = Store(
            source.url,
            self._clock,
            user_key=user_key,
            stale_after_s=3 * source.poll_interval_s if stale_after_s is None else stale_after_s,
            publish=self._install,
        )
        self._refresher = Refresher(source, self._store, self._clock)
        self._start(start_wait_s)

    @classmethod
    def connect(cls, url: str | None = None, *, session: boto3.Session | None = None, **options: Any) -> Self:
        """Flags from an address.

        Args:
            url: e.g. `file:flags.json` or `appconfig://shop/production/flags`; the environment variable
                FLAGKIT_SOURCE where None.
            session: boto3 session for AWS sources.
            **options: as for `Flags`.

        Raises:
            SourceUrlError: there is no address, or it can't be read. A source that doesn't answer raises nothing:
                see `status()` and `wait_until_ready()`.

        Since 0.1.
        """
        address = os.environ.get("FLAGKIT_SOURCE", "") if url is None else url
        if not address:
            raise SourceUrlError("no flag source was given", hint="Set FLAGKIT_SOURCE or pass " + " or ".join(FORMS))
        return cls(connect(address, session=session), **options)

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
        except Exception:  # noqa: BLE001  (reads never raise: DESIGN.md D6; an unknown key lands here, too)
            on = None
        if on is None:
            self._explain_default(key, user_id, context)
            return default
        return on

    def evaluate(self, key: str, user_id: UserId = None, context: Context | None = None) -> Evaluation:
        """The whole answer about a flag: variant, value, attributes, reason, version.

        Since 0.1.
        """
        try:
            evaluation = self._flags[key](user_id, context)
        except KeyError:
            return self._unknown(key)
        except Exception as error:  # noqa: BLE001  (reads never raise: DESIGN.md D6)
            message = f"evaluating flag {key!r} failed: {type(error).__name__}"
            return failure(str(key), ErrorCode.GENERAL, message, version=self._version())
        if self._store.stale and evaluation.error is None:
            return replace(evaluation, reason=Reason.STALE)
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
        except Exception:  # noqa: BLE001  (reads never raise: DESIGN.md D6)
            value = None
        if type(value) is not str:
            value = self.resolve(Kind.STRING, key, user_id, context, default=default).value
        return value  # type: ignore[return-value]  # resolve keeps the kind

    def integer(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: int) -> int:
        """The flag's attribute `value` as a whole number. Since 0.1."""
        try:
            value = self._flags[key](user_id, context).value
        except Exception:  # noqa: BLE001  (reads never raise: DESIGN.md D6)
            value = None
        if type(value) is not int:
            value = self.resolve(Kind.INTEGER, key, user_id, context, default=default).value
        return value  # type: ignore[return-value]  # resolve keeps the kind

    def number(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: float) -> float:
        """The flag's attribute `value` as a number. Since 0.1."""
        try:
            value = self._flags[key](user_id, context).value
        except Exception:  # noqa: BLE001  (reads never raise: DESIGN.md D6)
            value = None
        if type(value) is not float:
            value = self.resolve(Kind.NUMBER, key, user_id, context, default=default).value
        return value  # type: ignore[return-value]  # resolve keeps the kind

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

    def all(self, user_id: UserId = None, context: Context | None = None) -> dict[str, Evaluation]:
        """The answers of all flags for one user. Since 0.1."""
        return {key: self.evaluate(key, user_id, context) for key in self.keys()}

    def keys(self) -> tuple[str, ...]:
        """The keys of all flags. Since 0.1."""
        return tuple(self._flags)

    def refresh(self) -> bool:
        """Asks the source now; tells whether it answered properly. Since 0.1."""
        return self._refresher.refresh()

    def refresh_if_due(self, budget_s: float | None = None) -> None:
        """Asks the source if it is time to.

        Args:
            budget_s: how long the caller can wait; what comes later is still taken. No limit where None.

        Since 0.1.
        """
        if budget_s is None:
            self._refresher.refresh_if_due()
        else:
            self._refresher.run_within(budget_s)

    def on_invocation(
        self, handler: Callable[Parameters, Result], *, budget_s: float = 0.5
    ) -> Callable[Parameters, Result]:
        """Decorator for an AWS Lambda handler: news is asked for at the start of an invocation, if it is time to.

        Args:
            handler: the function.
            budget_s: how long an invocation may be held up by it.

        Since 0.1.
        """

        @functools.wraps(handler)
        def refreshed(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            if self._mode is not RefreshMode.BACKGROUND:
                self.refresh_if_due(budget_s)
            return handler(*args, **kwargs)

        return refreshed

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Waits until a document has come from the source; tells whether one has. Since 0.1."""
        if self._mode is not RefreshMode.BACKGROUND and not self._refresher.ready.is_set():
            self._refresher.run_within(timeout_s)
        return self._refresher.ready.wait(timeout_s if self._mode is RefreshMode.BACKGROUND else 0)

    def status(self) -> Status:
        """What is served and how fresh it is. Since 0.1."""
        return self._store.status()

    def close(self) -> None:
        """Stops refreshing; questions are answered from what is there. Since 0.1."""
        self._refresher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __contains__(self, key: UserId) -> bool:
        return key in self._flags

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def _start(self, wait_s: float) -> None:
        if self._mode is RefreshMode.BACKGROUND:
            self._refresher.start()
            self._refresher.first_attempt.wait(wait_s)
        elif self._mode is RefreshMode.ON_DEMAND:
            self._refresher.run_within(wait_s)
        else:
            self._refresher.refresh()

    def add_layer(self, layer: Layer) -> None:
        """Lays answers over those of the document, e.g. for a test; see `flagkit.testing.override`. Since 0.1."""
        self._layers = (*self._layers, layer)
        self._install(self._store.snapshot)

    def remove_layer(self, layer: Layer) -> None:
        """Takes a layer away. Since 0.1."""
        self._layers = tuple(other for other in self._layers if other is not layer)
        self._install(self._store.snapshot)

    def _install(self, snapshot: Snapshot | None) -> None:
        table: FlagTable = {} if snapshot is None else snapshot.flags
        for layer in self._layers:
            table = layer(table)
        self._flags = table  # the swap: one assignment, readers hold either table

    def _version(self) -> str | None:
        return None if self._store.snapshot is None else self._store.snapshot.version

    def _explain_default(self, key: str, user_id: UserId, context: Context | None) -> None:
        self._warn_once(self.evaluate(key, user_id, context))

    def _unknown(self, key: str) -> Evaluation:
        if not self._store.ready:
            message = f"no flag document is loaded yet from {self._store.status().source}"
            return failure(str(key), ErrorCode.PROVIDER_NOT_READY, message)
        return failure(
            str(key),
            ErrorCode.FLAG_NOT_FOUND,
            f"there is no flag {key!r}{self._suggestion(key)}",
            version=self._version(),
        )

    def _suggestion(self, key: str) -> str:
        from difflib import get_close_matches

        close = get_close_matches(str(key)[:64], self._flags.keys(), n=1)
        return f"; did you mean {close[0]!r}?" if close else ""

    def _warn_once(self, evaluation: Evaluation) -> None:
        """One line per flag, version and kind of failure; never with a user's attributes in it."""
        seen = (evaluation.key, evaluation.version, str(evaluation.error))
        if seen in self._warned or len(self._warned) >= _WARNINGS_KEPT:
            return
        self._warned.add(seen)
        logger.warning("flagkit: %s; the default is served [%s]", evaluation.message, evaluation.error)


def _mode(wanted: str, clock: Clock) -> RefreshMode:
    if wanted != "auto":
        return RefreshMode(wanted)
    if not isinstance(clock, SystemClock):
        return RefreshMode.MANUAL
    return RefreshMode.ON_DEMAND if "AWS_LAMBDA_FUNCTION_NAME" in os.environ else RefreshMode.BACKGROUND
