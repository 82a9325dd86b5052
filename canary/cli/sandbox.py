"""`canary sandbox`: starts a local AWS, and changes or shows one that runs. The work is done in `canary.sandbox`."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is a word of the command line

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import click

from canary.cli.json_lines import write_json
from canary.cli.options import AsJson
from canary.errors import UnavailableError, UsageError
from flagkit.cli.arguments import Argument, Option
from flagkit.cli.shell import Command, Group

if TYPE_CHECKING:
    from canary.sandbox.scenario import Scenario

DEFAULT_PORT: Final = 4566
_AGENT_PORT: Final = 2772
_GROUPS: Final = (
    ("AWS_ENDPOINT_URL", "SANDBOX_CLOCK_URL"),
    ("AWS_REGION", "AWS_DEFAULT_REGION"),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("FLAGKIT_SOURCE", "CANARY_PLAN"),
)

Url = Annotated[
    str | None, Option("--url", metavar="URL", help="The sandbox, instead of $AWS_ENDPOINT_URL and the default port.")
]


def start(
    scenario: Annotated[
        str, Option("--scenario", metavar="NAME|FILE", help="civicforge, empty, or a TOML file.")
    ] = "civicforge",
    speed: Annotated[
        float | None, Option("--speed", metavar="N", help="Seconds of the sandbox in a second; 1 is the real clock.")
    ] = None,
    port: Annotated[
        int, Option("--port", metavar="N", min=0, max=65535, help="Port; 0 for any free one.")
    ] = DEFAULT_PORT,
    host: Annotated[str, Option("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    seed: Annotated[
        int | None, Option("--seed", metavar="N", help="Random seed; equal seeds give equal results.")
    ] = None,
    region: Annotated[str, Option("--region", metavar="REGION", help="Region of the functions.")] = "us-east-1",
    state: Annotated[
        Path | None, Option("--state", metavar="DIR", help="Keep everything here between runs; otherwise in memory.")
    ] = None,
    record: Annotated[
        Path | None, Option("--record", metavar="FILE", help="Append every call to this file, as JSON lines.")
    ] = None,
    agent_port: Annotated[
        int | None,
        Option("--agent-port", metavar="N", min=0, max=65535, help="Port of the AppConfig Agent's local API."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Start a local AWS with functions, flags, alarms and synthetic traffic.

    Prints the variables that send SDKs and commands to it. Ctrl-C ends it.
    """
    sandbox = _import()
    found = _scenario(scenario)
    chosen_speed = next(value for value in (speed, found.speed, 60.0) if value is not None)
    if not 0 <= chosen_speed <= 100_000:
        raise UsageError(f"--speed {chosen_speed:g} is out of range", hint="Give a number from 0 to 100000.")
    try:
        with ExitStack() as stack:
            folder = _folder(state, stack)
            options = sandbox.Options(
                scenario=found,
                speed=chosen_speed,
                seed=next(value for value in (seed, found.seed, 0) if value is not None),
                region=region,
                host=host,
                port=port,
                agent_port=_AGENT_PORT if agent_port is None else agent_port,
                is_agent_port_given=agent_port is not None,
                folder=folder,
                keeps_state=state is not None,
                record=record,
            )
            running = stack.enter_context(sandbox.run(options))
            _announce(running.info, as_json=as_json)
            wait_for_signal()
    except sandbox.SandboxError as error:
        raise UsageError(str(error), hint=error.hint) from error
    return 0


def env(url: Url = None, as_json: AsJson = False) -> int:
    """Print the variables that send this shell to a running sandbox: `eval "$(canary sandbox env)"`."""
    found = _ask(url, "GET", "/_sandbox/env")
    if as_json:
        write_json(found)
    else:
        click.echo("\n".join(_exports(found["environ"])))
    return 0


