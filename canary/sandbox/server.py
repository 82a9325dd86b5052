"""The sandbox as a server: the stand-in, its clock at a pace, and the HTTP port in front of both."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import datetime
from email.utils import format_datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, Self
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from canary.sandbox.callers import Callers
from canary.sandbox.control import Control
from canary.sandbox.http import BrokenOff, HttpServer, Reply, Request, json_reply
from canary.sandbox.pace import Pace
from canary.sandbox.routing import FORM, OWN, Refused, Target, scope_of, target_of
from canary.sandbox.settings import SettingError
from canary.sandbox.signature import ACCESS_KEY, SECRET_KEY, check_signature
from canary.testing import AwsStandIn, http_event
from canary.testing.lambda_.invoke import http_answer
from flagkit.testing import ServiceError, VirtualClock, cbor
from flagkit.testing.codec import protocol_of
from flagkit.testing.wire import checked_params, served_hosts

__all__ = ["SandboxServer", "serve"]

CALLS_KEPT: Final = 10_000
METRIC_MINUTES_KEPT: Final = 24 * 60
LOG_LINES_KEPT: Final = 10_000
_READ: Final = re.compile("Get|List|Describe|Query|Scan|Receive|BatchGet")


class SandboxServer(AbstractContextManager["SandboxServer"]):
    """AWS on a port of this machine; `serve` makes one.

    Attributes:
        aws: the stand-in, for tests in the same process; hold `lock` while you use it at a running clock.
        pace: the speed of its clock.
        environ: the variables that send SDKs and command lines here.
        doors: HTTP APIs in front of functions: the beginning of a path, and the function and alias behind it.
        url: `http://127.0.0.1:PORT`.
    """

    def __init__(self, aws: AwsStandIn, host: str, port: int, speed: float) -> None:
        self.aws = aws
        self.lock = aws.wire.lock
        self.pace = Pace(aws.clock, self.lock, speed)
        self.pace.on_error = self._report
        self._http = HttpServer(host, port, self._answer, self.date)
        port = self._http.server_address[1]
        self.control = Control(aws, self.pace)
        self.callers = Callers(host, port)
        self.environ: dict[str, str] = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": aws.region,
            "AWS_DEFAULT_REGION": aws.region,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "SANDBOX_CLOCK_URL": f"{self.url}/_sandbox/clock",
        }
        self.doors: dict[str, tuple[str, str]] = {}
        self.on_moto_call: Callable[[Request], object] | None = None
        self._owed = threading.local()
        self._stack = ExitStack()
        self._has_quick_tables = False

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self._http.netloc}"

    def __enter__(self) -> Self:
        served_hosts.add(self._http.netloc)
        self._stack.callback(served_hosts.discard, self._http.netloc)
        self.aws.wire.delay = self._hold_back
        self._limit_memory()
        settings = self.aws.lambda_.settings
        self._stack.callback(setattr, settings, "ends_hangs", settings.ends_hangs)
        settings.ends_hangs = True  # code that never returns would end the whole sandbox
        self._stack.callback(setattr, self.aws.wire, "delay", self.aws.clock.advance)
        self._http.start()
        self._stack.callback(self._http.stop)
        self.pace.start()
        self._stack.callback(self.pace.stop)
        return self

    def _limit_memory(self) -> None:
        """A sandbox runs for days: what nobody reads any more is dropped."""
        self.aws.wire.keep_calls = CALLS_KEPT
        self.aws.metrics.keep_minutes = METRIC_MINUTES_KEPT
        telemetry = self.aws.lambda_.telemetry
        telemetry.logs = deque(telemetry.logs, maxlen=LOG_LINES_KEPT)

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def close(self) -> None:
        """Gives the port back, also of a server that was never entered."""
        self._http.server_close()

    def step(self, seconds: float) -> None:
        """Moves the clock; requests are answered meanwhile."""
        self.pace.step(seconds)

    def now(self) -> datetime:
        """The server's time."""
        with self.lock:
            self.pace.catch_up()
            return self.aws.clock.now()

    def repeat(self, request: Request) -> None:
        """Makes a kept call to one of moto's services again; what it answers is of no interest."""
        with suppress(Refused, BrokenOff):
            self._aws_answer(request)

    def date(self) -> str:
        """The value of the `Date` header."""
        return format_datetime(self.aws.clock.now(), usegmt=True)

    def _hold_back(self, seconds: float) -> None:
        self._owed.seconds = getattr(self._owed, "seconds", 0.0) + seconds

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One request's turn: the clock is at the present and stands still."""
        self.pace.waiting.add(threading.get_ident())
        try:
            self.lock.acquire()
        finally:
            self.pace.waiting.discard(threading.get_ident())
        try:
            self.pace.catch_up()
            yield
        finally:
            self.lock.release()

    def _answer(self, request: Request) -> Reply:
        is_signed = "authorization" in request.headers or "X-Amz-Credential=" in request.query
        try:
            for prefix, (function, alias) in () if is_signed else self.doors.items():
                if request.path == prefix or request.path.startswith(prefix + "/"):
                    return self._through_door(function, alias, request)
            self.callers.check(request)
            if request.path.startswith("/_sandbox/"):
                return self.control.answer(request)
            return self._aws_answer(request) if is_signed else self._unsigned(request)
        except Refused as refused:
            return _refusal(refused, request)
        except BrokenOff:
            raise
        except Exception as error:  # noqa: BLE001 - a client gets an answer in any other case
            return _refusal(self._failed(f"{request.method} {request.path}", error), request)

    def _unsigned(self, request: Request) -> Reply:
        if request.path == "/" and request.method == "GET":
            return Reply(200, _page(), {"Content-Type": "text/html; charset=utf-8"})
        raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token", 403)

    def _through_door(self, function: str, alias: str, request: Request) -> Reply:
        body = request.body.decode("utf-8", "replace")
        event = http_event(request.method, request.path, body=body, headers=request.headers)
        event["rawQueryString"] = request.query
        event["queryStringParameters"] = dict(parse_qsl(request.query))
        with self._turn():
            try:
                answer = http_answer(self.aws.lambda_.call(function, alias, json.dumps(event).encode()))
            except LookupError as error:
                raise Refused("not_found", str(error), 404) from error
        return Reply(answer.status, answer.body.encode(), answer.headers)

    def _aws_answer(self, request: Request) -> Reply:
        scope = scope_of(request.headers.get("authorization", ""), request.query)
        target = target_of(scope, request.method, request.target, request.headers, request.body)
        check_signature(request, scope)
        try:
            with self._turn():
                response = self._call(request, target)
        except (ConnectionClosedError, EndpointConnectionError, ReadTimeoutError) as error:
            raise BrokenOff from error
        except Exception as error:
            raise self._failed(target.call, error) from error
        self._pay()
        return response

    def _call(self, request: Request, target: Target) -> Reply:
        model = target.operation.service_model
        host = f"{model.endpoint_prefix}.{target.region}.amazonaws.com"
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name] = host if name == "host" else value
        prepared = AWSPreparedRequest(
            request.method, f"https://{host}{request.target}", headers, request.body, stream_output=False
        )
        if target.service not in OWN and protocol_of(target.operation, prepared) == "json":
            try:
                checked_params(target.operation, prepared)
            except ServiceError as error:  # moto takes what botocore sends
                raise Refused(error.code, error.message, 400) from error
        if target.service == "dynamodb":
            self._quicken_tables()
        event = f"before-send.{model.service_id.hyphenize()}.{target.operation.name}"
        # The way that boto3's own calls take in this process: the stand-in's services first, then moto.
        calls = self.aws.wire.calls
        before = calls[-1] if calls else None
        response = _events().emit_until_response(event, request=prepared)[1]
        if response is None:
            raise Refused("NotImplementedException", f"the sandbox has no {target.call}", 501)
        if target.service not in OWN and self.on_moto_call is not None and not _READ.match(target.operation.name):
            self.on_moto_call(request)
        if before is (calls[-1] if calls else None):  # moto keeps no log
            self.aws.wire.log(target.call, "ok" if response.status_code < 400 else str(response.status_code))
        sent = {str(name): str(value) for name, value in response.headers.items()}
        # A queue's URL is where its messages are sent.
        body = response.content.replace(f"https://{host}/".encode(), f"{self.url}/".encode())
        whole = int(response.headers.get("Content-Length", 0))
        if request.method != "HEAD" and whole > len(response.content):  # a fault cut it
            return Reply(response.status_code, response.content.ljust(whole), sent, cut_at=len(response.content))
        return Reply(response.status_code, body, sent)

    def _quicken_tables(self) -> None:
        """At the first call only: moto's DynamoDB takes a while to load."""
        if not self._has_quick_tables:
            from canary.sandbox.tables import quick_tables

            self._has_quick_tables = True
            self._stack.enter_context(quick_tables())

    def _pay(self) -> None:
        seconds, self._owed.seconds = getattr(self._owed, "seconds", 0.0), 0.0
        if seconds:
            self.pace.wait(seconds)

    def _failed(self, call: str, error: Exception) -> Refused:
        if isinstance(error, Refused):
            return error
        if isinstance(error, NotImplementedError):  # moto's word for it
            return Refused("NotImplementedException", f"the sandbox has no {call}", 501)
        self._report(error, call)
        return Refused("InternalServiceException", f"{call}: {type(error).__name__} in the sandbox", 500)

    def _report(self, error: Exception, call: str = "the clock") -> None:
        """One line; a line of the scenario that can't be used says it better than its kind of error."""
        if sys.__stderr__ is None:
            return
        text = str(error) if isinstance(error, SettingError) else f"{call}: {type(error).__name__}: {error}"
        print(f"sandbox: {text[:500]}", file=sys.__stderr__)
        if os.environ.get("CANARY_TRACEBACK"):
            traceback.print_exception(error, file=sys.__stderr__)


