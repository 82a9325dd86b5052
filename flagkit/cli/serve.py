"""The commands that serve: console."""

from __future__ import annotations

import os
from typing import Annotated

from flagkit.cli.arguments import Context, Option
from flagkit.cli.context import cli_context, source_url
from flagkit.cli.output import say
from flagkit.errors import UsageError

Host = Annotated[str, Option("--host", metavar="ADDRESS", help="The address to listen on. Default: this machine only.")]
Port = Annotated[int, Option("--port", metavar="N", min=0, max=65_535, help="The port.")]


def console(
    context: Context,
    source: Annotated[
        list[str] | None,
        Option(
            "--source",
            "-s",
            metavar="SOURCE",
            help="Where the flags are; repeat for more environments. NAME=SOURCE names one. Default: $FLAGKIT_SOURCE, "
            "else flags.json.",
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8765,
) -> int:
    """Serve the web console.

    Shows the environments side by side. It listens on this machine only, and writes an address that signs in once;
    [console] in flagkit.toml says how others sign in (docs/console-administrators.md). Needs the extra `console`.

    Example: flagkit console -s appconfig://shop/staging/flags -s appconfig://shop/prod/flags
    """
    try:
        from flagkit.console import ConsoleSettings, configured, create_app, serving
    except ImportError as error:
        raise UsageError(
            f"the console needs {error.name}, which is not installed",
            hint="Install it with: pip install 'flagkit-canary[console]'",
        ) from None
    cli = cli_context(context)
    sources = tuple(source) if source else _default_sources()
    with serving.listen(host, port) as taken:
        base_url = serving.address_of(taken)
        settings = ConsoleSettings(sources, session=cli.session, clock=cli.clock, base_url=base_url)
        app = create_app(configured(settings))  # it writes the address to sign in at when it starts
        say(f"The console is on {base_url}/; Ctrl-C ends it.")
        serving.serve(app, taken)
    return 0


def _default_sources() -> tuple[str, ...]:
    named = os.environ.get("FLAGKIT_SOURCE", "").split()
    return tuple(named) if len(named) > 1 else (source_url(None),)
