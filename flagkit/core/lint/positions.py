"""Where a dotted location is in the text of a JSON document: line and column. It must not judge the document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecoder

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = JSONDecoder()


def line_and_column(text: str, location: str) -> tuple[int, int]:
    """Return where the value at a location begins, counted from 1.

    A location that goes deeper than the document does ends at its deepest part that exists: AWS's locations name
    operators inside rules, too (`values.f._variants.0.rule.eq`).

    Args:
        text: valid JSON.
        location: a dotted path; empty is the document itself.

    Since 0.1.
    """
    offset = _SPACE.match(text, 0).end()  # type: ignore[union-attr] # matches always, if only nothing
    for part in location.split(".") if location else ():
        found = dict(_members(text, offset)).get(part)  # of equal keys the last one counts, as in json.loads
        if found is None:
            break
        offset = found
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _members(text: str, offset: int) -> Iterator[tuple[str, int]]:
    """Yield the name (or index) and the offset of each member of the object or list that begins here."""
    opened = text[offset]
    if opened not in "{[":
        return
    offset = _skip(text, offset + 1)
    index = 0
    while text[offset] not in "}]":
        name = str(index)
        if opened == "{":
            name, offset = _DECODER.raw_decode(text, offset)
            offset = _skip(text, _skip(text, offset) + 1)
        yield name, offset
        _, offset = _DECODER.raw_decode(text, offset)
        offset = _skip(text, offset)
        if text[offset] == ",":
            offset = _skip(text, offset + 1)
        index += 1


def _skip(text: str, offset: int) -> int:
    return _SPACE.match(text, offset).end()  # type: ignore[union-attr] # matches always, if only nothing
