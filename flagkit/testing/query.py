"""AWS's query protocol by botocore's service models: forms in, XML out. It knows no service."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.utils import parse_timestamp


def read_form(shape: StructureShape, body: str) -> dict[str, Any]:
    """The members of a request.

    Raises:
        ValueError: a value is not of its type.
    """
    form = dict(parse_qsl(body, keep_blank_values=True))
    return _structure(shape, form, "")


def _structure(shape: StructureShape, form: Mapping[str, str], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        key = f"{prefix}{member.serialization.get('name', name)}"
        if key in form or any(other.startswith(f"{key}.") for other in form):
            found[name] = _value(member, form, key)
    return found


def _value(shape: Shape, form: Mapping[str, str], key: str) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape, form, f"{key}.")
    if isinstance(shape, ListShape):
        wire = "" if shape.serialization.get("flattened") else f".{shape.member.serialization.get('name', 'member')}"
        return [_value(shape.member, form, place) for place in _places(form, f"{key}{wire}")]
    if isinstance(shape, MapShape):
        return {
            form[f"{place}.key"]: _value(shape.value, form, f"{place}.value") for place in _places(form, f"{key}.entry")
        }
    return _scalar(shape.type_name, form.get(key, ""))


def _scalar(kind: str, text: str) -> Any:
    match kind:
        case "integer" | "long":
            return int(text)
        case "float" | "double":
            return float(text)
        case "boolean":
            return text == "true"
        case "timestamp":
            return parse_timestamp(text).astimezone(UTC)
        case "blob":
            return base64.b64decode(text)
    return text


def _places(form: Mapping[str, str], prefix: str) -> Iterator[str]:
    numbers = {key[len(prefix) + 1 :].split(".", 1)[0] for key in form if key.startswith(f"{prefix}.")}
    for number in sorted(int(text) for text in numbers if text.isdigit()):
        yield f"{prefix}.{number}"


def write_answer(operation: OperationModel, answer: Mapping[str, Any], request_id: str) -> bytes:
    """The XML of a successful answer."""
    name, shape = operation.name, operation.output_shape
    namespace = operation.service_model.metadata.get("xmlNamespace", "http://monitoring.amazonaws.com/doc/2010-08-01/")
    inner = "" if shape is None else f"<{name}Result>{''.join(_members(shape, answer))}</{name}Result>"
    metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    return f'<{name}Response xmlns="{namespace}">{inner}{metadata}</{name}Response>'.encode()


def _members(shape: StructureShape, value: Mapping[str, Any]) -> Iterator[str]:
    for name, member in shape.members.items():
        if value.get(name) is not None:
            tag = member.serialization.get("name", name)
            yield f"<{tag}>{_xml(member, value[name])}</{tag}>"


def _xml(shape: Shape, value: Any) -> str:
    if isinstance(shape, StructureShape):
        return "".join(_members(shape, value))
    if isinstance(shape, ListShape):
        return "".join(f"<member>{_xml(shape.member, item)}</member>" for item in value)
    if isinstance(shape, MapShape):
        return "".join(
            f"<entry><key>{escape(str(key))}</key><value>{_xml(shape.value, item)}</value></entry>"
            for key, item in value.items()
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return escape(str(value))
