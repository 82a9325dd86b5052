"""Which operation of which AWS service an HTTP request means. It answers nothing.

Clients that are given an endpoint send every service there: the credential scope of the signature names the service,
and the protocol names the operation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import parse_qs

from botocore.model import OperationModel, ServiceModel

from flagkit.testing.codec import service_model, uri_pattern

SIGNING_NAMES: Final = {
    "appconfig": ("appconfig", "appconfigdata"),
    "lambda": ("lambda",),
    "monitoring": ("cloudwatch",),
    "scheduler": ("scheduler",),
    "sts": ("sts",),
    "ssm": ("ssm",),
    "sns": ("sns",),
    "sqs": ("sqs",),
    "dynamodb": ("dynamodb",),
    "events": ("events",),
    "states": ("stepfunctions",),
    "logs": ("logs",),
}
"""Services by the name in the credential scope, as boto3 names them."""

OWN: Final = ("appconfig", "appconfigdata", "lambda", "cloudwatch", "scheduler", "stepfunctions")
"""Services that the stand-in answers itself; moto answers the others."""

_SCOPE = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request")


class Refused(Exception):  # noqa: N818 - an answer, no failure
    """An answer of AWS's front end: the request reaches no service.

    Args:
        code: AWS's name of the error.
        message: its text.
        status: HTTP status.
    """

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature says: who calls, where, and which service."""

    access_key: str
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Target:
    """The operation that a request means."""

    service: str
    operation: OperationModel
    region: str

    @property
    def call(self) -> str:
        """`service.Operation`."""
        return f"{self.service}.{self.operation.name}"


def scope_of(authorization: str, query: str) -> Scope:
    """Reads the credential scope from the header, or from the query of a presigned URL.

    Raises:
        Refused: unsigned, or signed in another way than Signature Version 4.
    """
    text = authorization
    if not text:
        credential = parse_qs(query).get("X-Amz-Credential", [""])[0]
        if not credential:
            raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        text = f"Credential={credential}"
    elif not text.startswith("AWS4-"):
        raise Refused(
            "IncompleteSignatureException",
            f"Unsupported algorithm in the Authorization header: expected AWS4-HMAC-SHA256, got {text.split(' ')[0]}",
            403,
        )
    elif "Signature=" not in text or "SignedHeaders=" not in text:
        raise Refused(
            "IncompleteSignatureException",
            "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.",
            403,
        )
    match = _SCOPE.search(text)
    if match is None:
        raise Refused(
            "IncompleteSignatureException",
            "Credential must have the form ACCESS_KEY/DATE/REGION/SERVICE/aws4_request.",
            403,
        )
    access_key, _, region, service = match.groups()
    return Scope(access_key, region, service)


def target_of(scope: Scope, method: str, target: str, headers: dict[str, str], body: bytes) -> Target:
    """The operation that a request means.

    Args:
        scope: from the signature.
        method: of HTTP.
        target: path and query.
        headers: by lower-case name.
        body: for the query protocol, which has the operation there.

    Raises:
        Refused: there is no such service or operation.
    """
    services = SIGNING_NAMES.get(scope.service)
    if services is None:
        raise Refused("NotImplementedException", f"the sandbox has no service {scope.service}", 501)
    path, _, query = target.partition("?")
    for service in services:
        name = _operation(service, method, path, query, headers, body)
        if name is not None:
            return Target(service, service_model(service).operation_model(name), scope.region)
    for other, meant in SIGNING_NAMES.items():
        if any(_operation(service, method, path, query, headers, body) for service in meant):
            text = f"Credential should be scoped to correct service: '{other}'."
            raise Refused("InvalidSignatureException", text, 403)
    raise Refused("UnknownOperationException", "", 404 if services[0] in _REST else 400)


def _operation(service: str, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> str | None:
    model = service_model(service)
    name = _named_operation(model, path, query, headers, body)
    if name is None and model.resolved_protocol in {"rest-json", "rest-xml"}:
        name = _rest_operation(service, method, path, query)
    return name if name in model.operation_names else None


_REST: Final = ("appconfig", "lambda", "scheduler")


def _named_operation(model: ServiceModel, path: str, query: str, headers: dict[str, str], body: bytes) -> str | None:
    header = headers.get("x-amz-target", "")
    if header:
        prefix, _, name = header.rpartition(".")
        return name if prefix == model.metadata.get("targetPrefix") else None
    rpc = re.fullmatch(r"/service/([^/]+)/operation/([^/]+)", path)
    if rpc is not None:
        return rpc[2]
    if "query" in (model.metadata.get("protocols") or [model.metadata.get("protocol")]):
        form = body.decode("utf-8", "replace") if headers.get("content-type", "").startswith(FORM) else query
        return parse_qs(form).get("Action", [""])[0] or None
    return None


FORM: Final = "application/x-www-form-urlencoded"


@cache
def _rest_table(service: str) -> tuple[tuple[str, str, re.Pattern[str], str], ...]:
    model = service_model(service)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, fixed_query = http["requestUri"].partition("?")
        # What is most literal wins: /functions/{name}/url before /functions/{name}, and ?List=ALL before no query.
        rank = (path.count("{"), not fixed_query, -len(path))
        found.append((rank, (http["method"], fixed_query, uri_pattern(path.rstrip("/")), name)))
    return tuple(row for _, row in sorted(found, key=lambda pair: pair[0]))


def _rest_operation(service: str, method: str, path: str, query: str) -> str | None:
    for verb, fixed_query, pattern, name in _rest_table(service):
        if verb == method and fixed_query in query and pattern.match(path.rstrip("/")):
            return name
    return None
