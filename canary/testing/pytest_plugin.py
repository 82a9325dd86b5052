"""pytest fixtures over the stand-in; every pytest run loads this, so nothing heavy is imported until it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
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
