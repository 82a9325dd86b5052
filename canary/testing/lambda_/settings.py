"""What AWS leaves open about Lambda's timing, in one place, for tests to turn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LambdaSettings:
    """How the stand-in's Lambda takes its time; change it at any moment.

    Attributes:
        pending_s: what is created or changed through the API stays Pending or InProgress for so long; AWS needs a few
            seconds. `LambdaService.deploy` waits for nothing.
        settle_s: for so long after a change of an alias some requests still see the old routing. AWS names no time.
        init_s: duration of a cold start, in addition to sleeps while the code is imported.
        cold_ratio: share of invocations that start a new environment although a warm one is free.
        overhead_s: duration of an invocation besides the handler's sleeps; a constant, so that results don't depend
            on the machine.
        idle_s: an environment that was idle for longer is removed.
        provision_s: allocating provisioned concurrency takes so long.
        drain_s: AWS drains the old version of an alias with provisioned concurrency for so long.
        executed_version_without_weights: do metrics carry ExecutedVersion while the alias has no weights? Reports
            differ (lambda-canary.md §2.1), so a reader must work both ways.
        ends_hangs: does a handler time out that computes or waits for longer than its timeout, at least 5 s, in real
            time? A sandbox does that; in a test, a breakpoint would.
    """

    pending_s: float = 2.0
    settle_s: float = 0.0
    init_s: float = 0.2
    cold_ratio: float = 0.0
    overhead_s: float = 0.001
    idle_s: float = 600.0
    provision_s: float = 60.0
    drain_s: float = 120.0
    executed_version_without_weights: bool = True
    ends_hangs: bool = False
