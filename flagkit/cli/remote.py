"""The command that serves flags to browsers and apps: ofrep."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from flagkit.admin.typed import listed
from flagkit.cli import options
from flagkit.cli.arguments import Context, Option
from flagkit.cli.context import CliContext, cli_context, source_url
from flagkit.cli.output import say
from flagkit.cli.serve import Host
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.client import Flags
    from flagkit.ofrep import TokenSettings

_FILE_POLL_S = 0.2


def ofrep(  # noqa: PLR0913, PLR0917 - each is an option
    context: Context,
    source: options.Source = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, Option("--port", metavar="N", min=0, max=65_535, help="The port; 0 for any.")] = 8016,
    origin: Annotated[
        list[str] | None,
        Option("--origin", metavar="URL", help="A site whose pages may read the answers, https://shop.example."),
    ] = None,
    visible: Annotated[
        list[str] | None,
        Option("--visible", metavar="KEY", help="A flag that is visible without its mark, or several with commas."),
    ] = None,
    token_issuer: Annotated[
        str | None, Option("--token-issuer", metavar="URL", help="Accept tokens of users signed in there (OIDC).")
    ] = None,
    token_audience: Annotated[
        list[str] | None, Option("--token-audience", metavar="ID", help="The client id or audience of the tokens.")
    ] = None,
    rate: Annotated[
        int | None, Option("--rate", metavar="N", min=1, help="Requests per second that one address may make.")
    ] = None,
    trusted_proxies: Annotated[
        int, Option("--trusted-proxies", metavar="N", min=0, help="How many proxies of your own are in front.")
    ] = 0,
    streams: Annotated[bool, Option("--streams/--no-streams", help="Notify clients of changes.")] = True,
) -> int:
    """Serve flags to browsers and apps, in OpenFeature's OFREP.

    Only flags that are marked as client-visible are answered. $FLAGKIT_OFREP_KEYS has the API keys that callers must
    send, separated by commas; $FLAGKIT_OFREP_STREAM_SECRET signs the addresses of event streams. Needs the extra
    `ofrep`.

    Example: flagkit ofrep --origin https://shop.example
    """
    try:
        from flagkit.ofrep import OfrepSettings, create_app
        from flagkit.web.serving import listen, run, url_of
    except ImportError as error:
        raise UsageError(
            f"the OFREP server needs {error.name}, which is not installed",
            hint="Install it with: pip install 'flagkit-canary[ofrep]'",
        ) from None
    try:
        settings = OfrepSettings(
            origins=origin or (),
            api_keys=tuple(filter(None, os.environ.get("FLAGKIT_OFREP_KEYS", "").split(","))),
            tokens=_tokens(token_issuer, token_audience),
            visible=listed(visible),
            streams=streams,
            stream_secret=os.environ.get("FLAGKIT_OFREP_STREAM_SECRET") or None,
            rate_per_s=rate,
            burst=max(100, 4 * (rate or 0)),
            trusted_proxies=trusted_proxies,
        )
    except ValueError as error:
        hint = "Set $FLAGKIT_OFREP_STREAM_SECRET, or use --no-streams." if "stream_secret" in str(error) else None
        raise UsageError(str(error), hint=hint) from None
    url = source_url(source)
    with listen(host, port) as listening, _client(cli_context(context), url) as flags:
        app = create_app(flags, settings)
        count = len(app.visible)
        say(f"Serving {count} client-visible {'flag' if count == 1 else 'flags'} of {url} at {url_of(listening)}")
        if not count:
            say("Mark a flag with: flagkit describe KEY --client-visible")
        run(app, listening, stopping=app.close_streams)
    return 0


def _client(cli: CliContext, url: str) -> Flags:
    """The flags, polled; a file often, because that costs nothing and somebody is waiting for the change."""
    from flagkit.client import Flags
    from flagkit.sources.file import FileSource
    from flagkit.sources.urls import connect

    source = connect(url, session=cli.session)
    if isinstance(source, FileSource):
        source.poll_interval_s = _FILE_POLL_S
    return Flags(source, stale_after_s=max(15.0, 3 * source.poll_interval_s), refresh="background", clock=cli.clock)


def _tokens(issuer: str | None, audience: list[str] | None) -> TokenSettings | None:
    from flagkit.ofrep import TokenSettings

    if issuer is None:
        if audience:
            raise UsageError("--token-audience needs --token-issuer")
        return None
    return TokenSettings(issuer=issuer, audience=listed(audience))
