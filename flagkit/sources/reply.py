"""One HTTP exchange with the Agent, as values. It must not talk to anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer of the Agent; header names in lower case. Since 0.1."""

    status: int
    body: bytes
    headers: Mapping[str, str]


Ask = Callable[[str, Headers, float], Reply]
"""One GET: `(path, headers, timeout_s) -> Reply`; raises OSError when there is no answer."""
