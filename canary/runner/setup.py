"""The ports of one run, in one value; it builds none of them (canary.assembly does)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from canary.ports import AlarmSource, Aliases, Clock, HealthProbe, Journal, MetricSource, Observer


@dataclass(slots=True)
class Memory:
    """What a driver needn't ask or tell twice; losing it costs a call, never correctness.

    Attributes:
        timeouts_s: function timeout by (function key, version); a published version never changes.
        told: rows already in the journal, by stream or gauge.
        said: ids of canaries about whose plan a word was said already.

    Since 0.1.
    """

    timeouts_s: dict[tuple[str, str], int] = field(default_factory=dict)
    told: dict[str, frozenset[object]] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a driver reaches the world through.

    Attributes:
        observers: are notified of every event after the journal has it.
        jitter: a number from 0 to 1 for each wait between two attempts.
        in_parallel: take several aliases back at once, in threads; the simulator and tests say False.

    Since 0.1.
    """

    aliases: Aliases
    metrics: MetricSource
    probes: HealthProbe
    alarms: AlarmSource
    clock: Clock
    journal: Journal
    observers: tuple[Observer, ...] = ()
    jitter: Callable[[], float] = random.random
    in_parallel: bool = True
    memory: Memory = field(default_factory=Memory)
