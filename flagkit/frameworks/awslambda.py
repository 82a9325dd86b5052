"""The caller of AWS Lambda events, with Cognito's claims in the context: API Gateway, function URLs, load balancers.

Only what AWS has verified is read, never a header: the client controls those. Nothing is logged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from flagkit.client import Flags
from flagkit.frameworks.caller import Caller, caller_is, current_caller
from flagkit.frameworks.observed import Request

Result = TypeVar("Result")
Event = Mapping[str, Any]
CLAIMS: Collection[str] = ("cognito:groups", "email")
"""The default claims that become context. Custom attributes aren't among them: unless the app client forbids it, users
can write their own (Cognito's UpdateUserAttributes)."""
_RESERVED = frozenset({"email", "groups", "method", "path", "phone_number", "userId", "username"})
_UNVERIFIED = {"email": "email_verified", "phone_number": "phone_number_verified"}


def for_events(
    flags: Flags,
    *,
    claims: Collection[str] = CLAIMS,
    read: Callable[[Event], Caller] | None = None,
    budget_s: float = 0.5,
    afterwards: Callable[[], object] | None = None,
) -> Callable[[Callable[[Any, Any], Result]], Callable[[Any, Any], Result]]:
    """Decorator for a Lambda handler: polls the source if a poll is due and sets the event's caller.

    ```python
    @for_events(flags, afterwards=exposures.flush)
    def handler(event, context):
        if for_request(flags).is_enabled("new_checkout"): ...
    ```

    With `flags.report_to(outcomes)`, an invocation that raises, answers with `statusCode` 500 or above, or is slow is
    recorded for its user, and what waits is sent at its end.

    Args:
        flags: the client; refreshed at the start of an invocation, if a poll is due.
        claims: see `caller_from_event`.
        read: from the event to the caller; `caller_from_event` if None.
        budget_s: how long an invocation can be delayed by the refresh.
        afterwards: called at the end of each invocation, also if the handler raises.
    """
    reader = functools.partial(caller_from_event, claims=claims) if read is None else read

    def decorate(handler: Callable[[Any, Any], Result]) -> Callable[[Any, Any], Result]:
        @functools.wraps(handler)
        def answer(event: Any, context: Any) -> Result:
            try:
                with caller_is(lambda: reader(event)):
                    return _observed(flags, handler, event, context)
            finally:
                if flags.outcomes is not None:
                    flags.outcomes.flush()
                if afterwards is not None:
                    afterwards()

        return flags.on_invocation(answer, budget_s=budget_s)

    return decorate


def _observed(flags: Flags, handler: Callable[[Any, Any], Result], event: Any, context: Any) -> Result:
    request = Request(flags.outcomes, lambda: current_caller().user_id)
    try:
        result = handler(event, context)
        status = _mapping(result).get("statusCode", 200)
        request.status = status if isinstance(status, int) else 200
        return result
    finally:
        request.end()


def caller_from_event(event: Event, claims: Collection[str] = CLAIMS) -> Caller:
    """Return the caller of an event of API Gateway (REST, HTTP API) or a function URL; no user for a load balancer's.

    The user is Cognito's `sub`, a Lambda authorizer's `sub` or `principalId`, or the id of an IAM caller. The context
    has path and method, the chosen claims, and what a Lambda authorizer returned.

    Args:
        event: as Lambda delivers it.
        claims: which claims become context: `custom:tier` as `tier`, `cognito:groups` as `groups` with a comma on
            either side of each, so that `(contains $groups ",staff,")` matches the whole name. `custom:*` selects all
            of them. `email` and `phone_number` count only once Cognito has verified them.
    """
    event = _mapping(event)  # a schedule or a test can send anything
    request = _mapping(event.get("requestContext"))
    authorizer = _mapping(request.get("authorizer"))
    token = _mapping(_mapping(authorizer.get("jwt")).get("claims")) or _mapping(authorizer.get("claims"))
    own = {} if token else _mapping(authorizer.get("lambda")) or authorizer  # what a Lambda authorizer returned
    context = {**_plain(own), **context_of_claims(token, claims)}
    if "cognito:groups" in own:
        context["groups"] = _groups(own["cognito:groups"])
    http = _mapping(request.get("http"))
    known = {"path": event.get("rawPath") or event.get("path"), "method": http.get("method") or event.get("httpMethod")}
    context.update((name, value) for name, value in known.items() if value)
    user = token.get("sub") or own.get("sub") or own.get("principalId") or _mapping(authorizer.get("iam")).get("userId")
    return Caller(None if user is None else str(user), context)


def names_of_claims(claims: Collection[str]) -> frozenset[str]:
    """Return the names that claims can have in the context."""
    return frozenset(
        {*(name.rpartition(":")[2] for name in claims), *(["groups"] if "cognito:groups" in claims else [])}
    )


def context_of_claims(token: Mapping[str, Any], wanted: Collection[str]) -> dict[str, object]:
    """Return the wanted claims of a verified token as context."""
    context = _plain(
        {
            name: value
            for name, value in token.items()
            if (name in wanted or (name.startswith("custom:") and "custom:*" in wanted))
            and (name not in _UNVERIFIED or str(token.get(_UNVERIFIED[name])).lower() == "true")
        }
    )
    if "cognito:groups" in token and "cognito:groups" in wanted:
        context["groups"] = _groups(token["cognito:groups"])
    return context


def _plain(claims: Mapping[str, Any]) -> dict[str, object]:
    """Claims by their bare names; a custom attribute, which users can write, never replaces another one."""
    return {
        name.rpartition(":")[2]: value
        for name, value in claims.items()
        if isinstance(value, str | int | float | bool)
        and not (name.startswith("custom:") and name.removeprefix("custom:") in _RESERVED)
        and name != "cognito:groups"
    }


def _groups(value: object) -> str:
    # A list in the token; API Gateway's HTTP API writes it as text: "[admin beta]", its REST API "admin,beta".
    names = value if isinstance(value, list | tuple) else str(value).strip("[]").replace(",", " ").split()
    return f",{','.join(map(str, names))}," if names else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
