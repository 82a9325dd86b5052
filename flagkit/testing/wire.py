"""Answers unmodified boto3 clients in process, at the point where botocore would open a socket.

It routes calls to services, carries out faults and keeps the log of calls; it holds no service behaviour.
"""

from __future__ import annotations

import io
import re
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.handlers import BUILTIN_HANDLERS
from botocore.model import OperationModel

from flagkit.testing.clock import VirtualClock
from flagkit.testing.codec import decode_request, encode_answer, encode_error, header_text, protocol_of, service_model
from flagkit.testing.faults import Fault, Faults
from flagkit.testing.shapes import problems
from flagkit.testing.turns import TurnLock


class ServiceError(Exception):
    """An error answer of a service, e.g. `ServiceError("ConflictException", "…")`.

    Args:
        code: the error's name in the service model.
        message: the service's message.
        status: HTTP status; the modelled one if None.
        members: further modelled members, e.g. `Details`.
    """

    def __init__(self, code: str, message: str, *, status: int | None = None, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call that reached the stand-in.

    Attributes:
        at: virtual time.
        call: `service.Operation`.
        outcome: `ok`, the error's code, or the fault's name.
    """

    at: datetime
    call: str
    outcome: str


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a service can use besides the parameters."""

    region: str
    access_key: str
    headers: dict[str, str]


class Service:
    """A service of the stand-in: one method per AWS operation, named as the operation.

    A method takes `(params, context)` with the decoded parameters, returns the answer's members, and raises
    `ServiceError` for the rest.
    """

    service: ClassVar[str]
    """boto3's name of the service, e.g. `lambda`."""
    throttling_code: ClassVar[str] = "ThrottlingException"
    is_beside_moto: ClassVar[bool] = False
    """Whether moto answers the operations that this service doesn't have."""

    def handle(self, operation: str, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Runs one operation."""
        method = getattr(self, operation, None)
        if method is None:
            message = f"the stand-in has no {self.service}.{operation}"
            raise ServiceError("NotImplementedException", message, status=501)
        result: dict[str, Any] = method(params, context)
        return result


_PREVENTING = frozenset({Fault.THROTTLED, Fault.SERVER_ERROR, Fault.DENIED, Fault.CREDENTIALS_EXPIRED})


class _Raw(io.BytesIO):
    """The part of urllib3's response that botocore reads."""

    def stream(self, amt: int = 65536, **_: Any) -> Iterator[bytes]:
        while chunk := self.read(amt):
            yield chunk


class Wire:
    """Routes the calls of all boto3 clients of the process to services while it is installed.

    Args:
        clock: virtual time, shared with the services.
        faults: faults on demand.
        region: the region of the services that are added.
    """

    def __init__(self, clock: VirtualClock, faults: Faults, region: str = "us-east-1") -> None:
        self.clock = clock
        self.region = region
        self.faults = faults
        self.calls: list[CallRecord] = []
        self.keep_calls = 0
        """How many of the last calls are kept at least; 0 keeps all."""
        self.watchers: list[Callable[[CallRecord], object]] = []
        """Told of each call after it happened and before its caller has the answer, in its thread, outside the lock."""
        self.delay: Callable[[float], object] = clock.advance
        """How the answer to a call is held back (`Fault.SLOW`); a server holds back its own answer instead."""
        self.lock = TurnLock()
        """One call at a time, as if the service were linearisable: services need no locks of their own."""
        self.elsewhere: Callable[[str], list[Service]] = lambda region: []  # noqa: ARG005
        """Makes the services of another region, whose state is their own."""
        self._services: dict[str, Service] = {}
        self.regions: dict[str, dict[str, Service]] = {}
        """The services of other regions that were asked for."""

    def add(self, service: Service) -> None:
        """Puts a service behind the wire."""
        self._services[service.service] = service

    def service(self, name: str, region: str) -> Service | None:
        """The service that answers in a region; None where moto does."""
        home = self._services.get(name)
        if home is None or region in {"", self.region}:
            return home
        if region not in self.regions:
            self.regions[region] = {service.service: service for service in self.elsewhere(region)}
        return self.regions[region].get(name, home)

    def install(self) -> None:
        """Starts answering; the newest installed wire answers first."""
        _installed.append(self)

    def remove(self) -> None:
        """Stops answering."""
        _installed.remove(self)

    def answer(self, service_name: str, operation_name: str, request: AWSPreparedRequest) -> AWSResponse | None:
        """The answer to a prepared request, or None when no service of this wire is meant."""
        with self.lock:
            rule = self.faults.next_fault(f"{service_name}.{operation_name}")
            fault = None if rule is None else rule.fault
            response, outcome = self._answer(service_name, operation_name, request, fault)
            record = None if outcome is None else self._keep(f"{service_name}.{operation_name}", outcome)
            if response is not None and rule is not None and fault is Fault.SLOW:
                self.delay(rule.delay_s)
        if record is not None:
            self._notify(record)
        if fault is Fault.UNREACHABLE:
            raise EndpointConnectionError(endpoint_url=_endpoint(request))
        if response is not None and fault is Fault.LOST_ANSWER:
            raise ReadTimeoutError(endpoint_url=_endpoint(request))
        return response

    def _answer(
        self, service_name: str, operation_name: str, request: AWSPreparedRequest, fault: Fault | None
    ) -> tuple[AWSResponse | None, str | None]:
        """The answer, and what the log says of it; None for what moto answers and logs."""
        if fault is Fault.UNREACHABLE:
            return None, fault
        service = self.service(service_name, _context(request).region)
        if service is None or (service.is_beside_moto and not hasattr(service, operation_name)):
            # Only faults that prevent the call can be put on what moto answers.
            return self._prevented(Service(), service_name, operation_name, request, fault)
        if fault in _PREVENTING:
            return self._prevented(service, service_name, operation_name, request, fault)
        return self._run(service, operation_name, request, fault)

    def _run(
        self, service: Service, operation_name: str, request: AWSPreparedRequest, fault: Fault | None
    ) -> tuple[AWSResponse, str]:
        operation = service_model(service.service).operation_model(operation_name)
        context, protocol = _context(request), protocol_of(operation, request)
        try:
            answer = service.handle(operation_name, checked_params(operation, request), context)
        except ServiceError as error:
            encoded = encode_error(operation, error.code, error.message, error.status, error.members, protocol)
            return self._respond(request, *encoded), fault or error.code
        encoded = encode_answer(operation, answer, protocol)
        return self._respond(request, *encoded, is_cut=fault is Fault.CUT), fault or "ok"

    def _prevented(
        self, service: Service, service_name: str, operation_name: str, request: AWSPreparedRequest, fault: Fault | None
    ) -> tuple[AWSResponse | None, Fault | None]:
        answers: dict[Fault | None, tuple[str, str, int]] = {
            Fault.THROTTLED: (service.throttling_code, "Rate exceeded", 429),
            Fault.SERVER_ERROR: ("InternalServerException", "", 500),
            Fault.DENIED: (
                "AccessDeniedException",
                f"User is not authorized to perform: {service_name}:{operation_name}",
                403,
            ),
            Fault.CREDENTIALS_EXPIRED: (
                "ExpiredTokenException",
                "The security token included in the request is expired",
                403,
            ),
        }
        if fault not in answers:
            return None, None
        code, message, status = answers[fault]
        operation = service_model(service_name).operation_model(operation_name)
        protocol = protocol_of(operation, request)
        return self._respond(request, *encode_error(operation, code, message, status, {}, protocol)), fault

    def log(self, call: str, outcome: str) -> None:
        """Adds a call to the log and notifies the watchers."""
        self._notify(self._keep(call, outcome))

    def _keep(self, call: str, outcome: str) -> CallRecord:
        record = CallRecord(self.clock.now(), call, str(outcome))
        self.calls.append(record)
        if self.keep_calls and len(self.calls) > 2 * self.keep_calls:
            del self.calls[: -self.keep_calls]
        return record

    def _notify(self, record: CallRecord) -> None:
        for watcher in tuple(self.watchers):
            watcher(record)

    def _respond(
        self, request: AWSPreparedRequest, status: int, headers: dict[str, str], body: bytes, *, is_cut: bool = False
    ) -> AWSResponse:
        headers["Date"] = format_datetime(self.clock.now(), usegmt=True)
        headers["Content-Length"] = str(len(body))
        headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return AWSResponse(request.url, status, headers, _Raw(body[: len(body) // 2] if is_cut else body))  # type: ignore[arg-type]


def checked_params(operation: OperationModel, request: AWSPreparedRequest) -> dict[str, Any]:
    """The parameters, checked as botocore checks them before it sends; other SDKs send what they were given.

    Raises:
        ServiceError: they can't be read, or break the service's model.
    """
    try:
        params = decode_request(operation, request)
    except (
        ValueError,
        AttributeError,
        TypeError,
        LookupError,
        ArithmeticError,
        RuntimeError,
        zlib.error,
        OSError,
    ) as error:
        text = f"The request body could not be read: {error}"
        raise ServiceError("SerializationException", text, status=400) from error
    shape = operation.input_shape
    if shape is not None:
        found = list(problems(shape, params))
        if found:
            count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
            raise ServiceError("ValidationException", f"{count}: {'; '.join(found)}", status=400)
    return params


_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/")


def _context(request: AWSPreparedRequest) -> CallContext:
    headers = {name.lower(): header_text(value) for name, value in request.headers.items()}
    match = _SCOPE.search(headers.get("authorization", ""))
    access_key, region = match.groups() if match else ("", "")
    return CallContext(region=region, access_key=access_key, headers=headers)


def _endpoint(request: AWSPreparedRequest) -> str:
    return "/".join(request.url.split("/", 3)[:3])


_installed: list[Wire] = []
served_hosts: set[str] = set()
"""Where servers of this process answer, as `host:port`: calls that go there are sent."""
# Events carry service ids; models are found by boto3's names.
BOTO_NAMES = {"eventbridge": "events", "cloudwatch-logs": "logs", "sfn": "stepfunctions"}


_ANSWERED = "https://answered.invalid/"


def _before_send(event_name: str, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
    if not _installed or urlsplit(request.url).netloc in served_hosts:
        return None
    # event: before-send.<hyphenised service id>.<Operation>
    service_id, operation = event_name.split(".")[1:]
    response = _installed[-1].answer(BOTO_NAMES.get(service_id, service_id), operation, request)
    if response is not None:
        request.url = _ANSWERED  # botocore asks every handler: moto would carry out what a fault has prevented
    return response


# As moto does: every client created after this import asks the wire first.
BUILTIN_HANDLERS.insert(0, ("before-send", _before_send))
