"""Lambda's paging: `MaxItems` and `Marker`."""

from __future__ import annotations

from typing import Any

from canary.testing.lambda_ import refusals


def page(member: str, items: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """One page of a list answer.

    Args:
        member: name of the list in the answer.
        items: all of them, in order.
        params: the request, with `Marker` and `MaxItems`.
    """
    marker = str(params.get("Marker") or "0")
    if not marker.isdecimal():
        raise refusals.invalid(f"Invalid Marker: {marker}")
    start = int(marker)
    end = start + int(params.get("MaxItems") or 50)
    answer: dict[str, Any] = {member: items[start:end]}
    if end < len(items):
        answer["NextMarker"] = str(end)
    return answer
