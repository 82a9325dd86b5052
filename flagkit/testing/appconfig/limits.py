"""The limits of AppConfig's service model that botocore leaves to the server: lengths, patterns, choices, maxima.

It must not know operations; what AWS checks beyond its model is checked where it belongs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import Shape, StructureShape

from flagkit.testing.appconfig.store import bad_request

_OWN = frozenset({"VersionLabel"})  # answered by the operation, in its own words


def refuse_beyond_model(shape: StructureShape | None, params: Mapping[str, Any]) -> None:
    """Refuses parameters that the service model doesn't allow.

    Raises:
        ServiceError: 400. The sentence is the one that AWS's services use; for AppConfig it is unverified.
    """
    members = {} if shape is None else shape.members
    found = [
        f"Value '{str(value)[:256]}' at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: {what}"
        for name, value in params.items()
        if name in members and name not in _OWN
        for what in _faults(members[name], value)
    ]
    if found:
        plural = "error" if len(found) == 1 else "errors"
        raise bad_request(f"{len(found)} validation {plural} detected: " + "; ".join(found))


def _faults(shape: Shape, value: object) -> Iterator[str]:
    limits = shape.metadata
    most, pattern, choices = limits.get("max"), limits.get("pattern"), limits.get("enum")
    if isinstance(value, str):
        if most is not None and len(value) > most:
            yield f"Member must have length less than or equal to {most}"
        if pattern is not None and re.fullmatch(pattern, value) is None:
            yield f"Member must satisfy regular expression pattern: {pattern}"
        if choices is not None and value not in choices:
            yield f"Member must satisfy enum value set: [{', '.join(choices)}]"
    elif isinstance(value, int | float) and most is not None and value > most:
        yield f"Member must have value less than or equal to {most}"
