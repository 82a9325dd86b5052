"""boto3 at the edge: sessions, clients that try once, AWS's errors in canary's words; it knows no service's meaning.

The only module of canary that imports boto3 and botocore. Trying again is the caller's business (canary.runner
through the Clock port, `patiently` for reads that must not raise), so botocore's own retries are off.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.parsers import ResponseParserError

from canary.errors import AccessDeniedError, AwsError, NotFoundError, StaleRevisionError, UnavailableError
from canary.ports import Clock, CredentialsEnd
from flagkit.channels.http import BODY_LIMIT, DeadlineError, within
from flagkit.channels.text import printable
from flagkit.sources.answers import refuse_odd_answers

Session = boto3.Session
"""A boto3 session; other modules take it from here."""

T = TypeVar("T")

GRACE_S: Final = 20.0
"""How much longer than one read a whole call may take: credentials, name, connection, and a body that comes slowly."""

MAX_PAGES: Final = 500
"""More pages than any listing here has; a server that repeats its tokens must not hold a tick."""

_NOT_FOUND: Final = frozenset(
    {
        "ResourceNotFoundException",
        "ResourceNotFound",
        "NotFoundException",
        "NoSuchEntity",
        "StateMachineDoesNotExist",
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
    }
)
_NO_CREDENTIALS: Final = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "ExpiredToken",
        "ExpiredTokenException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "IncompleteSignature",
    }
)
_TRY_AGAIN: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
        "ServiceException",
        "ServiceUnavailable",
        "InternalFailure",
        "InternalError",
        "InternalServerError",
        # An update of the function or the alias is still on its way (lambda-canary.md §1).
        "ResourceConflictException",
    }
)


def open_session(region: str | None = None, profile: str | None = None) -> Session:
    """A session from the environment or a profile of the AWS configuration, in the plan's region if it names one.

    boto3 itself reads only AWS_DEFAULT_REGION; the other SDKs and the AWS command line take AWS_REGION first.
    """
    try:
        return boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None, profile_name=profile)
    except ProfileNotFound as error:
        raise AccessDeniedError(str(error), hint="Correct --profile or AWS_PROFILE.") from error


@cache
def unused_session() -> Session:
    """A session for a stage without anything in AWS: clients want a region and credentials, and none is asked."""
    return boto3.Session("unused", "unused", region_name="us-east-1")


_SAYS_END: Final = ("aws_credential_expiration", "x_security_token_expires", "aws_expiration", "expiration")
"""Where tools that write temporary credentials into a profile say when they end; boto3 reads none of it."""


def credentials_end(session: Session) -> CredentialsEnd:
    """When the session's credentials end; those of roles, single sign-on and processes renew themselves."""
    found = session.get_credentials()
    if found is None or found.method not in {"env", "shared-credentials-file", "config-file"}:
        return CredentialsEnd()
    if found.method == "env":
        said = os.environ.get("AWS_CREDENTIAL_EXPIRATION", "")
    else:
        profile = session._session.get_scoped_config()  # noqa: SLF001  boto3 has no public way to the profile
        said = next((str(profile[name]) for name in _SAYS_END if name in profile), "")
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return CredentialsEnd(is_known=not found.token)
    return CredentialsEnd(at if at.tzinfo else at.replace(tzinfo=UTC))


class Api:
    """One service's client whose errors are canary's own.

    Args:
        session: the boto3 session.
        service: botocore's name of the service.
        read_timeout_s: how long the server may be silent; the whole call may take `GRACE_S` longer.
        on_date: hears the `Date` of each answer.

    Raises:
        AwsError: no region, or a service that boto3 doesn't know.
    """

    def __init__(
        self,
        session: Session,
        service: str,
        *,
        read_timeout_s: float = 10.0,
        on_date: Callable[[datetime], None] | None = None,
    ) -> None:
        self.service = service
        self._session = session
        self._within_s = read_timeout_s + GRACE_S
        self._on_date = on_date
        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=3.0,
            read_timeout=read_timeout_s,
            user_agent_extra="canary",
        )
        make: Callable[..., Any] = session.client  # typed by name of service, which is a variable here
        hint = "Set AWS_REGION, or `region` in the stage."
        if session.region_name == "":  # AWS_DEFAULT_REGION is set and empty; botocore would make a URL of it
            raise AwsError("no AWS region is set", hint=hint)
        try:
            self.client = make(service, config=config)
        except NoRegionError as error:
            raise AwsError("no AWS region is set", hint=hint) from error
        except BotoCoreError as error:
            raise translated(error, service, "") from error
        refuse_odd_answers(self.client)

    def call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Calls an operation by its API name ("UpdateAlias"), once.

        Raises:
            AwsError: in one of its kinds; the message names the action as IAM writes it.
        """
        method = getattr(self.client, _snake(operation))
        with reading(self.service, operation):
            # botocore limits each read: a body of a byte a second would never end.
            answer: dict[str, Any] = within(self._within_s, partial(self._signed, partial(method, **arguments)))
        self._report_date(answer)
        return answer

    def pages(self, operation: str, key: str, **arguments: object) -> Iterator[dict[str, Any]]:
        """Every item under `key` over all pages of a listing; the names of tokens are botocore's own model of it.

        Raises:
            AwsError: as `call`, and for a listing that doesn't end.
        """
        pages = self.client.get_paginator(_snake(operation)).paginate(**arguments)
        for number, page in enumerate(self._translated(pages, operation)):
            if number >= MAX_PAGES:
                raise _endless(self.service, operation)
            yield from page.get(key) or ()

    def pages_by_token(self, clock: Clock, operation: str, **arguments: object) -> Iterator[dict[str, Any]]:
        """Whole pages that are linked by `NextToken`, each read tried again on faults that pass.

        Raises:
            AwsError: as `call`, and for a listing that doesn't end.
        """
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            page = patiently(clock, partial(self.call, operation, **arguments))
            yield page
            token = str(page.get("NextToken") or "")
            if not token:
                return
            if token in seen:
                break
            seen.add(token)
            arguments = {**arguments, "NextToken": token}
        raise _endless(self.service, operation)

    def _translated(self, pages: Iterable[dict[str, Any]], operation: str) -> Iterator[dict[str, Any]]:
        iterator = iter(pages)
        while True:
            with reading(self.service, operation):
                page = within(self._within_s, partial(self._signed, partial(next, iterator, None)))
            if page is None:
                return
            yield page

    def _signed(self, call: Callable[[], T]) -> T:
        """Makes a call whose credentials are usable: botocore ends with a RuntimeError where they have expired."""
        credentials = self._session.get_credentials()
        if credentials is not None:
            try:
                credentials.get_frozen_credentials()
            except RuntimeError as error:
                raise CredentialRetrievalError(provider=credentials.method or "", error_msg=str(error)) from error
        return call()

    def _report_date(self, answer: Mapping[str, Any]) -> None:
        if self._on_date is None:
            return
        try:
            self._on_date(parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            return  # a proxy's odd header is no reason to stop


_UNREADABLE: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    ResponseParserError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What reading an answer that isn't as documented raises: in our own reading, and in botocore's parsers (RuntimeError
for a time it can't place)."""


