"""flagkit for asyncio: the same client, with everything that can wait off the event loop. It must not hold state.

Reads take microseconds in memory and need no `await`: use `AsyncFlags.flags` for them. The exception is a FeatureFlags
profile evaluated by the Agent; only then the reads here run in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack, overload

from flagkit.client import Flags
from flagkit.core.context import Context, UserId
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
    """Like `Flags.connect`, without blocking the event loop while the first document is fetched."""
    return AsyncFlags(await asyncio.to_thread(Flags.connect, url, session=session, **options))


class AsyncFlags:
    """A client for coroutines; it shares the state of `flags`, which threads can use at the same time.

    Args:
        flags: the client.
    """

    def __init__(self, flags: Flags) -> None:
        self.flags = flags

    async def is_enabled(
        self, key: str, user_id: UserId = None, context: Context | None = None, *, default: bool = False
    ) -> bool:
        """Return whether a flag is on for a user."""
        return await self._ask(self.flags.is_enabled, key, user_id, context, default=default)

    async def evaluate(self, key: str, user_id: UserId = None, context: Context | None = None) -> Evaluation:
        """Return the whole answer of a flag."""
        return await self._ask(self.flags.evaluate, key, user_id, context)

    async def string(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: str) -> str:
        """Return the flag's value as text."""
        return await self._ask(self.flags.string, key, user_id, context, default=default)

    async def integer(self, key: str, user_id: UserId = None, context: Context | None = None, *, default: int) -> int:
        """Return the flag's value as a whole number."""
        return await self._ask(self.flags.integer, key, user_id, context, default=default)

    async def number(
        self, key: str, user_id: UserId = None, context: Context | None = None, *, default: float
    ) -> float:
        """Return the flag's value as a number."""
        return await self._ask(self.flags.number, key, user_id, context, default=default)

    @overload
    async def object(
        self, key: str, user_id: UserId = ..., context: Context | None = ..., *, default: dict[str, Any]
    ) -> dict[str, Any]: ...

    @overload
    async def object(
        self, key: str, user_id: UserId = ..., context: Context | None = ..., *, default: list[Any]
    ) -> list[Any]: ...

    @overload
    async def object(
        self, key: str, user_id: UserId = ..., context: Context | None = ..., *, default: None = ...
    ) -> dict[str, Any] | list[Any] | None: ...

    async def object(
        self, key: str, user_id: UserId = None, context: Context | None = None, *, default: Any = None
    ) -> Any:
        """Return the flag's value if it is a list or object, otherwise all its attributes."""
        return await self._ask(self.flags.object, key, user_id, context, default=default)

    async def all(self, user_id: UserId = None, context: Context | None = None) -> dict[str, Evaluation]:
        """Return the answers of all flags for one user."""
        return await self._ask(self.flags.all, user_id, context)

    async def refresh(self) -> bool:
        """Ask the source now; return whether it answered properly."""
        return await asyncio.to_thread(self.flags.refresh)

    async def refresh_if_due(self) -> None:
        """Ask the source if a poll is due."""
        await asyncio.to_thread(self.flags.refresh_if_due)

    async def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until the source has delivered a document; return whether it has."""
        return await asyncio.to_thread(self.flags.wait_until_ready, timeout_s)

    def status(self) -> Status:
        """Return which document is current and how fresh it is."""
        return self.flags.status()

    async def close(self) -> None:
        """Stop refreshing."""
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
