"""A whole sandbox as `canary sandbox` runs it: scenario, server, Agent, plan, record, state. No terminal here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from canary.adapters.clock import SystemClock
from canary.sandbox import civicforge
from canary.sandbox.agent import AgentServer
from canary.sandbox.control import call_data
from canary.sandbox.errors import SandboxError
from canary.sandbox.scenario import CIVICFORGE, Scenario
from canary.sandbox.server import SandboxServer
from canary.sandbox.settings import SettingError
from canary.testing import AwsStandIn
from flagkit.testing import CallRecord, VirtualClock

__all__ = ["Options", "Running", "SandboxError", "run"]


@dataclass(frozen=True, slots=True)
class Options:
    """What `canary sandbox` was called with; see its help."""

    scenario: Scenario
    speed: float
    seed: int
    region: str
    host: str
    port: int
    agent_port: int
    is_agent_port_given: bool
    folder: Path
    keeps_state: bool
    record: Path | None


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that runs.

    Attributes:
        info: where it answers and what to export, as data.
    """

    server: SandboxServer
    info: dict[str, Any]


@contextmanager
def run(options: Options) -> Iterator[Running]:
    """Runs a sandbox while the block runs.

    Raises:
        SandboxError: a port is in use, or a file can't be read or written.
    """
    scenario = options.scenario
    with ExitStack() as stack:
        clock = VirtualClock(scenario.start or _now())
        aws = stack.enter_context(AwsStandIn(clock=clock, seed=options.seed, region=options.region))
        server = _listen(aws, options)
        stack.callback(server.close)
        try:
            scenario.build(aws, server.pace)
        except SettingError as error:
            raise SandboxError(
                f"the scenario: {error}", hint="`canary sandbox set help` lists the settings."
            ) from error
        if scenario.base == CIVICFORGE:
            server.doors["/health"] = server.doors["/api"] = ("api", civicforge.ALIAS)
        if options.record is not None:
            _record(aws, options.record, stack)
        agent = stack.enter_context(_agent(server, options))
        server.environ.update(_further(server, options))
        stack.enter_context(server)
        info = {
            "url": server.url,
            "agent_url": agent.url,
            "scenario": scenario.base,
            "speed": options.speed,
            "seed": options.seed,
            "state": str(options.folder) if options.keeps_state else None,
            "environ": server.environ,
        }
        server.control.info = info
        yield Running(server, info)


def _now() -> datetime:
    return SystemClock().now().astimezone(UTC)


def _listen(aws: AwsStandIn, options: Options) -> SandboxServer:
    try:
        return SandboxServer(aws, options.host, options.port, options.speed)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SandboxError(
            f"{options.host}:{options.port} can't be used: {reason}",
            hint="Give another --port, or --port 0 for any free one.",
        ) from error


def _agent(server: SandboxServer, options: Options) -> AgentServer:
    try:
        return AgentServer(server, options.host, options.agent_port)
    except (OSError, OverflowError) as error:
        if not options.is_agent_port_given:
            return AgentServer(server, options.host, 0)
        reason = getattr(error, "strerror", None) or str(error)
        raise SandboxError(
            f"{options.host}:{options.agent_port} can't be used: {reason}", hint="Give another --agent-port."
        ) from error


def _further(server: SandboxServer, options: Options) -> dict[str, str]:
    if options.scenario.base != CIVICFORGE:
        return {}
    plan = options.folder / "canary.toml"
    try:
        plan.write_text(civicforge.PLAN.format(journal=options.folder / "journal", url=server.url), "utf-8")
    except OSError as error:
        raise SandboxError(f"{plan}: {error.strerror}", hint="Name a directory that can be written.") from error
    return {"FLAGKIT_SOURCE": civicforge.SOURCE, "CANARY_PLAN": str(plan)}


def _record(aws: AwsStandIn, path: Path, stack: ExitStack) -> None:
    try:
        file: TextIO = stack.enter_context(path.open("a", encoding="utf-8"))
    except OSError as error:
        raise SandboxError(f"--record {path}: {error.strerror}", hint="Name a file that can be written.") from error

    def write(record: CallRecord) -> None:
        file.write(json.dumps(call_data(record)) + "\n")
        file.flush()

    aws.wire.watchers.append(write)
