"""The readable form as TOML text. Only text: files are opened elsewhere."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from flagkit.authoring.source import AuthoringDocument, problems_of
from flagkit.errors import EditError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DELETE = "\x7f"


def read_toml(text: str) -> AuthoringDocument:
    """Read flags from TOML.

    Raises:
        EditError: not TOML, or not flags; line and key are named.
    """
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message = f"not valid TOML: {error}"
        raise EditError(message) from None
    try:
        return AuthoringDocument.model_validate(content)
    except ValidationError as error:
        raise EditError("; ".join(problems_of(error, text))) from None


def write_toml(source: AuthoringDocument) -> str:
    """Write flags as TOML; reading it gives the same flags."""
    tables: list[str] = []
    for part, entries in source.to_dict().items():
        assert isinstance(entries, dict)
        for key, words in entries.items():
            tables.append("\n".join(_table(f"{part}.{_key(key)}", words)))
    return "\n\n".join(tables) + "\n" if tables else ""


def _table(name: str, words: Mapping[str, object]) -> Iterator[str]:
    yield f"[{name}]"
    variants = words.get("variants", ())
    assert isinstance(variants, Sequence)
    for word, value in words.items():
        if word == "variants":
            continue
        if isinstance(value, dict) and word in {"attributes", "values"}:
            for key, item in value.items():
                yield f"{word}.{_key(key)} = {_value(item)}"
        else:
            yield f"{word} = {_value(value)}"
    for variant in variants:
        yield ""
        yield f"[[{name}.variants]]"
        for word, value in variant.items():
            yield f"{_key(word)} = {_value(value)}"


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case dt.datetime():
            return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"
        case dt.date():
            return value.isoformat()
        case dict():
            return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
        case _:
            return repr(value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace(_DELETE, "\\u007f")
