"""`canary demo`: the shipped code driving the stand-in; nothing here is scripted.

A flag is off, at 25 %, on for one named user besides, and on. Version 2 is released and promoted. Version 3 fails,
version 4 is slow, and both are rolled back. A feature that breaks 8 % of its users is rolled out and lowered. With an
error rate of 0 version 3 and the feature reach everybody.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from canary.core.plan import Plan
from canary.demo.report import demo_report, rollout_heading
from canary.demo.rollout import RolledOut, plan_of, roll_out
from canary.demo.scenario import (
    ALIAS,
    CALL_S,
    FLAG,
    FUNCTION,
    PLAN,
    SOURCE,
    FlagApplication,
    FlagStep,
    Release,
    Released,
    Screen,
    backend,
    document,
    flag_steps,
    play,
    start_traffic,
)
from canary.view.build import ViewBuilder
from canary.view.model import Report

__all__ = ["DemoOutput", "DemoResult", "Options", "run_demo"]

BROKEN = 0.08
"""Share of the users for whom the feature breaks a request."""

HISTORY_MIN = 12
"""Minutes of the baseline's traffic before the first release."""


@dataclass(frozen=True, slots=True)
class Options:
    """What can be changed about the demo; shares are ratios, 0 to 1."""

    error_rate: float = 0.12
    seed: int = 5


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything the demo showed."""

    steps: tuple[FlagStep, ...]
    releases: tuple[Released, ...]
    rollout: RolledOut
    report: Report


@dataclass(frozen=True, slots=True)
class DemoOutput:
    """Where the demo is shown: headings, lines, and one screen per canary."""

    heading: Callable[[str], object]
    line: Callable[[str], object]
    step: Callable[[FlagStep], object]
    screen: Callable[[ViewBuilder], Screen]
    released: Callable[[Released], object]
    rolled_out: Callable[[RolledOut], object]


def run_demo(options: Options, output: DemoOutput) -> DemoResult:
    """Runs the whole demo."""
    from canary.testing import AwsStandIn
    from flagkit.testing import Fault

    began_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="canary-demo-") as folder, AwsStandIn(seed=options.seed) as aws:
        base = Path(folder)
        desk = FlagApplication(aws)
        desk.deploy(document({"name": "off", "enabled": False}))
        aws.lambda_.deploy(
            FUNCTION, backend(1, failing=0.01), alias=ALIAS, variables={"FLAGKIT_SOURCE": SOURCE}, Timeout=10
        )
        output.heading(f"A flag changes what users see: {FLAG}")
        output.line("AppConfig application shop, environment staging. The backend calls flags.is_enabled(...).")
        steps = []
        for step in flag_steps(aws, desk):
            steps.append(step)
            output.step(step)

        plan = Plan.parse(PLAN.format(journal=base / "journal"))
        traffic = start_traffic(aws)
        aws.clock.advance(HISTORY_MIN * 60)
        aws.faults.add(Fault.SLOW, "lambda.*Alias", delay_s=CALL_S)
        releases = []
        for release in _releases(options):
            output.heading(release.heading)
            source = backend(release.number, failing=release.failing, slow=release.slow)
            aws.lambda_.deploy(FUNCTION, source)
            released = play(aws, release, plan, base, traffic, output.screen(ViewBuilder(plan.stage("staging"))))
            releases.append(released)
            output.released(released)
            # Quiet minutes in between, so that one release's last minutes aren't the next one's first.
            aws.clock.advance(5 * 60)
        total = traffic.stop().requests + sum(step.asked for step in steps)
        broken = BROKEN if options.error_rate else 0.0
        output.heading(rollout_heading(broken))
        features = plan_of(base)
        screen = output.screen(ViewBuilder(features.stage("express")))
        rollout = roll_out(aws, base, broken, options.seed, screen, features)
        output.rolled_out(rollout)
        facts = (
            ("Handler executions", f"{total:,}"),
            ("AWS calls", f"{len(aws.wire.calls):,}"),
            ("Virtual time", f"{aws.clock.monotonic() / 60:.0f} minutes"),
            ("Real time", f"{time.perf_counter() - began_s:.1f} s"),
        )
    return DemoResult(tuple(steps), tuple(releases), rollout, demo_report(steps, releases, rollout, facts))


def _releases(options: Options) -> tuple[Release, ...]:
    rate = options.error_rate
    third = f"Version 3 fails {rate * 100:g} % of its requests" if rate else "Version 3 without errors"
    return (
        Release(2, "Version 2 is healthy", failing=0.01),
        Release(3, third, failing=rate),
        Release(4, "Version 4 is slow: p95 is 3 s", failing=0.01, slow=0.14),
    )
