"""The flags of a document as text: found in one pass, decoded one by one when they are read. It must not know flags.

A process asks for a few of its flags, so decoding all of them would cost memory and time for nothing. And a decoded
object has lost the keys that it had twice: here they are found, and only the flag that is meant is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from json.scanner import make_scanner
from typing import NoReturn, TypeAlias

from flagkit.errors import DocumentError, Violation

MAX_CONTENT_BYTES = 32 * 1024 * 1024
"""The largest document that is read. AppConfig itself delivers at most 2 MiB (appconfig.md §1.1)."""

_START = re.compile(r"[ \t\n\r]*\{").match
_EMPTY = re.compile(r"\{[ \t\n\r]*\}").match
_FIRST_KEY = re.compile(r'\{[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*').match
_NEXT_KEY = re.compile(r'[ \t\n\r]*,[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*').match
_QUOTE = re.compile(r'[ \t\n\r]*([{,])[ \t\n\r]*(?=")').match
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*").match
_END_OF_OBJECT = re.compile(r"[ \t\n\r]*\}").match
_END = re.compile(r"[ \t\n\r]*\Z").match


class Entries(Mapping[str, object]):
    """Decoded JSON by key, decoded at each look-up.

    Args:
        texts: the JSON text of each entry.
        doubled: for each key that the document has twice, the sentence that says so.
    """

    __slots__ = ("_texts", "doubled")

    def __init__(self, texts: dict[str, str], doubled: Mapping[str, str]) -> None:
        self._texts = texts
        self.doubled = doubled

    def __getitem__(self, key: str) -> object:
        """Return a decoded entry.

        Raises:
            KeyError: there is no such key.
            DocumentError: the document has the key twice, or an object of the entry has one twice.
        """
        text = self._texts[key]
        if key in self.doubled:
            _refuse(key, "UniqueKeys", self.doubled[key])
        try:
            return _entry_decoder.decode(text)
        except _DuplicateKeyError as error:
            _refuse(key, "UniqueKeys", f"{key} has the key {error.args[0]!r} twice")

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def text(self, key: str) -> str | None:
        """Return the text of an entry; None if there is none that can be decoded."""
        return None if key in self.doubled else self._texts.get(key)


def read_values(content: bytes | str) -> Entries:
    """Return the entries of `values` of a deployment-time document.

    Raises:
        DocumentError: it is not JSON, or not a flag document at all.
    """
    text, members = _members(content, "The document is not an object.")
    for name in ("version", "values"):
        starts = [start for key, _, start, _ in members if key == name]
        if len(starts) > 1:
            _refuse(name, "UniqueKeys", _twice(text, name, starts))
    found = {key: (value, inside) for key, value, _, inside in members}
    if json.loads(found.get("version", ("null",))[0]) != "1":
        _refuse("version", "OneOf(1)", 'The document\'s "version" is not "1".')
    # The service drops an empty section when it saves a document, and serves no flag without values
    # (recording of 2026-09-28, "missing-value-serving").
    value, inside = found.get("values", ("null", None))
    if value == "null":
        return Entries({}, {})
    if inside is None:
        _refuse("values", "AttributeType(object)", 'The document\'s "values" is not an object.')
    return _entries(text, inside, "values.")


def read_entries(content: bytes | str) -> Entries:
    """Return the entries of a document that is an object of flags.

    Raises:
        DocumentError: it is not JSON, or not an object.
    """
    text, members = _members(content, "The content is not an object.")
    return _entries(text, members, "")


_Member: TypeAlias = "tuple[str, str, int, list[_Member] | None]"
"""A member of an object: its key, its text, where that starts, and its own members if they were asked for."""


class _DuplicateKeyError(Exception):
    """An object has a key twice."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKeyError(next(key for key in keys if keys.count(key) > 1))
    return found


def _entries(text: str, members: Sequence[_Member], location: str) -> Entries:
    texts = {member[0]: member[1] for member in members}
    doubled = {}
    if len(texts) != len(members):
        starts: dict[str, list[int]] = {}
        for key, _, start, _ in members:
            starts.setdefault(key, []).append(start)
        doubled = {key: _twice(text, f"{location}{key}", at) for key, at in starts.items() if len(at) > 1}
    return Entries(texts, doubled)


def _twice(text: str, location: str, starts: Sequence[int]) -> str:
    first, second = (text.count("\n", 0, start) + 1 for start in starts[:2])
    return f"{location} is in the document twice, in lines {first} and {second}"


def _members(content: bytes | str, otherwise: str) -> tuple[str, Sequence[_Member]]:
    """Return the text of a document and the members of the object that it is, with those of its `values`."""
    if len(content) > MAX_CONTENT_BYTES:
        _refuse("", "MaxLength", f"The document is larger than {MAX_CONTENT_BYTES} bytes.")
    try:
        text = content if isinstance(content, str) else content.decode(json.detect_encoding(content), "surrogatepass")
        start = _START(text)
        if start is None:
            _decoder.decode(text)
            _refuse("", "AttributeType(object)", otherwise)
        members, end = _members_at(text, start.end() - 1, open_key="values")
        if _END(text, end) is None:
            raise json.JSONDecodeError("Extra data", text, end)
    except (ValueError, RecursionError) as error:
        message = f"The document is not valid JSON: {error}"
        raise DocumentError(message, violations=(Violation("JSON", "", message=message),)) from error
    return text, members


def _members_at(text: str, at: int, open_key: str | None = None) -> tuple[list[_Member], int]:
    """Return the members of the object that begins at a position, and the position after it."""
    members: list[_Member] = []
    if empty := _EMPTY(text, at):
        return members, empty.end()
    separator, key_at = "{", _FIRST_KEY
    while True:
        if match := key_at(text, at):
            key, start = match[1], match.end()
        elif end_of_object := members and _END_OF_OBJECT(text, at):
            return members, end_of_object.end()
        else:
            key, start = _escaped_key(text, at, separator)
        inside = None
        if key == open_key and text.startswith("{", start):
            inside, at = _members_at(text, start)
        else:
            try:
                _, at = _scan(text, start)
            except StopIteration:
                raise json.JSONDecodeError("Expecting value", text, start) from None
        members.append((key, text[start:at], start, inside))
        separator, key_at = ",", _NEXT_KEY


def _escaped_key(text: str, at: int, separator: str) -> tuple[str, int]:
    """Return a key that is not plain characters, and the position of its value."""
    quote = _QUOTE(text, at)
    if quote is None or quote[1] != separator:
        raise json.JSONDecodeError("Expecting a comma and a property name enclosed in double quotes", text, at)
    key, end = _scan(text, quote.end())
    colon = _COLON(text, end)
    if colon is None:
        raise json.JSONDecodeError("Expecting ':' delimiter", text, end)
    return key, colon.end()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _refuse(location: str, constraint: str, message: str) -> NoReturn:
    raise DocumentError(message, violations=(Violation(constraint, location, message=message),))


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_entry_decoder = json.JSONDecoder(object_pairs_hook=_unique)
_scan = make_scanner(_decoder)  # type: ignore[arg-type]  # typeshed wants a scanner here
