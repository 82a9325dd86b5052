"""Functions that run only while a question is answered so: kill switches. It must not know flags or frameworks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def gated(
    function: Callable[Parameters, Result], is_open: Callable[[], bool], instead: Any
) -> Callable[Parameters, Result | Any]:
    """The function, running only while `is_open()`, which is asked at each call.

    Args:
        function: a coroutine function stays one.
        is_open: mustn't raise.
        instead: what happens otherwise: a function is called with the same arguments (and awaited, if the gated one
            is a coroutine function), an exception is raised, anything else is returned.
    """

    def otherwise(*args: Any, **kwargs: Any) -> Any:
        if isinstance(instead, BaseException):
            raise instead.with_traceback(None)  # or one instance would collect the frames of all calls
        if isinstance(instead, type) and issubclass(instead, BaseException):
            raise instead
        return instead(*args, **kwargs) if callable(instead) else instead

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def answer(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
            outcome = function(*args, **kwargs) if is_open() else otherwise(*args, **kwargs)
            return await outcome if inspect.isawaitable(outcome) else outcome

        return answer

    @functools.wraps(function)
    def gate(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result | Any:
        return function(*args, **kwargs) if is_open() else otherwise(*args, **kwargs)

    return gate