@contextmanager
def reading(service: str, operation: str) -> Iterator[None]:
    """Turns what goes wrong with a call, or with reading its answer, into canary's errors.

    Raises:
        AwsError: in one of its kinds; an answer that can't be read is an `UnavailableError`.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translated(error, service, operation) from error
    except DeadlineError as error:
        raise UnavailableError(f"{service}:{operation}: {error}") from error
    except _UNREADABLE as error:
        raise UnavailableError(
            f"{service}:{operation}: the answer can't be read ({type(error).__name__}: {printable(str(error))})"
        ) from error


def read_body(stream: Any, action: str, limit: int = BODY_LIMIT) -> bytes:
    """The bytes of a streamed answer, at most `limit`.

    Raises:
        UnavailableError: the stream broke off, or there is none.
    """
    try:
        body: bytes = stream.read(limit + 1)
    except Exception as error:  # botocore hands on urllib3's errors here
        raise UnavailableError(f"{action}: the answer broke off ({type(error).__name__})") from error
    if len(body) > limit:
        raise UnavailableError(f"{action}: the answer is larger than {limit:,} bytes")
    return body


def _endless(service: str, operation: str) -> UnavailableError:
    return UnavailableError(f"{service}:{operation}: the listing doesn't end")


def translated(error: ClientError | BotoCoreError, service: str, operation: str) -> AwsError:
    """The same fault as an error of canary's tree, decided by code and status, never by text."""
    action = f"{service}:{operation}" if operation else service
    if isinstance(error, ClientError):
        return _refused(error.response, action)
    if isinstance(error, _MISSING_CREDENTIALS):
        return AccessDeniedError(
            f"{action}: no usable AWS credentials ({error})",
            hint="Set AWS credentials or AWS_PROFILE, or log in again.",
        )
    if isinstance(error, (BotoConnectionError, HTTPClientError)):
        return UnavailableError(f"{action}: AWS can't be reached ({error})")
    return AwsError(f"{action}: {error}")


def patiently(clock: Clock, call: Callable[[], T], *, attempts: int = 4) -> T:
    """A read that is tried again on faults that pass; for ports that promise not to raise for one lost answer.

    Raises:
        AwsError: the last attempt's error.
    """
    for attempt in range(attempts - 1):
        try:
            return call()
        except UnavailableError:
            clock.sleep(random.random() * min(4.0, 0.5 * 2.0**attempt))  # noqa: S311  jitter, not a secret
    return call()


_MISSING_CREDENTIALS: Final = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOError,
    ProfileNotFound,
)


def _refused(response: Mapping[str, Any], action: str) -> AwsError:
    code = str(response.get("Error", {}).get("Code", ""))
    said = str(response.get("Error", {}).get("Message", "") or response.get("Message", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = f"{action}: {code}: {said}" if said else f"{action}: {code}"
    if status == 412 or code == "PreconditionFailedException":
        return StaleRevisionError(text)
    if code in _NOT_FOUND:
        return NotFoundError(text)
    if code in _NO_CREDENTIALS:
        return AccessDeniedError(text, hint="The credentials are wrong or have expired: log in again.")
    if code in _TRY_AGAIN or status == 429 or (status >= 500 and status != 501):  # 501: never will
        return UnavailableError(text)
    if code.startswith("AccessDenied") or code == "UnauthorizedOperation" or status == 403:
        return AccessDeniedError(text, hint=f"Grant {action}.")
    return AwsError(text)


def _snake(operation: str) -> str:
    """`GetQueueAttributes` -> `get_queue_attributes`, as boto3 names its methods."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")
