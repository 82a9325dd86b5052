"""The caller of Django requests, sync and async: `MIDDLEWARE = […, "flagkit.frameworks.django.flags_middleware"]`.

It doesn't import Django.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flagkit.frameworks.caller import Caller, caller_is, current_caller
from flagkit.frameworks.observed import Request

if TYPE_CHECKING:
    from flagkit.outcomes.recorder import Outcomes

__all__ = ["caller_from_request", "flags_middleware", "middleware_for"]

GetResponse = Callable[[Any], Any]
Middleware = Callable[[GetResponse], GetResponse]


def caller_from_request(request: Any) -> Caller:
    """Return the authenticated user's key, the path and the method; no headers."""
    user = getattr(request, "user", None)
    known = user is not None and user.is_authenticated
    return Caller(
        str(user.pk) if known and user is not None else None, {"path": request.path, "method": request.method}
    )


def middleware_for(read: Callable[[Any], Caller], outcomes: Outcomes | None = None) -> Middleware:
    """Create a middleware with another `read`: name the result in MIDDLEWARE.

    Args:
        read: from the request to the caller, called when a flag first needs it.
        outcomes: where requests that fail (status 500 and above) or are slow are recorded for their users.
    """

    def factory(get_response: GetResponse) -> GetResponse:
        # Django marks its own async chain in either way, depending on the Python.
        if inspect.iscoroutinefunction(get_response) or hasattr(get_response, "_is_coroutine"):

            async def answer_async(request: Any) -> Any:
                if hasattr(request, "auser"):  # a coroutine can't load the lazy `request.user` later
                    request.user = await request.auser()
                with caller_is(lambda: read(request)):
                    observed = Request(outcomes, lambda: current_caller().user_id)
                    try:
                        response = await get_response(request)
                        observed.status = getattr(response, "status_code", 200)
                        return response
                    finally:
                        observed.end()

            return answer_async

        def answer(request: Any) -> Any:
            with caller_is(lambda: read(request)):
                observed = Request(outcomes, lambda: current_caller().user_id)
                try:
                    response = get_response(request)
                    observed.status = getattr(response, "status_code", 200)
                    return response
                finally:
                    observed.end()

        return answer

    factory.sync_capable = True  # type: ignore[attr-defined]  # how Django asks
    factory.async_capable = True  # type: ignore[attr-defined]
    return factory


flags_middleware = middleware_for(caller_from_request)