@cache
def _events() -> Any:
    return botocore.session.get_session().get_component("event_emitter")


@cache
def _page() -> bytes:
    return files("canary.sandbox").joinpath("page.html").read_bytes()


_QUERY_CODES: Final = {
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnknownOperationException": "InvalidAction",
}


def _refusal(refused: Refused, request: Request) -> Reply:
    """A refusal in the protocol of the request; below `/_sandbox/` always in JSON, whatever type a client names."""
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-ErrorType": refused.code, "x-amzn-RequestId": request_id}
    document = {"__type": refused.code, "message": refused.message, "Message": refused.message}
    is_own = request.path.startswith("/_sandbox/")
    if not is_own and request.headers.get("content-type", "").startswith(FORM):
        code, kind = _QUERY_CODES.get(refused.code, refused.code), "Sender" if refused.status < 500 else "Receiver"
        error = f"<Type>{kind}</Type><Code>{code}</Code><Message>{escape(refused.message)}</Message>"
        text = f"<ErrorResponse><Error>{error}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        return Reply(refused.status, text.encode(), {"Content-Type": "text/xml"})
    if not is_own and request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        types = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
        return Reply(refused.status, cbor.encode(document), {**headers, **types})
    reply = json_reply(document, refused.status)
    reply.headers.update(headers)
    return reply


@contextmanager
def serve(
    aws: AwsStandIn | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    speed: float = 0.0,
    seed: int = 0,
    region: str = "us-east-1",
    start: datetime | None = None,
) -> Iterator[SandboxServer]:
    """Serves the stand-in over HTTP while the block runs.

    Args:
        aws: a stand-in that is entered already; a new one where None.
        host: where to listen.
        port: 0 for any free one.
        speed: virtual seconds in a real second; 0 moves the clock by `step` only.
        seed: of a new stand-in.
        region: of a new stand-in.
        start: the time at which a new stand-in's clock begins.
    """
    with ExitStack() as stack:
        if aws is None:
            clock = VirtualClock() if start is None else VirtualClock(start)
            aws = stack.enter_context(AwsStandIn(clock=clock, seed=seed, region=region))
        yield stack.enter_context(SandboxServer(aws, host, port, speed))
