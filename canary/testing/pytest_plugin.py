"""pytest fixtures over the stand-in; every pytest run loads this, so nothing heavy is imported until it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from canary.sandbox import SandboxServer
    from canary.testing import AwsStandIn


@pytest.fixture
def canary_aws_seed() -> int:
    """Seed of `canary_aws`; override it for other random values."""
    return 0


@pytest.fixture
def canary_aws(canary_aws_seed: int) -> Iterator[AwsStandIn]:
    """AWS in process, on a virtual clock, for tests of releases; create boto3 clients inside the test."""
    from canary.testing import AwsStandIn

    with AwsStandIn(seed=canary_aws_seed) as aws:
        yield aws


@pytest.fixture
def aws_server_speed() -> float:
    """Virtual seconds in a real second for `aws_server`; override it, 0 moves the clock by `step` only."""
    return 60.0


@pytest.fixture
def aws_server(aws_server_speed: float, canary_aws_seed: int) -> Iterator[SandboxServer]:
    """AWS on a port of this machine; give `aws_server.environ` to the processes that a test starts."""
    from canary.sandbox import serve

    with serve(speed=aws_server_speed, seed=canary_aws_seed) as server:
        yield server
