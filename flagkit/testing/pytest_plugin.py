"""Fixtures for users' tests; imports nothing heavy until a fixture is asked for."""

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
    """A clock that moves only when told. Since 0.1."""
    from flagkit.testing import VirtualClock

    return VirtualClock()


@pytest.fixture
def aws_seed() -> int:
    """Seed of `aws`; override it to draw otherwise. Since 0.1."""
    return 0


@pytest.fixture
def aws(virtual_clock: VirtualClock, aws_seed: int) -> Iterator[AwsStandIn]:
    """AWS in process, on `virtual_clock`, through unmodified boto3 clients; make clients inside the test. Since 0.1."""
    from flagkit.testing import AwsStandIn

    with AwsStandIn(clock=virtual_clock, seed=aws_seed) as stand_in:
        yield stand_in


@pytest.fixture
def override_flags() -> Iterator[Callable[..., None]]:
    """`override_flags(flags, new_checkout=True)`: flags answer so until the test ends. Since 0.1."""
    from flagkit.testing import override

    with ExitStack() as stack:

        def apply(flags: Flags, /, *, all_threads: bool = False, **values: object) -> None:
            stack.enter_context(override(flags, all_threads=all_threads, **values))

        yield apply
