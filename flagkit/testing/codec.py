"""Reads AWS requests and writes AWS answers by botocore's service models: REST-JSON, JSON, query and CBOR.

It knows wire formats only: no service, no state. Moto has codecs of its own, but in private modules and without CBOR.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import re
import uuid
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.awsrequest import AWSPreparedRequest
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.utils import parse_timestamp

from flagkit.testing import cbor
from flagkit.testing.query import read_form, write_answer


@functools.cache
def service_model(service: str) -> ServiceModel:
    """The service model that botocore ships, e.g. `lambda`."""
    return botocore.session.get_session().get_service_model(service)


@functools.cache
def uri_pattern(template: str) -> re.Pattern[str]:
    """What matches the path of a `requestUri` template, with its labels as groups."""
    path = template.split("?", 1)[0]
    parts = re.split(r"\{(\w+)(\+?)\}", path)
    pattern = re.escape(parts[0])
    for name, greedy, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{'.+' if greedy else '[^/]+'})" + re.escape(literal)
    return re.compile(pattern + "$")


def decode_request(operation: OperationModel, request: AWSPreparedRequest) -> dict[str, Any]:
    """The operation's parameters as boto3's caller gave them (after botocore's own defaults)."""
    shape = operation.input_shape
    if shape is None:
        return {}
    body = _body_bytes(request)
    if header_text(request.headers.get("Content-Encoding", "")) == "gzip":  # botocore packs what is larger than 10 KB
        body = gzip.decompress(body)
    match protocol_of(operation, request):
        case "json":
            return _read_structure(shape, json.loads(body or b"{}"))
        case "query":
            return read_form(shape, body.decode() or urlsplit(request.url).query)
        case "cbor":
            return _read_structure(shape, cbor.decode(body or b"\xa0"))
    return _decode_rest(operation, shape, request, body)


def protocol_of(operation: OperationModel, request: AWSPreparedRequest) -> str:
    """The protocol that a request is written in: one service may speak several, and each client chooses."""
    headers = {name.lower(): header_text(value) for name, value in request.headers.items()}
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "cbor"
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return "query"
    return str(operation.service_model.resolved_protocol)


def _body_bytes(request: AWSPreparedRequest) -> bytes:
    body = request.body
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    body.seek(0)
    content = body.read()
    return content.encode() if isinstance(content, str) else content


def _decode_rest(
    operation: OperationModel, shape: StructureShape, request: AWSPreparedRequest, body: bytes
) -> dict[str, Any]:
    url = urlsplit(request.url)
    match = uri_pattern(operation.http["requestUri"].rstrip("/")).match(url.path.rstrip("/"))
    uri = {} if match is None else match.groupdict()
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        query.setdefault(name, []).append(value)
    headers = {name.lower(): header_text(value) for name, value in request.headers.items()}
    payload = shape.serialization.get("payload")
    document = json.loads(body) if body and payload is None else {}
    params: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        location = member.serialization.get("location")
        if location == "uri" and wire_name in uri:
            params[name] = _scalar(member, unquote(uri[wire_name]))
        elif location == "querystring" and wire_name in query:
            values = query[wire_name]
            params[name] = values if isinstance(member, ListShape) else _scalar(member, values[0])
        elif location == "header" and wire_name.lower() in headers:
            params[name] = _scalar(member, headers[wire_name.lower()])
        elif name == payload:
            if isinstance(member, StructureShape):
                params[name] = _read(member, json.loads(body or b"{}"))
            elif body or request.body is not None:
                params[name] = body
        elif location is None and document.get(wire_name) is not None:
            params[name] = _read(member, document[wire_name])
    return params


def header_text(value: object) -> str:
    """A header's value as servers read it: without the blanks around it (RFC 9110 §5.5); botocore has text or bytes."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip(" \t")


def _scalar(shape: Shape, text: str) -> Any:
    kind = shape.type_name
    if kind in {"integer", "long"}:
        return int(text)
    if kind in {"float", "double"}:
        return float(text)
    if kind == "boolean":
        return text == "true"
    if kind == "timestamp":
        return parse_timestamp(text).astimezone(UTC)
    return text


def _read(shape: Shape, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(shape, StructureShape):
        return value if shape.is_document_type else _read_structure(shape, value)
    if isinstance(shape, ListShape):
        return [_read(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: _read(shape.value, item) for key, item in value.items()}
    if shape.type_name in {"float", "double"} and isinstance(value, str):
        return float(value)  # "NaN" and "Infinity", which JSON has no numbers for
    if shape.type_name == "blob":
        return value if isinstance(value, bytes) else base64.b64decode(value)
    if shape.type_name == "timestamp":
        return value if isinstance(value, datetime) else parse_timestamp(value).astimezone(UTC)
    return value


def _read_structure(shape: StructureShape, value: dict[str, Any]) -> dict[str, Any]:
    members = ((name, member, member.serialization.get("name", name)) for name, member in shape.members.items())
    return {name: _read(member, value[wire]) for name, member, wire in members if value.get(wire) is not None}


def encode_answer(
    operation: OperationModel, answer: dict[str, Any], protocol: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a successful answer.

    Args:
        operation: botocore's model of the operation.
        answer: members by their model names; None and absent members are left out.
        protocol: of the request; the service's own where empty.
    """
    if protocol == "query":
        return 200, {"Content-Type": "text/xml"}, write_answer(operation, answer, str(uuid.uuid4()))
    if protocol == "cbor":
        document = {} if operation.output_shape is None else _write(operation.output_shape, answer, is_cbor=True)
        return 200, dict(_CBOR), cbor.encode(document)
    return _encode_rest(operation, answer)


_CBOR = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}


