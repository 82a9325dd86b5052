"""flagkit for asyncio: the same client, with everything that may wait off the event loop. It must not hold state.

Reads of a client are arithmetic on what is in memory, microseconds, and need no `await`: use `AsyncFlags.flags` for
them. The exception is a FeatureFlags profile evaluated by the Agent; the questions here go off the loop only then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack

from flagkit.client import Flags
from flagkit.core.evaluation import Evaluation
from flagkit.runtime.engine import Options
from flagkit.runtime.status import Status

if TYPE_CHECKING:
    import boto3

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

__all__ = ["AsyncFlags", "connect"]


async def connect(
    url: str | None = None, *, session: boto3.Session | None = None, **options: Unpack[Options]
) -> AsyncFlags:
    """As `Flags.connect`, without blocking the event loop while the first document is fetched. Since 0.1."""
    return AsyncFlags(await asyncio.to_thread(Flags.connect, url, session=session, **options))


class AsyncFlags:
    """A client for coroutines; it shares the state of `flags`, which threads may use at the same time.

    Args:
        flags: the client.

    Since 0.1.
    """

    def __init__(self, flags: Flags) -> None:
        self.flags = flags

    async def is_enabled(
        self, key: str, user_id: object = None, context: Mapping[str, object] | None = None, *, default: bool = False
    ) -> bool:
        """Whether a flag is on for a user. Since 0.1."""
        return await self._ask(self.flags.is_enabled, key, user_id, context, default=default)

    async def evaluate(
        self, key: str, user_id: object = None, context: Mapping[str, object] | None = None
    ) -> Evaluation:
        """The whole answer about a flag. Since 0.1."""
        return await self._ask(self.flags.evaluate, key, user_id, context)

    async def string(
        self, key: str, user_id: object = None, context: Mapping[str, object] | None = None, *, default: str
    ) -> str:
        """The flag's value as text. Since 0.1."""
        return await self._ask(self.flags.string, key, user_id, context, default=default)

    async def integer(
        self, key: str, user_id: object = None, context: Mapping[str, object] | None = None, *, default: int
    ) -> int:
        """The flag's value as a whole number. Since 0.1."""
        return await self._ask(self.flags.integer, key, user_id, context, default=default)

    async def number(
        self, key: str, user_id: object = None, context: Mapping[str, object] | None = None, *, default: float
    ) -> float:
        """The flag's value as a number. Since 0.1."""
        return await self._ask(self.flags.number, key, user_id, context, default=default)

    async def object(
        self, key: str, user_id: Any = None, context: Mapping[str, Any] | None = None, *, default: Any
    ) -> Any:
        """The flag's value if it is a list or object, otherwise all its attributes. Since 0.1."""
        return await self._ask(self.flags.object, key, user_id, context, default=default)

    async def all(self, user_id: Any = None, context: Mapping[str, Any] | None = None) -> dict[str, Evaluation]:
        """The answers of all flags for one user. Since 0.1."""
        return await self._ask(self.flags.all, user_id, context)

    async def refresh(self) -> bool:
        """Asks the source now. Since 0.1."""
        return await asyncio.to_thread(self.flags.refresh)

    async def refresh_if_due(self) -> None:
        """Asks the source if it is time to. Since 0.1."""
        await asyncio.to_thread(self.flags.refresh_if_due)

    async def wait_until_ready(self, timeout_s: float) -> bool:
        """Waits until a document has come from the source. Since 0.1."""
        return await asyncio.to_thread(self.flags.wait_until_ready, timeout_s)

    def status(self) -> Status:
        """What is served and how fresh it is. Since 0.1."""
        return self.flags.status()

    async def close(self) -> None:
        """Stops refreshing. Since 0.1."""
        await asyncio.to_thread(self.flags.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(
        self, question: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        if self.flags.may_wait:
            return await asyncio.to_thread(question, *args, **kwargs)
        return question(*args, **kwargs)
