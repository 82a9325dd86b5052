"""The ports of one run, in one value; it builds none of them (canary.assembly does)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from canary.ports import AlarmSource, Clock, HealthProbe, Journal, MetricSource, Observer, Traffic


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a driver reaches the world through.

    Attributes:
        observers: hear every event after the journal has it.
        jitter: a number from 0 to 1 for each wait between two attempts.
        in_parallel: take several aliases back at once, in threads; the simulator and tests say False.

    Since 0.1.
    """

    traffic: Traffic
    metrics: MetricSource
    probes: HealthProbe
    alarms: AlarmSource
    clock: Clock
    journal: Journal
    observers: tuple[Observer, ...] = ()
    jitter: Callable[[], float] = random.random
    in_parallel: bool = True
