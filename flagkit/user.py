"""Reads for one user. It must not hold answers: a new document counts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack, overload

from flagkit.core.context import Context, UserId, bound
from flagkit.core.evaluation import Evaluation

if TYPE_CHECKING:
    from flagkit.client import Flags
    from flagkit.core.explanation import Explanation
    from flagkit.core.outcomes import Happened


class UserFlags:
    """Reads for one user and context; created by `Flags.for_user`.

    Args:
        flags: the client.
        user_id: the user.
        context: the other attributes that rules can use.
    """

    __slots__ = ("_flags", "context", "user_id")

    def __init__(self, flags: Flags, user_id: UserId, context: Context | None) -> None:
        self._flags = flags
        self.user_id, self.context = bound(user_id, context)

    def is_enabled(self, key: str, *, default: bool = False) -> bool:
        """Return whether a flag is on."""
        return self._flags.is_enabled(key, self.user_id, self.context, default=default)

    def evaluate(self, key: str) -> Evaluation:
        """Return the whole answer of a flag."""
        return self._flags.evaluate(key, self.user_id, self.context)

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """Return the flag's boolean value."""
        return self._flags.boolean(key, self.user_id, self.context, default=default)

    def string(self, key: str, *, default: str) -> str:
        """Return the flag's value as text."""
        return self._flags.string(key, self.user_id, self.context, default=default)

    def integer(self, key: str, *, default: int) -> int:
        """Return the flag's value as a whole number."""
        return self._flags.integer(key, self.user_id, self.context, default=default)

    def number(self, key: str, *, default: float) -> float:
        """Return the flag's value as a number."""
        return self._flags.number(key, self.user_id, self.context, default=default)

    @overload
    def object(self, key: str, *, default: dict[str, Any]) -> dict[str, Any]: ...

    @overload
    def object(self, key: str, *, default: list[Any]) -> list[Any]: ...

    @overload
    def object(self, key: str, *, default: None = ...) -> dict[str, Any] | list[Any] | None: ...

    def object(self, key: str, *, default: Any = None) -> Any:
        """Return the flag's value if it is a list or object, otherwise all its attributes."""
        return self._flags.object(key, self.user_id, self.context, default=default)

    def all(self) -> dict[str, Evaluation]:
        """Return the answers of all flags."""
        return self._flags.all(self.user_id, self.context)

    def report(self, **happened: Unpack[Happened]) -> None:
        """Say what happened to the user; see `Flags.report`."""
        self._flags.report(self.user_id, **happened)

    def explain(self, key: str) -> Explanation:
        """Explain an answer."""
        return self._flags.explain(key, self.user_id, self.context)
