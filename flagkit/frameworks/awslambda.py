"""The caller of AWS Lambda events behind API Gateway or a function URL, with Cognito's claims in the context."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flagkit.client import Flags
from flagkit.frameworks.caller import Caller, caller_is

Result = TypeVar("Result")
Event = Mapping[str, Any]


def for_events(
    flags: Flags,
    *,
    read: Callable[[Event], Caller] | None = None,
    budget_s: float = 0.5,
    afterwards: Callable[[], object] | None = None,
) -> Callable[[Callable[[Any, Any], Result]], Callable[[Any, Any], Result]]:
    """Decorator for a Lambda handler: fresh flags and the event's caller.

    ```python
    @for_events(flags, afterwards=exposures.flush)
    def handler(event, context):
        if for_request(flags).is_enabled("new_checkout"): ...
    ```

    Args:
        flags: the client; asked for news at the start of an invocation, if it is time to.
        read: from the event to the caller; `caller_from_event` where None.
        budget_s: how long an invocation may be held up by asking for news.
        afterwards: called at the end of each invocation, whatever the handler did.

    Since 0.1.
    """
    reader = caller_from_event if read is None else read

    def decorate(handler: Callable[[Any, Any], Result]) -> Callable[[Any, Any], Result]:
        @functools.wraps(handler)
        def answer(event: Any, context: Any) -> Result:
            try:
                with caller_is(lambda: reader(event)):
                    return handler(event, context)
            finally:
                if afterwards is not None:
                    afterwards()

        return flags.on_invocation(answer, budget_s=budget_s)

    return decorate


def caller_from_event(event: Event) -> Caller:
    """The caller of an API Gateway event (REST, HTTP API, Lambda authorizer).

    The user is Cognito's `sub` (or the authorizer's `principalId`). Claims become context: `custom:tier` as `tier`,
    `cognito:groups` as `groups`, comma-separated; path, method, and CloudFront's country besides.

    Since 0.1.
    """
    request = _mapping(event.get("requestContext"))
    claims = _claims(_mapping(request.get("authorizer")))
    context: dict[str, object] = {}
    for name, value in claims.items():
        if name == "cognito:groups":
            context["groups"] = _groups(value)
        elif isinstance(value, str | int | float | bool):
            context[name.removeprefix("custom:")] = value
    http = _mapping(request.get("http"))
    path = event.get("rawPath") or event.get("path")
    method = http.get("method") or event.get("httpMethod")
    headers = {str(name).lower(): value for name, value in _mapping(event.get("headers")).items()}
    known = {"path": path, "method": method, "country": headers.get("cloudfront-viewer-country")}
    context.update((name, value) for name, value in known.items() if value)
    user = claims.get("sub") or claims.get("principalId")
    return Caller(None if user is None else str(user), context)


def _claims(authorizer: Mapping[str, Any]) -> Mapping[str, Any]:
    jwt = _mapping(_mapping(authorizer.get("jwt")).get("claims"))  # HTTP API, JWT authorizer
    own = _mapping(authorizer.get("lambda"))  # HTTP API, Lambda authorizer
    return jwt or _mapping(authorizer.get("claims")) or own or authorizer  # REST: Cognito, then Lambda authorizer


def _groups(value: object) -> str:
    # A list in the token; API Gateway's HTTP API writes it as text: "[admin beta]", its REST API "admin,beta".
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return ",".join(str(value).strip("[]").replace(",", " ").split())


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