def set_(
    words: Annotated[
        list[str],
        Argument(metavar="WHAT", help="For example: api:4 errors=12% for=5m, or speed 60, or fault throttled."),
    ],
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Change a running sandbox: failures and delays of a version, traffic, time, faults, a foreign writer.

    `canary sandbox set help` lists what can be set.
    """
    if words == ["help"]:
        click.echo(_fetch(url, "GET", "/_sandbox/set").decode().rstrip())
        return 0
    answer = _ask(url, "POST", "/_sandbox/set", {"set": [" ".join(words)]})
    for line in answer["done"]:
        write_json({"done": line}) if as_json else click.echo(line)
    return 0


def step(
    duration: Annotated[str, Argument(metavar="DURATION", help="How far, for example 10m.")],
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Move the clock of a running sandbox further."""
    return set_(["step", duration], url, as_json)


def calls(
    url: Url = None,
    limit: Annotated[int, Option("--limit", metavar="N", min=1, max=100_000, help="How many of the last calls.")] = 20,
    as_json: AsJson = False,
) -> int:
    """Show the last AWS calls that a running sandbox answered."""
    for call in _ask(url, "GET", f"/_sandbox/calls?limit={limit}")["calls"]:
        if as_json:
            write_json(call)
        else:
            click.echo(f"{call['at'][:19].replace('T', ' ')}  {call['call']:<40} {call['outcome']}")
    return 0


SANDBOX = Group(
    start,
    (
        Command("env", "canary.cli.sandbox:env", "Print the variables that send this shell to a running sandbox."),
        Command("set", "canary.cli.sandbox:set_", "Change a running sandbox."),
        Command("step", "canary.cli.sandbox:step", "Move the clock of a running sandbox further."),
        Command("calls", "canary.cli.sandbox:calls", "Show the last AWS calls of a running sandbox."),
    ),
)


def _import() -> Any:
    try:
        from canary.sandbox import program
    except ModuleNotFoundError as error:
        raise UsageError(f"the sandbox needs {error.name}", hint="pip install 'flagkit-canary[sandbox]'") from error
    return program


def _scenario(word: str) -> Scenario:
    from canary.sandbox.scenario import ScenarioError, read_scenario

    try:
        return read_scenario(word)
    except ScenarioError as error:
        raise UsageError(str(error), hint="Correct --scenario.") from error


def _folder(state: Path | None, stack: ExitStack) -> Path:
    if state is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="canary-sandbox-")))
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--state {state}: {error.strerror}", hint="Name a directory that can be written.") from error
    return state.resolve()


def _announce(info: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json({"event": "started", **info})
        return
    kept = f"state in {info['state']}" if info["state"] else "in memory"
    click.echo(f"Sandbox on {info['url']} ({info['scenario']}, speed {info['speed']:g}, {kept}). Ctrl-C ends it.")
    click.echo(f"AppConfig Agent's local API on {info['agent_url']}\n")
    click.echo('In another shell: eval "$(canary sandbox env)", or:\n')
    click.echo("\n".join(_exports(info["environ"])))
    sys.stdout.flush()


def _exports(environ: dict[str, str]) -> Iterator[str]:
    for names in _GROUPS:
        pairs = [f"{name}={shlex.quote(environ[name])}" for name in names if name in environ]
        if pairs:
            yield f"export {' '.join(pairs)}"


def wait_for_signal() -> None:
    """Waits until somebody ends the program."""
    from canary.cli.signals import StopFlag  # the plan comes with it, which the other commands don't need

    ended = StopFlag()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ended.set()

    with signals(end, "SIGINT", "SIGTERM", "SIGHUP"):
        ended.wait()


@contextmanager
def signals(handler: Any, *names: str) -> Iterator[None]:
    """Handles these signals while the block runs, as far as this system has them."""
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, earlier in before:
            signal.signal(number, earlier)


def _ask(url: str | None, method: str, path: str, document: Any = None) -> Any:
    body = _fetch(url, method, path, document)
    try:
        return json.loads(body)
    except ValueError as error:
        raise UnavailableError(f"{_base(url)}{path} is no sandbox", hint="Give --url.") from error


def _fetch(url: str | None, method: str, path: str, document: Any = None) -> bytes:
    base = _base(url)
    body = None if document is None else json.dumps(document).encode()
    if not base.startswith(("http://", "https://")):
        raise UsageError(f"{base} is not a URL", hint=f"For example --url http://127.0.0.1:{DEFAULT_PORT}.")
    request = urllib.request.Request(base + path, data=body, method=method)  # noqa: S310 - http only, checked above
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            found: bytes = answer.read()
    except urllib.error.HTTPError as error:
        raise UsageError(
            _message(error.read(65536)) or str(error), hint="`canary sandbox set help` lists the settings."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UnavailableError(f"no sandbox answers on {base} ({reason})", hint="Start one: canary sandbox") from error
    return found


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _base(url: str | None) -> str:
    return (url or os.environ.get("AWS_ENDPOINT_URL") or f"http://127.0.0.1:{DEFAULT_PORT}").rstrip("/")


__all__: Sequence[str] = ["SANDBOX"]
