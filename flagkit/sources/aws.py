"""boto3 clients as the sources need them, and boto3's errors as flagkit's errors. It must not retry."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

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
from urllib3.exceptions import HTTPError

from flagkit.core.entries import MAX_CONTENT_BYTES
from flagkit.errors import (
    AccessDeniedError,
    NotDeployedError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
    SourceUrlError,
)
from flagkit.sources.answers import refuse_odd_answers

if TYPE_CHECKING:
    import boto3

_DENIED = {
    "AccessDeniedException",
    "AccessDenied",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "InvalidClientTokenId",
    "ExpiredTokenException",
    "ExpiredToken",
    "IncompleteSignature",
    "MissingAuthenticationToken",
}
FAILURES = (BotoCoreError, ClientError, ResponseParserError)
"""What a call of boto3 raises; the last one if an answer was cut on its way."""

BODY_LIMIT_S = 30.0
"""The time for the body of one answer: 2 MiB at 70 KB a second."""

_PIECE_BYTES = 65_536
_TRY_AGAIN = {"ThrottlingException", "TooManyRequestsException", "InternalServerException", "RequestTimeout"}
_KINDS = {
    "Application": "application",
    "ConfigurationProfile": "profile",
    "Environment": "environment",
    "Configuration": "configuration",
}


def make_client(
    service: str, session: boto3.Session | None, region: str | None = None, *, read_timeout_s: float = 3.0
) -> Any:
    """Create a client with short timeouts and no retries of its own.

    Raises:
        SourceUrlError: no region is known.
        SourceError: the session's configuration is not valid.
    """
    import boto3

    # Short, and nothing is retried inside a request: the refresher retries with backoff. 3 s is the Agent's limit
    # (appconfig.md §6).
    config = Config(connect_timeout=2, read_timeout=read_timeout_s, retries={"total_max_attempts": 1})
    try:
        chosen = boto3.Session() if session is None else session  # never the shared default session: threads
        # The name is a variable, which boto3-stubs can't type.
        client: Any = chosen.client(service, region_name=region, config=config)  # type: ignore[call-overload]
    except (BotoCoreError, ValueError) as error:
        raise translate(error, f"{service}:CreateClient") from error
    refuse_odd_answers(client)
    return client


def read_body(body: Any, action: str, *, names: str = "") -> bytes:
    """Return the whole body of an answer, in BODY_LIMIT_S at most.

    Args:
        body: boto3's stream.
        action: the IAM action that was called.
        names: what was requested.

    Raises:
        SourceError: it ended early, is too long or takes too long.
    """
    # boto3's timeout is for each piece, so that a slow trickle would hold the refresher for ever. urllib3's `read1`
    # returns what has arrived; boto3's `read` waits for all.
    read = getattr(getattr(body, "_raw_stream", None), "read1", None)
    content, until_s = bytearray(), monotonic() + BODY_LIMIT_S
    problem: Exception | str = ""
    try:
        if read is None:
            return bytes(body.read())
        while not problem and (piece := read(_PIECE_BYTES)):
            content += piece
            if len(content) > MAX_CONTENT_BYTES:
                problem = f"more than {MAX_CONTENT_BYTES:,} bytes"
            elif monotonic() > until_s:
                problem = f"not complete after {BODY_LIMIT_S:.0f} s"
    except (BotoCoreError, HTTPError, OSError) as error:
        problem = error
    expected = getattr(body, "_content_length", None)
    if not problem and expected is not None and len(content) != int(expected):
        problem = f"{len(content):,} of {int(expected):,} bytes"
    if not problem:
        return bytes(content)
    with suppress(Exception):
        body.close()  # with its connection: what is left of the answer must not begin the next one
    raise SourceUnavailableError(f"{action}: the answer of AWS ended early ({problem}): {names}")


def translate(error: Exception, action: str, *, names: str = "") -> SourceError:
    """Return flagkit's error for an error of boto3.

    Args:
        error: what boto3 raised.
        action: the IAM action that was tried, e.g. `appconfig:StartConfigurationSession`.
        names: what was requested, for example `shop/staging/flags`.
    """
    if isinstance(error, ClientError):
        return _from_answer(error, action, names)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return AccessDeniedError(
            f"no usable AWS credentials: {error}",
            hint="Set AWS_PROFILE or log in (aws sso login), or give the process a role.",
        )
    if isinstance(error, CredentialRetrievalError | TokenRetrievalError | SSOError | ProfileNotFound):
        return AccessDeniedError(
            f"AWS credentials could not be loaded: {error}", hint="Log in again, or correct AWS_PROFILE."
        )
    if isinstance(error, NoRegionError):
        return SourceUrlError("no AWS region is known", hint="Set AWS_REGION or add ?region=… to the source URL.")
    if isinstance(error, HTTPClientError | BotoConnectionError):
        return SourceUnavailableError(f"{action} got no answer from AWS: {error}")
    if isinstance(error, ResponseParserError):
        return SourceUnavailableError(f"{action} got an answer that can't be read: {error}")
    return SourceError(f"{action} failed: {error}", hint="Check the AWS configuration of this process.")


def _from_answer(error: ClientError, action: str, names: str) -> SourceError:
    response: Any = error.response
    code = response["Error"].get("Code", "")
    message = response["Error"].get("Message", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _DENIED or status in {401, 403}:
        return AccessDeniedError(
            f"AWS denied {action}: {message or code}", hint=f"Grant {action} to the caller, or use other credentials."
        )
    if code == "ResourceNotFoundException":
        kind = response.get("ResourceType", "")
        if kind == "Deployment":
            return NotDeployedError(f"nothing has been deployed to {names} yet")
        return SourceNotFoundError(f"AWS AppConfig has no such {_KINDS.get(kind, 'resource')}: {names} ({message})")
    if code in _TRY_AGAIN or status == 429 or status >= 500:
        return SourceUnavailableError(f"{action} failed temporarily: {code or status} {message}".rstrip())
    return SourceError(f"{action} failed: {code} {message}".rstrip())
