"""From an address such as `file:flags.json` or `appconfig://app/env/profile` to a source.

It builds; a source's client library is imported only when that source is built (decision 0004).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flagkit.errors import SourceUrlError
from flagkit.sources.base import Source

if TYPE_CHECKING:
    import boto3

FORMS = (
    "file:PATH",
    "appconfig://APPLICATION/ENVIRONMENT/PROFILE[?region=…&interval=45]",
    "agent://APPLICATION/ENVIRONMENT/PROFILE[?port=2772&interval=15]",
    "hosted://APPLICATION/PROFILE[@VERSION][?region=…]",
    "static:JSON",
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address in its parts. Since 0.1."""

    scheme: str
    rest: str
    options: dict[str, str] = field(default_factory=dict)

    def names(self, count: int) -> list[str]:
        """The slash-separated names, percent-decoded.

        Raises:
            SourceUrlError: there are more or fewer, or one is empty.
        """
        names = self.rest.removeprefix("//").strip("/").split("/")
        if "%" in self.rest:
            from urllib.parse import unquote  # 2 ms of a cold start, for the few who need it

            names = [unquote(name) for name in names]
        if len(names) != count or not all(names):
            raise _unreadable(f"{self.scheme}:{self.rest}", f"it needs {count} names separated by /")
        return names

    def seconds(self, name: str, default: float) -> float:
        """An option in seconds."""
        text = self.options.get(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= 86_400:
            raise _unreadable(f"{name}={text}", "an interval is a number of seconds above 0 and up to 86400")
        return value

    def port(self) -> int | None:
        """The option `port`."""
        text = self.options.get("port")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
            raise _unreadable(f"port={text}", "a port is a number from 1 to 65535")
        return int(text)


def parse(url: str) -> Address:
    """Takes an address apart.

    Raises:
        SourceUrlError: it isn't one.

    Since 0.1.
    """
    scheme, colon, rest = url.strip().partition(":")
    if not (colon and rest) and scheme != "static":
        raise _unreadable(url, "it has no scheme such as file: or appconfig:")
    if scheme in {"file", "static"}:  # paths and JSON may hold question marks
        return Address(scheme, rest)
    rest, _, query = rest.partition("?")
    if not query:
        return Address(scheme, rest)
    from urllib.parse import parse_qsl

    return Address(scheme, rest, dict(parse_qsl(query)))


def default_url() -> str:
    """The address that the environment names: FLAGKIT_SOURCE, else what AWS's Lambda extension prefetches first.

    Raises:
        SourceUrlError: it names none.

    Since 0.1.
    """
    url = os.environ.get("FLAGKIT_SOURCE", "")
    if url:
        return url
    # `app:env:profile` or `/applications/app/environments/env/configurations/profile` (appconfig.md §6).
    first = os.environ.get("AWS_APPCONFIG_EXTENSION_PREFETCH_LIST", "").split(",")[0].strip()
    names = first.strip("/").split("/")[1::2] if first.startswith("/") else first.split(":")
    if len(names) == 3 and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        return "agent://" + "/".join(names)
    raise SourceUrlError("no flag source was given", hint="Set FLAGKIT_SOURCE, or pass " + " or ".join(FORMS) + ".")


def connect(url: str, *, session: boto3.Session | None = None) -> Source:
    """The source behind an address; nothing is fetched yet.

    Args:
        url: one of the forms in `FORMS`.
        session: boto3 session for AWS sources; the usual chain of credentials and region where None.

    Raises:
        SourceUrlError: the address can't be read, or no region is known.

    Since 0.1.
    """
    address = parse(url)
    region = address.options.get("region")
    match address.scheme:
        case "file":
            from flagkit.sources.file import FileSource

            return FileSource(address.rest.removeprefix("//") if address.rest.startswith("//") else address.rest)
        case "appconfig":
            from flagkit.sources.appconfig import AppConfigSource

            application, environment, profile = address.names(3)
            interval_s = address.seconds("interval", 45.0)
            return AppConfigSource(
                application, environment, profile, session=session, region=region, poll_interval_s=interval_s
            )
        case "agent":
            from flagkit.sources.agent import AgentSource

            application, environment, profile = address.names(3)
            interval_s = address.seconds("interval", 15.0)
            return AgentSource(application, environment, profile, port=address.port(), poll_interval_s=interval_s)
        case "hosted":
            from flagkit.sources.hosted import HostedSource

            application, profile = address.names(2)
            profile, _, version = profile.partition("@")
            return HostedSource(application, profile, version=version or None, session=session, region=region)
        case "static":
            from flagkit.sources.static import StaticSource

            return StaticSource(address.rest or {})
    raise _unreadable(url, f"{address.scheme}: is no kind of source")


def _unreadable(url: str, why: str) -> SourceUrlError:
    return SourceUrlError(f"the source address {url!r} can't be read: {why}", hint="Use " + " or ".join(FORMS) + ".")
