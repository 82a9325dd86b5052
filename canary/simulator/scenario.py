"""What is assumed about the invented world: values only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from canary.errors import UsageError


@dataclass(frozen=True, slots=True)
class Scenario:
    """A release as it might go; shares are ratios, 0 to 1.

    Attributes:
        candidate_errors: share of the new version's requests that fail once the trouble began.
        baseline_errors: share of the old version's requests that fail; the new one's before the trouble.
        requests_per_s: traffic of each function, both versions together.
        from_minute: minute after the start in which the new version's trouble begins.
        candidate_slow: share of the new version's requests above the latency limit.
        baseline_slow: share of the old version's requests above the latency limit.
    """

    candidate_errors: float
    baseline_errors: float = 0.01
    requests_per_s: float = 2.0
    from_minute: float = 0.0
    candidate_slow: float = 0.001
    baseline_slow: float = 0.001

    def __post_init__(self) -> None:
        for name in ("candidate_errors", "baseline_errors", "candidate_slow", "baseline_slow"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} must lie between 0 % and 100 %")
        if not 0.0 <= self.requests_per_s <= 100_000:
            raise UsageError(f"{self.requests_per_s:g} requests a second can't be simulated", hint="0 to 100,000.")
        if self.from_minute < 0:
            raise UsageError("the trouble can't begin before the canary")

    def healthy(self) -> Scenario:
        """The same world with a new version that is as good as the old one."""
        return replace(self, candidate_errors=self.baseline_errors, candidate_slow=self.baseline_slow)

    def mix(self, minute: float, *, candidate: bool) -> tuple[float, float]:
        """Share of failing and share of slow requests of one version in one minute; the two are independent."""
        if candidate and minute >= self.from_minute:
            return self.candidate_errors, self.candidate_slow
        return self.baseline_errors, self.baseline_slow
