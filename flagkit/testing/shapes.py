"""Checks parameters against botocore's shapes: what must be there, and of which type. Limits are the services' own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "blob": (bytes, bytearray),
    "timestamp": (datetime,),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}


def problems(shape: Shape, value: Any, place: str = "") -> Iterator[str]:
    """What is missing or of another type, as AWS words it."""
    allowed = _TYPES.get(shape.type_name, (object,))
    fits = isinstance(value, allowed)
    if not fits or (isinstance(value, bool) and bool not in allowed):
        yield f"Value at '{place}' failed to satisfy constraint: Member must be of type {shape.type_name}"
        return
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        yield from _in_structure(shape, value, place)
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value, 1):
            yield from problems(shape.member, item, f"{place}.{number}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from problems(shape.value, item, f"{place}.{key}")


def _in_structure(shape: StructureShape, value: dict[str, Any], place: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            where = _below(place, name)
            yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from problems(member, value[name], _below(place, name))


def _below(place: str, name: str) -> str:
    small = name[:1].lower() + name[1:]
    return f"{place}.{small}" if place else small
