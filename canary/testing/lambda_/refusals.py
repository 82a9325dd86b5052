"""Lambda's refusals, with the texts that AWS really answers (lambda-canary.md §1, recorded responses [LocalStack])."""

from __future__ import annotations

from flagkit.testing import ServiceError

_STALE = (
    "The Revision Id provided does not match the latest Revision Id. Call the {} API to retrieve the latest Revision Id"
)
STALE = _STALE.format("GetFunction/GetAlias")
STALE_POLICY = _STALE.format("GetPolicy")


def invalid(message: str) -> ServiceError:
    """400 InvalidParameterValueException."""
    return ServiceError("InvalidParameterValueException", message, Type="User")


def validation(value: object, member: str, constraint: str) -> ServiceError:
    """400 ValidationException: what the request's shape already forbids."""
    text = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    return ServiceError("ValidationException", text, status=400)


def not_found(message: str) -> ServiceError:
    """404 ResourceNotFoundException."""
    return ServiceError("ResourceNotFoundException", message, Type="User")


def function_not_found(arn: str) -> ServiceError:
    """404: no such function or version."""
    return not_found(f"Function not found: {arn}")


def conflict(message: str) -> ServiceError:
    """409 ResourceConflictException."""
    return ServiceError("ResourceConflictException", message, Type="User")


def precondition(message: str) -> ServiceError:
    """412 PreconditionFailedException: the `RevisionId` is stale."""
    return ServiceError("PreconditionFailedException", message, Type="User")
