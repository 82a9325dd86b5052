"""How a request ended, for `Outcomes`: its status and duration. It must not know any framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flagkit.outcomes.recorder import Outcomes


class Request:
    """One request that is being answered; `end` is called once, with the caller still set.

    Args:
        outcomes: where it is recorded; None for nowhere.
        user_id: asked only if the request failed or was slow.

    Attributes:
        status: of the answer; 500 until there is one, since a request without an answer has failed.
    """

    __slots__ = ("_began", "_outcomes", "_user_id", "status")

    def __init__(self, outcomes: Outcomes | None, user_id: Callable[[], object]) -> None:
        self.status = 500
        self._outcomes, self._user_id = outcomes, user_id
        self._began = 0.0 if outcomes is None else outcomes.elapsed_s()

    def end(self) -> None:
        """Record it, the first time."""
        outcomes, self._outcomes = self._outcomes, None
        if outcomes is not None:
            outcomes.observe(self._user_id, self.status, outcomes.elapsed_s() - self._began)
