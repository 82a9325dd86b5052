"""Questions for one user. It must not hold answers: a new document counts at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flagkit.core.context import bound
from flagkit.core.evaluation import Evaluation

if TYPE_CHECKING:
    from flagkit.client import Flags
    from flagkit.core.explanation import Explanation


class UserFlags:
    """Flags for one user and context; made by `Flags.for_user`.

    Args:
        flags: the client.
        user_id: whom the questions are asked for.
        context: what else rules may look at.

    Since 0.1.
    """

    __slots__ = ("_flags", "context", "user_id")

    def __init__(self, flags: Flags, user_id: Any, context: Mapping[str, Any] | None) -> None:
        self._flags = flags
        self.user_id, self.context = bound(user_id, context)

    def is_enabled(self, key: str, *, default: bool = False) -> bool:
        """Whether a flag is on. Since 0.1."""
        return self._flags.is_enabled(key, self.user_id, self.context, default=default)

    def evaluate(self, key: str) -> Evaluation:
        """The whole answer about a flag. Since 0.1."""
        return self._flags.evaluate(key, self.user_id, self.context)

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """The flag's boolean value. Since 0.1."""
        return self._flags.boolean(key, self.user_id, self.context, default=default)

    def string(self, key: str, *, default: str) -> str:
        """The flag's value as text. Since 0.1."""
        return self._flags.string(key, self.user_id, self.context, default=default)

    def integer(self, key: str, *, default: int) -> int:
        """The flag's value as a whole number. Since 0.1."""
        return self._flags.integer(key, self.user_id, self.context, default=default)

    def number(self, key: str, *, default: float) -> float:
        """The flag's value as a number. Since 0.1."""
        return self._flags.number(key, self.user_id, self.context, default=default)

    def object(self, key: str, *, default: Any) -> Any:
        """The flag's value if it is a list or object, otherwise all its attributes. Since 0.1."""
        return self._flags.object(key, self.user_id, self.context, default=default)

    def all(self) -> dict[str, Evaluation]:
        """The answers of all flags. Since 0.1."""
        return self._flags.all(self.user_id, self.context)

    def explain(self, key: str) -> Explanation:
        """Why a flag answers what it does. Since 0.1."""
        return self._flags.explain(key, self.user_id, self.context)
