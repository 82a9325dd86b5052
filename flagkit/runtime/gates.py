"""Functions that run only while a question is answered so: kill switches. It must not know flags or frameworks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, overload

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Instead_co = TypeVar("Instead_co", covariant=True)


class Gate(Protocol[Instead_co]):
    """The decorator that `Flags.requires_flag` returns: a coroutine function stays one."""

    @overload
    def __call__(
        self, function: Callable[Parameters, Coroutine[Any, Any, Result]], /
    ) -> Callable[Parameters, Coroutine[Any, Any, Result | Instead_co]]: ...
    @overload
    def __call__(self, function: Callable[Parameters, Result], /) -> Callable[Parameters, Result | Instead_co]: ...


def gated(function: Callable[..., Any], is_open: Callable[[], bool], instead: Any) -> Callable[..., Any]:
    """The function, running only while `is_open()`, which is asked at each call."""

    def otherwise(*args: Any, **kwargs: Any) -> Any:
        if isinstance(instead, BaseException):
            raise instead.with_traceback(None)  # or one instance would collect the frames of all calls
        if isinstance(instead, type) and issubclass(instead, BaseException):
            raise instead
        return instead(*args, **kwargs) if callable(instead) else instead

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def gated_async(*args: Any, **kwargs: Any) -> Any:
            outcome = function(*args, **kwargs) if is_open() else otherwise(*args, **kwargs)
            return await outcome if inspect.isawaitable(outcome) else outcome

        return gated_async

    @functools.wraps(function)
    def gated(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if is_open() else otherwise(*args, **kwargs)

    return gated
