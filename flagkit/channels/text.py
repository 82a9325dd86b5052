"""Texts from outside as they may be shown: on one line, without control characters and secrets."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_TEXT_LIMIT: Final = 120


def redacted(url: str) -> str:
    """An address as it may be shown: without user name, password, query values and fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    except ValueError:
        return "(invalid URL)"
    names = "&".join(f"{part.split('=')[0]}=…" for part in parts.query.split("&") if part)
    return printable(f"{parts.scheme}://{host}{port}{parts.path}{f'?{names}' if names else ''}", 300)


def printable(text: str, limit: int = _TEXT_LIMIT) -> str:
    """Text from outside on one line: control characters as escapes, and not longer than `limit`."""
    shown = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in shown)


def _escape(letter: str) -> str:
    return " " if letter.isspace() and ord(letter) < 128 else f"\\x{ord(letter):02x}"
