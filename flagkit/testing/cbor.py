"""CBOR (RFC 8949) as AWS's `smithy-rpc-v2-cbor` uses it. It knows no service and no shape."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any, Final

_DEPTH: Final = 64
_BREAK: Final = object()


def encode(value: Any) -> bytes:
    """The bytes of a value: None, bool, int, float, str, bytes, datetime, list, dict."""
    out = bytearray()
    _write(out, value)
    return bytes(out)


def decode(content: bytes) -> Any:
    """The value of some bytes.

    Raises:
        ValueError: they are no CBOR, or end in the middle.
    """
    try:
        value, end = _read(content, 0, 0)
    except (IndexError, TypeError, struct.error, OverflowError, OSError) as error:
        raise ValueError(f"the body is not CBOR: {error}") from error
    if end != len(content) or value is _BREAK:
        raise ValueError("the body is not CBOR")
    return value


def _write(out: bytearray, value: Any) -> None:
    if value is None or isinstance(value, bool):
        out.append({None: 0xF6, False: 0xF4, True: 0xF5}[value])
    elif isinstance(value, int):
        _head(out, 0 if value >= 0 else 1, value if value >= 0 else -1 - value)
    elif isinstance(value, float):
        out += b"\xfb" + struct.pack(">d", value)
    elif isinstance(value, bytes):
        _head(out, 2, len(value))
        out += value
    elif isinstance(value, str):
        text = value.encode()
        _head(out, 3, len(text))
        out += text
    elif isinstance(value, datetime):
        out.append(0xC1)
        _write(out, value.timestamp())
    elif isinstance(value, dict):
        _head(out, 5, len(value))
        for key, item in value.items():
            _write(out, key)
            _write(out, item)
    else:
        _head(out, 4, len(value))
        for item in value:
            _write(out, item)


def _head(out: bytearray, major: int, number: int) -> None:
    if number < 24:
        out.append(major << 5 | number)
        return
    for index, size in enumerate((1, 2, 4, 8)):
        if number < 1 << (8 * size):
            out.append(major << 5 | (24 + index))
            out += number.to_bytes(size, "big")
            return
    raise ValueError(f"{number} is too large for CBOR")


def _read(content: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEPTH:
        raise ValueError("the body is nested too deeply")
    major, info = content[at] >> 5, content[at] & 31
    at += 1
    if major == 7:
        return _simple(content, at, info)
    number, at = _number(content, at, info)
    match major, number:
        case 0, int():
            return number, at
        case 1, int():
            return -1 - number, at
        case 6, int():
            value, at = _read(content, at, depth + 1)
            return (datetime.fromtimestamp(value, UTC) if number == 1 else value), at
        case ((2 | 3), _):
            return _text(content, at, major, number, depth)
        case ((4 | 5), _):
            return _items(content, at, major, number, depth)
    raise ValueError("the body is not CBOR")


def _number(content: bytes, at: int, info: int) -> tuple[int | None, int]:
    """The number of a head, None for an indefinite length."""
    if info < 24:
        return info, at
    if info == 31:
        return None, at
    if info > 27:
        raise ValueError("the body is not CBOR")
    size = 1 << (info - 24)
    if at + size > len(content):
        raise IndexError("the body is cut")
    return int.from_bytes(content[at : at + size], "big"), at + size


def _text(content: bytes, at: int, major: int, number: int | None, depth: int) -> tuple[Any, int]:
    if number is None:
        parts, at = _items(content, at, 4, None, depth)
        return (b"" if major == 2 else "").join(parts), at
    part = content[at : at + number]
    if len(part) < number:
        raise IndexError("the body is cut")
    return (part if major == 2 else part.decode()), at + number


def _items(content: bytes, at: int, major: int, number: int | None, depth: int) -> tuple[Any, int]:
    found: list[Any] = []
    wanted = None if number is None else number * (2 if major == 5 else 1)
    while wanted is None or len(found) < wanted:
        value, at = _read(content, at, depth + 1)
        if value is _BREAK:
            if wanted is not None:
                raise ValueError("the body is not CBOR")
            break
        found.append(value)
    if major == 4:
        return found, at
    return dict(zip(found[::2], found[1::2], strict=True)), at


def _simple(content: bytes, at: int, info: int) -> tuple[Any, int]:
    if info in {20, 21, 22, 23, 31}:
        return {20: False, 21: True, 22: None, 23: None, 31: _BREAK}[info], at
    if info in {25, 26, 27}:
        form, size = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}[info]
        return struct.unpack(form, content[at : at + size])[0], at + size
    raise ValueError("the body is not CBOR")
