"""Which role a handler needs; checked on the server for every request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from flagkit.console import Role

Handler = Callable[[Request], Awaitable[Response]]


def needs(role: Role | None, *, environment: str | None = "environment") -> Callable[[Handler], Handler]:
    """Checks the role in the environment of the path before the handler is called."""

    def decorate(handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            if role is not None and environment is not None:
                where = request.path_params[environment]
                if not request.state.identity.may(role, where):
                    raise HTTPException(403, f"{request.state.identity.name} does not have the role {role} in {where}")
            return await handler(request)

        return guarded

    return decorate
