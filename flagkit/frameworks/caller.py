"""The caller of the running request, kept per task and thread. It must not know any framework."""

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
    """Whom flags are asked for.

    Attributes:
        user_id: the user, if known.
        context: what else rules may look at.

    Since 0.1.
    """

    user_id: str | None = None
    context: Mapping[str, object] = field(default_factory=dict)


NOBODY = Caller()
ReadCaller = Callable[[], Caller]


class _Lazy:
    """A caller that is read once, when it is first asked for."""

    __slots__ = ("_caller", "_read")

    def __init__(self, read: ReadCaller) -> None:
        self._read = read
        self._caller: Caller | None = None

    def get(self) -> Caller:
        if self._caller is None:
            try:
                self._caller = self._read()
            except Exception as error:
                # The kind only: an error's text may quote the request.
                name = type(error).__name__
                logger.warning("flagkit: the request's caller can't be read (%s); flags answer as for nobody", name)
                logger.debug("flagkit: reading the caller failed", exc_info=True)
                self._caller = NOBODY
        return self._caller


_current: ContextVar[_Lazy | None] = ContextVar("flagkit_caller", default=None)


@contextmanager
def caller_is(caller: Caller | ReadCaller) -> Iterator[None]:
    """Puts the caller in place for a block: a `Caller`, or a function that reads it when it is first needed.

    Since 0.1.
    """
    token = _current.set(_Lazy(caller if callable(caller) else lambda: caller))
    try:
        yield
    finally:
        _current.reset(token)


def current_caller() -> Caller:
    """The caller of the running request; nobody outside of one. Since 0.1."""
    lazy = _current.get()
    return NOBODY if lazy is None else lazy.get()


def for_request(flags: Flags) -> UserFlags:
    """Flags for the caller of the running request. Since 0.1."""
    caller = current_caller()
    return flags.for_user(caller.user_id, caller.context)
