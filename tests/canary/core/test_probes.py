"""How a handler recognises a probe."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from canary.core.probes import CLIENT_CONTEXT, is_probe


@pytest.mark.parametrize(
    ("client_context", "marked"),
    [
        (SimpleNamespace(custom=CLIENT_CONTEXT["custom"]), True),
        (SimpleNamespace(custom={"canary": "user"}), False),
        (SimpleNamespace(custom="probe"), False),
        (SimpleNamespace(), False),
        (None, False),
    ],
)
def test_only_the_client_context_marks_a_probe(client_context: object, marked: bool) -> None:
    assert is_probe(SimpleNamespace(client_context=client_context)) is marked
    assert not is_probe(None)
