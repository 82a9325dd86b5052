"""Fixtures for users' tests; heavy imports happen when a fixture is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flagkit.client import Flags
    from flagkit.testing import AwsStandIn, VirtualClock


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """A clock that moves only when told."""
    from flagkit.testing import VirtualClock

    return VirtualClock()


@pytest.fixture
def aws_seed() -> int:
    """Seed of `aws`; override this fixture to change it."""
    return 0


@pytest.fixture
def aws(virtual_clock: VirtualClock, aws_seed: int) -> Iterator[AwsStandIn]:
    """AWS in process, on `virtual_clock`, through unmodified boto3 clients; create clients inside the test."""
    from flagkit.testing import AwsStandIn

    with AwsStandIn(clock=virtual_clock, seed=aws_seed) as stand_in:
        yield stand_in


@pytest.fixture
def override_flags() -> Iterator[Callable[..., None]]:
    """`override_flags(flags, new_checkout=True)`: these answers hold until the test ends."""
    from flagkit.testing import override

    with ExitStack() as stack:

        def apply(flags: Flags, /, *, all_threads: bool = False, **values: object) -> None:
            stack.enter_context(override(flags, all_threads=all_threads, **values))

        yield apply
