"""`canary demo`: the shipped code driving the stand-in; nothing here is scripted.

A flag goes off, 25 %, one named user, on. Version 2 is released and promoted. Version 3 fails, version 4 is slow, and
both come back by themselves, unless the options say otherwise: change the fault rate and the outcome changes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from canary.cli.screens import Screen
from canary.core.plan import Plan
from canary.demo.chapters import demo_report
from canary.demo.flags_story import ALIAS, FUNCTION, SOURCE, FlagDesk, FlagStep, document, flag_steps
from canary.demo.handlers import FLAG, backend
from canary.demo.releases import CALL_S, PLAN, Release, Released, play, start_traffic
from canary.view.build import Story
from canary.view.model import Report

__all__ = ["Audience", "Options", "Told", "run_demo"]

HISTORY_MIN = 12
"""Minutes of the old version's traffic before the first release."""


@dataclass(frozen=True, slots=True)
class Options:
    """What can be changed about the demo; shares are ratios, 0 to 1. Since 0.1."""

    error_rate: float = 0.12
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Told:
    """Everything the demo showed. Since 0.1."""

    steps: tuple[FlagStep, ...]
    releases: tuple[Released, ...]
    report: Report


@dataclass(frozen=True, slots=True)
class Audience:
    """Who listens: headings, lines, and one screen per canary. Since 0.1."""

    heading: Callable[[str], object]
    say: Callable[[str], object]
    step: Callable[[FlagStep], object]
    screen: Callable[[Story], Screen]
    released: Callable[[Released], object]


def run_demo(options: Options, audience: Audience) -> Told:
    """Tells the whole story. Since 0.1."""
    from canary.testing import AwsStandIn
    from flagkit.testing import Fault

    began_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="canary-demo-") as folder, AwsStandIn(seed=options.seed) as aws:
        base = Path(folder)
        desk = FlagDesk(aws)
        desk.deploy(document({"name": "off", "enabled": False}))
        aws.lambda_.deploy(
            FUNCTION, backend(1, failing=0.01), alias=ALIAS, variables={"FLAGKIT_SOURCE": SOURCE}, Timeout=10
        )
        audience.heading(f"A flag changes what users see: {FLAG}")
        audience.say("AppConfig application civicforge, environment staging; the backend asks flags.is_enabled(...)")
        steps = []
        for step in flag_steps(aws, desk):
            steps.append(step)
            audience.step(step)

        plan = Plan.parse(PLAN.format(journal=base / "journal"))
        traffic = start_traffic(aws)
        aws.clock.advance(HISTORY_MIN * 60)
        aws.faults.add(Fault.SLOW, "lambda.*Alias", delay_s=CALL_S)
        releases = []
        for release in _releases(options):
            audience.heading(release.heading)
            source = backend(release.number, failing=release.failing, slow=release.slow)
            aws.lambda_.deploy(FUNCTION, source)
            released = play(aws, release, plan, base, traffic, audience.screen(Story(plan.stage("staging"))))
            releases.append(released)
            audience.released(released)
            # Quiet minutes in between, so that one release's last minutes aren't the next one's first.
            aws.clock.advance(5 * 60)
        total = traffic.stop().requests + sum(step.asked for step in steps)
        facts = (
            ("Handler executions", f"{total:,}"),
            ("AWS calls", f"{len(aws.wire.calls):,}"),
            ("Virtual time", f"{aws.clock.monotonic() / 60:.0f} minutes"),
            ("Real time", f"{time.perf_counter() - began_s:.1f} s"),
        )
    return Told(tuple(steps), tuple(releases), demo_report(steps, releases, facts))


def _releases(options: Options) -> tuple[Release, ...]:
    rate = options.error_rate
    third = f"Version 3 fails {rate * 100:g} % of its requests" if rate else "Version 3, without its fault"
    return (
        Release(2, "Version 2 is healthy", failing=0.01),
        Release(3, third, failing=rate),
        Release(4, "Version 4 is correct but slow: p95 is 3 s", failing=0.01, slow=0.14),
    )
