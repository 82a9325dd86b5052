"""The stage that tests of the engines work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.assembly import assemble
from canary.drivers import lambda_handler
from canary.runner import Ports
from canary.testing import AwsStandIn
from tests.canary.drivers.fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.setattr(lambda_handler.tempfile, "gettempdir", lambda: str(tmp_path))
    made: dict[str, Ports] = {}  # clients cost more than everything else; nothing else is kept between two ticks
    monkeypatch.setattr(
        lambda_handler,
        "assemble",
        lambda plan, name, **more: made.get(name) or made.setdefault(name, assemble(plan, name, **more)),
    )
    with AwsStandIn() as aws:
        yield Fleet(aws, tmp_path)