def _encode_rest(operation: OperationModel, answer: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    status = int(operation.http.get("responseCode", 200))
    shape = operation.output_shape
    if shape is None:
        return status, {}, b""
    headers: dict[str, str] = {}
    document: dict[str, Any] = {}
    payload = shape.serialization.get("payload")
    body = b""
    for name, member in shape.members.items():
        value = answer.get(name)
        location = member.serialization.get("location")
        if location == "statusCode":
            status = status if value is None else int(value)
        elif value is None:
            continue
        elif location == "header":
            headers[member.serialization.get("name", name)] = _header(member, value)
        elif name == payload:
            body = value if isinstance(value, bytes) else json.dumps(_write(member, value)).encode()
        else:
            document[member.serialization.get("name", name)] = _write(member, value)
    headers.setdefault("Content-Type", "application/json")
    if payload is None:
        body = json.dumps(document).encode()
    return status, headers, body


def _header(shape: Shape, value: Any) -> str:
    if shape.type_name == "timestamp":
        return format_datetime(value, usegmt=True)
    if shape.type_name == "boolean":
        return "true" if value else "false"
    return str(value)


def _write(shape: Shape, value: Any, *, is_cbor: bool = False) -> Any:
    if value is None or (isinstance(shape, StructureShape) and shape.is_document_type):
        return value
    if isinstance(shape, StructureShape):
        pairs = (
            (member, member.serialization.get("name", name), value.get(name)) for name, member in shape.members.items()
        )
        return {wire: _write(member, item, is_cbor=is_cbor) for member, wire, item in pairs if item is not None}
    if isinstance(shape, ListShape):
        return [_write(shape.member, item, is_cbor=is_cbor) for item in value]
    if isinstance(shape, MapShape):
        return {key: _write(shape.value, item, is_cbor=is_cbor) for key, item in value.items()}
    if is_cbor:  # has bytes and times of its own; a double stays one
        return float(value) if shape.type_name in {"double", "float"} else value
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat() if shape.serialization.get("timestampFormat") == "iso8601" else value.timestamp()
    return value


def encode_error(
    operation: OperationModel, code: str, message: str, status: int | None, members: dict[str, Any], protocol: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an error answer; the modelled status is used where none is given."""
    service = operation.service_model
    shape = _error_shape(service, code)
    # Under the query code of awsQueryCompatible services lies the name of the shape, which botocore shows as
    # QueryErrorCode; refusals of the front end, such as ValidationError, have one name only (both recorded).
    is_compatible = "awsQueryCompatible" in service.metadata
    modelled_names = {error.name for error in operation.error_shapes} if is_compatible else set()
    name = shape.name if shape is not None and shape.name in modelled_names else code
    document: dict[str, Any] = {"message": message, "__type": name}
    headers = {"x-amzn-ErrorType": name, "Content-Type": "application/json"}
    modelled = 400
    if shape is not None:
        modelled = shape.metadata.get("error", {}).get("httpStatusCode", 500 if shape.metadata.get("fault") else 400)
        for name, member in shape.members.items():
            if members.get(name) is None:
                continue
            if member.serialization.get("location") == "header":
                headers[member.serialization.get("name", name)] = _header(member, members[name])
            else:
                document[member.serialization.get("name", name)] = _write(member, members[name])
        if "Message" in shape.members:
            document["Message"] = message
    final = modelled if status is None else status
    if (protocol or service.resolved_protocol) == "query":
        fault = "Sender" if final < 500 else "Receiver"
        error = f"<Type>{fault}</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        return final, {"Content-Type": "text/xml"}, f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()
    if "awsQueryCompatible" in service.metadata:
        headers["x-amzn-query-error"] = f"{code};{'Sender' if final < 500 else 'Receiver'}"
    if protocol == "cbor":
        return final, {**headers, **_CBOR}, cbor.encode(document)
    return final, headers, json.dumps(document).encode()


def _error_shape(service: ServiceModel, code: str) -> StructureShape | None:
    # botocore-stubs give the parameter as an int and the result as a plain Shape.
    shape = service.shape_for_error_code(code)  # type: ignore[arg-type]
    return shape if isinstance(shape, StructureShape) else None
