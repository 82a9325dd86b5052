"""The caller of WSGI requests: Flask, Django, Bottle. It imports none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from flagkit.frameworks.caller import Caller, caller_is, current_caller
from flagkit.frameworks.observed import Request

if TYPE_CHECKING:
    from flagkit.outcomes.recorder import Outcomes

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class FlagsWSGIMiddleware:
    """Sets the caller of each request: `app.wsgi_app = FlagsWSGIMiddleware(app.wsgi_app, read=my_caller)`.

    Args:
        app: the application.
        read: from the environ to the caller, called when a flag first needs it, inside the request: `flask.g` and
            `flask.session` are available; `caller_from_environ` if None.
        outcomes: where requests that fail (status 500 and above) or are slow are recorded for their users.
    """

    def __init__(
        self, app: App, read: Callable[[Environ], Caller] | None = None, outcomes: Outcomes | None = None
    ) -> None:
        self._app = app
        self._outcomes = outcomes
        self._read = caller_from_environ if read is None else read

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        with caller_is(lambda: self._read(environ)):
            request = Request(self._outcomes, lambda: current_caller().user_id)

            def observe(status: str, *arguments: Any) -> Any:
                request.status = int(status[:3]) if status[:3].isdigit() else 500
                return start_response(status, *arguments)

            try:
                body = self._app(environ, start_response if self._outcomes is None else observe)
            except BaseException:
                request.status = 500
                request.end()
                raise
            return _Body(body, copy_context(), request)


class _Body:
    """A response body that is produced with the caller still set: a view can be a generator."""

    def __init__(self, body: Iterable[bytes], context: Context, request: Request) -> None:
        self._body = body
        self._context = context
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        parts = self._context.run(iter, self._body)
        while True:
            try:
                yield self._context.run(next, parts)
            except StopIteration:
                return
            except BaseException:
                self._request.status = 500
                raise

    def close(self) -> None:
        """Close the body, as WSGI servers require."""
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                self._context.run(close)
        finally:
            self._context.run(self._request.end)


def caller_from_environ(environ: Environ) -> Caller:
    """Return the server's REMOTE_USER, the path and the method; no headers."""
    context = {"path": environ.get("PATH_INFO"), "method": environ.get("REQUEST_METHOD")}
    return Caller(environ.get("REMOTE_USER") or None, {name: value for name, value in context.items() if value})
