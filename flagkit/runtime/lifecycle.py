"""What a client can be told and asked besides questions about flags: to refresh, to wait, to report, to close.

It must not answer questions; `flagkit.client` does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from flagkit.runtime.engine import Engine
from flagkit.runtime.overrides import Override, Watcher
from flagkit.runtime.refresher import RefreshMode
from flagkit.runtime.status import Status
from flagkit.runtime.store import Listener, StateListener

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Lifecycle:
    """The part of a client that concerns its document, not its answers.

    Args:
        engine: does the work.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def refresh(self) -> bool:
        """Asks the source now; tells whether it answered properly. Since 0.1."""
        return self._engine.refresher.refresh()

    def refresh_if_due(self, budget_s: float | None = None) -> None:
        """Asks the source if it is time to.

        Args:
            budget_s: how long the caller can wait; what comes later is still taken. No limit where None.

        Since 0.1.
        """
        self._engine.refresh_if_due(budget_s)

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
            if self._engine.mode is not RefreshMode.BACKGROUND:
                self.refresh_if_due(budget_s)
            return handler(*args, **kwargs)

        return refreshed

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Waits until a document has come from the source; tells whether one has. Since 0.1."""
        return self._engine.wait_until_ready(timeout_s)

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Calls a function with the keys of the flags that changed, whenever another document is put in force.

        It is called by the thread that refreshes, after the change; what it raises is logged.

        Returns:
            a function that ends it.

        Since 0.1.
        """
        return self._engine.on_change(listener)

    def on_state(self, listener: StateListener) -> Callable[[], None]:
        """Calls a function with the status whenever its `state` has changed; otherwise like `on_change`. Since 0.1."""
        return self._engine.on_state(listener)

    @property
    def may_wait(self) -> bool:
        """Whether reads may ask the Agent on this machine (a FeatureFlags profile over `agent://`). Since 0.1."""
        document = self._engine.store.document
        return document is not None and document.remote is not None

    @property
    def closed(self) -> bool:
        """Whether `close` was called. Since 0.1."""
        return self._engine.refresher.closed

    def status(self) -> Status:
        """What is served and how fresh it is. Since 0.1."""
        return self._engine.store.status()

    def close(self) -> None:
        """Stops refreshing; questions are answered from what is there. Since 0.1."""
        self._engine.refresher.close()

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tells a function of each answer that is given, `(evaluation, user_id)`, in the thread that asks.

        For exposures and telemetry: see `flagkit.runtime.exposures` and `flagkit.telemetry`. Without watchers, reads
        cost nothing more.

        Returns:
            a function that ends it.

        Since 0.1.
        """
        return self._engine.add_watcher(watcher)

    def add_override(self, override: Override) -> None:
        """Lays answers over those of the document, e.g. for a test; see `flagkit.testing.override`. Since 0.1."""
        self._engine.add_override(override)

    def remove_override(self, override: Override) -> None:
        """Takes a override away. Since 0.1."""
        self._engine.remove_override(override)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
