"""Fault injection: which fault an AWS call gets instead of, or in addition to, a proper answer.

It selects the fault of a call; the wire applies it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Fault(StrEnum):
    """What can go wrong with one AWS call."""

    THROTTLED = "throttled"
    """429 or the service's throttling error; the call did not happen."""
    SERVER_ERROR = "server_error"
    """500; the call did not happen."""
    LOST_ANSWER = "lost_answer"
    """The call happened, the client sees a read timeout."""
    UNREACHABLE = "unreachable"
    """No connection; the call did not happen."""
    CUT = "cut"
    """The call happens; its answer ends in the middle of the body."""
    CREDENTIALS_EXPIRED = "credentials_expired"
    """ExpiredTokenException; the call did not happen."""
    DENIED = "denied"
    """AccessDeniedException; the call did not happen."""
    SLOW = "slow"
    """The call happens; its answer takes `delay_s` of virtual time."""


@dataclass(slots=True, eq=False)
class FaultRule:
    """Which calls get which fault.

    Attributes:
        fault: what happens.
        calls: pattern over `service.Operation`, e.g. `lambda.*` or `lambda.UpdateAlias`.
        times: how many more calls get it; None for all.
        probability_ratio: chance of each matching call, 0 to 1.
        skip: how many matching calls pass first.
        delay_s: virtual seconds, for SLOW.
    """

    fault: Fault
    calls: str = "*"
    times: int | None = None
    probability_ratio: float = 1.0
    skip: int = 0
    delay_s: float = 0.0


class Faults:
    """The active faults, consulted once per call.

    Args:
        seed: of the random faults.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._rules: list[FaultRule] = []

    def add(
        self,
        fault: Fault,
        calls: str = "*",
        *,
        times: int | None = None,
        probability_ratio: float = 1.0,
        skip: int = 0,
        delay_s: float = 0.0,
    ) -> FaultRule:
        """Add a fault and return its rule, for `remove`."""
        rule = FaultRule(fault, calls, times, probability_ratio, skip, delay_s)
        self._rules.append(rule)
        return rule

    def add_mix(
        self,
        probability_ratio: float,
        calls: str = "*",
        *,
        faults: Sequence[Fault] = (Fault.THROTTLED, Fault.SERVER_ERROR, Fault.LOST_ANSWER, Fault.UNREACHABLE),
    ) -> None:
        """Give a share of all matching calls one of several faults, each equally often."""
        # Rules are tried in turn, so each is conditional on the earlier ones not having applied.
        share = probability_ratio / len(faults)
        left = 1.0
        for fault in faults:
            self.add(fault, calls, probability_ratio=share / left)
            left -= share

    def remove(self, rule: FaultRule) -> None:
        """Remove one fault; nothing happens if it is gone."""
        if rule in self._rules:
            self._rules.remove(rule)

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The active faults."""
        return tuple(self._rules)

    def clear(self) -> None:
        """Remove all faults."""
        self._rules.clear()

    def next_fault(self, call: str) -> FaultRule | None:
        """Return the fault of this call, if any, and count it.

        Args:
            call: `service.Operation`, e.g. `lambda.UpdateAlias`.
        """
        for rule in self._rules:
            if rule.times == 0 or not fnmatchcase(call, rule.calls):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability_ratio < 1 and self._random.random() >= rule.probability_ratio:
                continue
            if rule.times is not None:
                rule.times -= 1
            return rule
        return None
