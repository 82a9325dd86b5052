"""The check after a deployment: error rate, latency, queues, alarms of what is live now; it changes nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from canary.core.plan import StagePlan
from canary.runner.checks import Check
from canary.runner.setup import Ports


def verify(
    stage: StagePlan,
    ports: Ports,
    *,
    window: timedelta = timedelta(minutes=15),
    max_errors_percent: Decimal = Decimal(1),
    p99: timedelta = timedelta(seconds=1),
) -> tuple[Check, ...]:
    """Errors < 1 %, p99 < 1 s, dead-letter queues empty, alarms OK, over the last settled minutes. Since 0.1."""
    raise NotImplementedError
