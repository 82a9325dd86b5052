"""Somebody else who writes to the same account: a pipeline or a person that moves an alias behind the driver's back.

It acts on Lambda's state directly, past faults and the log of calls, at a time or right after a chosen call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from canary.testing.lambda_ import LambdaService
from flagkit.testing import CallContext, CallRecord, ServiceError, VirtualClock
from flagkit.testing.wire import Wire

_NOBODY = CallContext(region="", access_key="", headers={})


@dataclass(slots=True)
class ForeignWrite:
    """One planned change by the foreign writer.

    Attributes:
        happened_at: the time of the change; None before it.
        refused: why AWS refused a change that was planned for later; empty if it didn't.
    """

    happened_at: datetime | None = None
    refused: str = ""


class ForeignWriter:
    """Changes aliases as another process or person would.

    Args:
        lambda_: the service it writes to.
        wire: reports the calls of other clients.
        clock: virtual time.
    """

    def __init__(self, lambda_: LambdaService, wire: Wire, clock: VirtualClock) -> None:
        self._lambda = lambda_
        self._wire = wire
        self._clock = clock

    def move_alias(
        self,
        function: str,
        alias: str,
        version: str | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        description: str | None = None,
        at: datetime | None = None,
        after_call: str | None = None,
        nth: int = 1,
    ) -> ForeignWrite:
        """Updates an alias, without a RevisionId: at once, at a time, or right after a call.

        Args:
            function: its name.
            alias: the alias.
            version: the new primary version; unchanged where None.
            weights: the new weights, empty to clear them; unchanged where None.
            description: the new description; unchanged where None.
            at: the time of the change.
            after_call: make the change after a call that matches this pattern, e.g. `lambda.UpdateAlias`, before
                the caller has the answer.
            nth: after which of these calls, 1 for the next.

        Returns:
            the planned change, with the time at which it happened.
        """
        params = _update(function, alias, version, weights, description)
        return self.act(partial(self._lambda.UpdateAlias, params, _NOBODY), at=at, after_call=after_call, nth=nth)

    def check(
        self,
        function: str,
        alias: str,
        version: str | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        description: str | None = None,
    ) -> None:
        """Finds out whether `move_alias` would be refused now.

        Raises:
            ServiceError: it would.
        """
        self._lambda.checked_update(_update(function, alias, version, weights, description))

    def act(
        self,
        action: Callable[[], object],
        *,
        at: datetime | None = None,
        after_call: str | None = None,
        nth: int = 1,
    ) -> ForeignWrite:
        """Runs an action at once, at a time, or right after a call; see `move_alias`."""
        write = ForeignWrite()
        do = partial(self._do, write, action)
        later = partial(self._do_later, write, do)
        if after_call is not None:
            self._after(after_call, nth, later)
        elif at is not None:
            self._clock.call_at(at, later)
        else:
            do()
        return write

    def _do_later(self, write: ForeignWrite, do: Callable[[], None]) -> None:
        try:
            do()
        except ServiceError as error:  # nobody waits for it: neither the clock nor the caller after whom it comes
            write.happened_at, write.refused = None, error.message

    def _do(self, write: ForeignWrite, action: Callable[[], object]) -> None:
        with self._wire.lock:
            write.happened_at = self._clock.now()
            action()

    def _after(self, pattern: str, nth: int, do: Callable[[], None]) -> None:
        left = nth

        def watch(record: CallRecord) -> None:
            nonlocal left
            if fnmatchcase(record.call, pattern):
                with self._wire.lock:
                    left -= 1
                    is_due = left == 0
                if is_due:
                    self._wire.watchers.remove(watch)
                    do()

        self._wire.watchers.append(watch)


def _update(
    function: str, alias: str, version: str | None, weights: Mapping[str, float] | None, description: str | None
) -> dict[str, Any]:
    params: dict[str, Any] = {"FunctionName": function, "Name": alias}
    if version is not None:
        params["FunctionVersion"] = version
    if weights is not None:
        params["RoutingConfig"] = {"AdditionalVersionWeights": dict(weights)}
    if description is not None:
        params["Description"] = description
    return params
