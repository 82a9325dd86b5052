"""A whole sandbox as `canary sandbox` runs it: scenario, server, Agent, plan, record, state. No terminal here."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from canary.adapters.clock import SystemClock
from canary.sandbox import civicforge
from canary.sandbox.agent import AgentServer
from canary.sandbox.control import call_data
from canary.sandbox.errors import SandboxError
from canary.sandbox.scenario import CIVICFORGE, Scenario
from canary.sandbox.server import SandboxServer
from canary.sandbox.settings import SettingError
from canary.sandbox.state import FILE, StateFile, load, read_head
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
    path = options.folder / FILE
    with ExitStack() as stack:
        head = None
        if options.keeps_state:
            stack.enter_context(_alone(options.folder))
            head = read_head(path)
        if head is not None:
            scenario = replace(scenario, base=head.scenario)
        clock = VirtualClock(scenario.start or _now())
        seed, region = (options.seed, options.region) if head is None else (head.seed, head.region)
        aws = stack.enter_context(AwsStandIn(clock=clock, seed=seed, region=region))
        server = _listen(aws, options)
        stack.callback(server.close)
        state_file = StateFile(path, aws, scenario.base)
        if head is None:
            _build(scenario, server)
        else:
            state_file.moto_calls = load(path, aws, server.pace, server.repeat)
            _catch_up(server, options.speed)
        if scenario.base == CIVICFORGE:
            server.doors["/health"] = server.doors["/api"] = ("api", civicforge.ALIAS)
        if options.record is not None:
            stack.enter_context(_recording(aws, options.record))
        agent = stack.enter_context(_agent(server, options))
        server.environ.update(_further(server, options, scenario.base))
        stack.enter_context(server)
        if options.keeps_state:
            server.on_moto_call = state_file.remember
            stack.enter_context(_keeping(state_file))
        info = {
            "url": server.url,
            "agent_url": agent.url,
            "scenario": scenario.base,
            "speed": options.speed,
            "seed": seed,
            "state": str(options.folder) if options.keeps_state else None,
            "environ": server.environ,
        }
        server.control.info = info
        yield Running(server, info)


def _build(scenario: Scenario, server: SandboxServer) -> None:
    try:
        scenario.build(server.aws, server.pace)
    except SettingError as error:
        raise SandboxError(f"the scenario: {error}", hint="`canary sandbox set help` lists the settings.") from error


def _catch_up(server: SandboxServer, speed: float) -> None:
    """At the speed of the real clock the time of the pause has passed, without traffic."""
    if speed != 1 or (now := _now()) <= server.aws.clock.now():
        return
    rates = [(stream, stream.requests_per_minute) for stream in server.aws.traffic.streams]
    for stream, _ in rates:
        stream.requests_per_minute = 0
    server.aws.clock.advance_to(now)
    for stream, rate in rates:
        stream.requests_per_minute = rate


@contextmanager
def _keeping(state_file: StateFile) -> Iterator[None]:
    """Saves at once, so that a directory that can't be written is known; from time to time; and at the end."""
    try:
        state_file.save()
    except OSError as error:
        raise SandboxError(
            f"{state_file.path}: {error.strerror}", hint="Name a directory that can be written."
        ) from error
    ended = threading.Event()
    thread = threading.Thread(
        target=state_file.run, args=(ended.wait, time.monotonic), name="sandbox-state", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        try:
            state_file.save()
        except OSError as error:
            raise SandboxError(
                f"the state was not saved at the end: {state_file.path}: {error.strerror}", hint=_OLDER
            ) from error


_OLDER: Final = "The file, if there is one, holds what was saved before."


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the directory for one sandbox; the system ends the hold of a process that was killed."""
    with (folder / "lock").open("a") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # pragma: no cover - Windows
            pass
        except OSError as error:
            raise SandboxError(
                f"{folder} is in use by another sandbox", hint="Use another --state directory."
            ) from error
        yield


def _now() -> datetime:
    return SystemClock().now().astimezone(UTC)


def _listen(aws: AwsStandIn, options: Options) -> SandboxServer:
    if not options.host:  # it would mean every address of the machine
        raise SandboxError("--host is empty", hint="Give an address, or 0.0.0.0 for all of this machine.")
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


def _further(server: SandboxServer, options: Options, base: str) -> dict[str, str]:
    if base != CIVICFORGE:
        return {}
    plan = options.folder / "canary.toml"
    try:
        plan.write_text(civicforge.PLAN.format(journal=options.folder / "journal", url=server.url), "utf-8")
    except OSError as error:
        raise SandboxError(f"{plan}: {error.strerror}", hint="Name a directory that can be written.") from error
    return {"FLAGKIT_SOURCE": civicforge.SOURCE, "CANARY_PLAN": str(plan)}


@contextmanager
def _recording(aws: AwsStandIn, path: Path) -> Iterator[None]:
    """Appends each call to a file; a call that can't be written is answered all the same, and counted."""
    missing: list[str] = []
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise SandboxError(f"--record {path}: {error.strerror}", hint="Name a file that can be written.") from error

    def write(record: CallRecord) -> None:
        try:
            file.write(json.dumps(call_data(record)).encode() + b"\n")
        except OSError as error:
            missing.append(error.strerror or str(error))
            if len(missing) == 1 and sys.__stderr__ is not None:
                print(f"sandbox: --record {path}: {missing[0]}", file=sys.__stderr__, flush=True)

    aws.wire.watchers.append(write)
    with file:
        yield
    if missing:
        raise SandboxError(
            f"--record {path}: {missing[0]}; calls not written: {len(missing)}", hint="Make room for it."
        )
