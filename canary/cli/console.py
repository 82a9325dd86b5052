"""`canary console`: serves flagkit's console with the releases panel, on AWS or on a sandbox that it starts."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is a word of the command line

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import click

from canary.cli.options import DEFAULT_PLAN, PlanPath, Profile, Region
from canary.cli.session import cli_context
from canary.errors import UsageError
from flagkit.cli.arguments import Context, Option

if TYPE_CHECKING:
    from canary.console.actions import Orders

SANDBOX_PORT: Final = 4566
WARM_UP: Final = "step 10m"
"""A release asks for the traffic before it."""

Sources = Annotated[
    list[str] | None,
    Option(
        "--source",
        "-s",
        metavar="SOURCE",
        help="Where the flags are; repeat for more environments. Default: $FLAGKIT_SOURCE, else flags.json.",
    ),
]


def console(
    context: Context,
    source: Sources = None,
    plan: PlanPath = DEFAULT_PLAN,
    host: Annotated[
        str, Option("--host", metavar="ADDRESS", help="The address to listen on. Default: this machine only.")
    ] = "127.0.0.1",
    port: Annotated[
        int, Option("--port", metavar="N", min=0, max=65_535, help="The port; 0 takes any free one.")
    ] = 8765,
    sandbox: Annotated[
        bool,
        Option("--sandbox", help="Start a local AWS with flags, functions and traffic, and release in it on and on."),
    ] = False,
    speed: Annotated[
        float, Option("--speed", metavar="N", help="Seconds of the sandbox in a second, with --sandbox.")
    ] = 10.0,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Serve the web console: flags and releases in a browser.

    Needs the extra `console`; with --sandbox also `sandbox`. Ctrl-C ends it.
    """
    try:
        from canary.console import ReleasesSettings
        from canary.console.pages import Releases
        from canary.console.stages import Stages
        from flagkit.console import ConsoleSettings, configured, create_app
        from flagkit.console.serving import address_of, listen, serving
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the console needs {error.name}, which is not installed",
            hint="Install it with: pip install 'flagkit-canary[console]'",
        ) from None
    from canary.cli.sandbox import signals, wait_for_signal

    base = cli_context(context).base
    with _as_own_errors(), ExitStack() as stack:
        try:
            stack.enter_context(signals(signal.default_int_handler, "SIGTERM", "SIGHUP"))  # until it serves
            taken = stack.enter_context(listen(host, port))
            if sandbox:
                environ = stack.enter_context(_sandbox(speed))
                os.environ.update(environ)
                plan, source = Path(environ["CANARY_PLAN"]), source or _environments()
                stack.enter_context(_releases(plan))
            elif plan == DEFAULT_PLAN:
                plan = Path(os.environ.get("CANARY_PLAN") or plan)
            settings = ReleasesSettings(base / plan, base=base, region=region, profile=profile)
            releases = Releases(Stages(settings))
            sources = tuple(source or os.environ.get("FLAGKIT_SOURCE", "flags.json").split())
            flags = configured(ConsoleSettings(sources, base_url=address_of(taken)))
            app = create_app(flags, panels=[releases.panel()])
            click.echo(f"The console is on {address_of(taken)}/, releases are on {address_of(taken)}/releases/.")
            click.echo("Ctrl-C ends it.")
            sys.stdout.flush()
            stack.enter_context(serving(app, taken))  # it writes the address that signs in
            wait_for_signal()
            _finish(releases.orders)
        finally:
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # what was started is ended in any case
                with suppress(AttributeError, ValueError):
                    signal.signal(getattr(signal, name), signal.SIG_IGN)
    return 0


@contextmanager
def _as_own_errors() -> Iterator[None]:
    from flagkit.errors import FlagkitError

    try:
        yield
    except FlagkitError as error:
        raise UsageError(error.message, hint=error.hint) from error


def _finish(orders: Orders) -> None:
    """Waits for what people asked for: half a rollback is none. A second Ctrl-C ends the wait."""
    for order in orders.under_way():
        click.echo(f"Waiting: {order.text}", err=True)
        order.ended.wait()


def _environments() -> list[str]:
    from canary.sandbox import civicforge

    return [f"appconfig://{civicforge.APPLICATION}/{name}/{civicforge.PROFILE}" for name in civicforge.ENVIRONMENTS]


@contextmanager
def _sandbox(speed: float) -> Iterator[Mapping[str, str]]:
    """A sandbox in a process of its own, while the block runs; its variables."""
    command = [sys.executable, "-m", "canary", "sandbox", "--json", "--speed", f"{speed:g}"]
    info = None
    for number in (SANDBOX_PORT, 0):
        # A session of its own: Ctrl-C reaches this process only, which ends the sandbox last.
        process = subprocess.Popen(  # noqa: S603 - this very program
            [*command, "--port", str(number)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        info = _started(process)
        if info is not None:
            break
    if info is None:
        raise UsageError("the sandbox did not start", hint="`canary sandbox` says why.")
    try:
        from canary.cli.sandbox import set_

        set_([*WARM_UP.split()], info["url"])
        click.echo(f"Sandbox on {info['url']}, {info['speed']:g} times as fast as the clock.")
        click.echo('In another shell: eval "$(canary sandbox env --url ' + info["url"] + ')", then any command.')
        yield info["environ"]
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _started(process: subprocess.Popen[str]) -> dict[str, Any] | None:
    """What the sandbox says about itself; None where it ended instead."""
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        process.wait()
        return None
    if "url" not in found:
        process.wait()
        return None
    return found


@contextmanager
def _releases(plan: Path) -> Iterator[None]:
    from canary.demo.rounds import releasing

    with releasing(plan):
        yield
