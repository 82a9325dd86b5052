"""The caller of the current request, one per task and thread. It must not know any framework."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from flagkit.client import Flags
from flagkit.user import UserFlags

logger = logging.getLogger("flagkit")


@dataclass(frozen=True, slots=True)
class Caller:
    """The user and context of a request.

    Attributes:
        user_id: the user, if known.
        context: the other attributes that rules can use.
    """

    user_id: str | None = None
    context: Mapping[str, object] = field(default_factory=dict)


NOBODY = Caller()
ReadCaller = Callable[[], Caller]


class _Lazy:
    """A caller that is read once, when it is first needed."""

    __slots__ = ("_caller", "_read")

    def __init__(self, read: ReadCaller) -> None:
        self._read = read
        self._caller: Caller | None = None

    def get(self) -> Caller:
        if self._caller is None:
            try:
                self._caller = self._read()
            except Exception as error:
                # The type only: an error's text can quote the request.
                name = type(error).__name__
                logger.warning(
                    "flagkit: reading the request's caller failed (%s); flags are evaluated without a user", name
                )
                logger.debug("flagkit: reading the caller failed", exc_info=True)
                self._caller = NOBODY
        return self._caller


_current: ContextVar[_Lazy | None] = ContextVar("flagkit_caller", default=None)


@contextmanager
def caller_is(caller: Caller | ReadCaller) -> Iterator[None]:
    """Set the caller for a block: a `Caller`, or a function that reads it when it is first needed."""
    token = _current.set(_Lazy(caller if callable(caller) else lambda: caller))
    try:
        yield
    finally:
        _current.reset(token)


def current_caller() -> Caller:
    """Return the caller of the current request; without a user outside of one."""
    lazy = _current.get()
    return NOBODY if lazy is None else lazy.get()


def for_request(flags: Flags) -> UserFlags:
    """Return the reads for the caller of the current request."""
    caller = current_caller()
    return flags.for_user(caller.user_id, caller.context)
