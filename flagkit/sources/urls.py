"""From a source URL such as `file:flags.json` or `appconfig://app/env/profile` to a source.

A source's client library is imported only when that source is created (decision 0004).
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
class SourceUrl:
    """A source URL in its parts."""

    scheme: str
    rest: str
    options: dict[str, str] = field(default_factory=dict)

    def names(self, count: int) -> list[str]:
        """Return the slash-separated names, percent-decoded.

        Raises:
            SourceUrlError: there are more or fewer, or one is empty.
        """
        names = self.rest.removeprefix("//").strip("/").split("/")
        if "%" in self.rest:
            from urllib.parse import unquote  # 2 ms of a cold start, rarely needed

            names = [unquote(name) for name in names]
        if len(names) != count or not all(names):
            raise _invalid(f"{self.scheme}:{self.rest}", f"it needs {count} names separated by /")
        return names

    def seconds(self, name: str, default: float) -> float:
        """Return an option in seconds."""
        text = self.options.get(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= 86_400:
            raise _invalid(f"{name}={text}", "an interval is a number of seconds above 0 and up to 86400")
        return value

    def port(self) -> int | None:
        """Return the option `port`."""
        text = self.options.get("port")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
            raise _invalid(f"port={text}", "a port is a number from 1 to 65535")
        return int(text)


def parse(url: str) -> SourceUrl:
    """Parse a source URL; a text without a scheme is the path of a file.

    Raises:
        SourceUrlError: it is not valid.
    """
    scheme, colon, rest = url.strip().partition(":")
    if scheme and (not colon or len(scheme) == 1):  # a path; C: is a drive of Windows
        return SourceUrl("file", url.strip())
    if not rest and scheme != "static":
        raise _invalid(url, "it is empty" if not scheme else f"nothing follows {scheme}:")
    if scheme in {"file", "static"}:  # paths and JSON can contain question marks
        return SourceUrl(scheme, rest)
    rest, _, query = rest.partition("?")
    if not query:
        return SourceUrl(scheme, rest)
    from urllib.parse import parse_qsl

    return SourceUrl(scheme, rest, dict(parse_qsl(query)))


def default_url() -> str:
    """Return the URL from the environment: FLAGKIT_SOURCE, else what AWS's Lambda extension prefetches first.

    Raises:
        SourceUrlError: the environment has none.
    """
    url = os.environ.get("FLAGKIT_SOURCE", "")
    if url:
        return url
    # `app:env:profile` or `/applications/app/environments/env/configurations/profile` (appconfig.md §6).
    first = os.environ.get("AWS_APPCONFIG_EXTENSION_PREFETCH_LIST", "").split(",")[0].strip()
    names = first.strip("/").split("/")[1::2] if first.startswith("/") else first.split(":")
    if len(names) == 3 and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        return "agent://" + "/".join(names)
    raise SourceUrlError("no flag source is configured", hint="Set FLAGKIT_SOURCE, or pass " + " or ".join(FORMS) + ".")


def connect(url: str, *, session: boto3.Session | None = None) -> Source:
    """Create the source of a URL; nothing is fetched yet.

    Args:
        url: one of the forms in `FORMS`.
        session: boto3 session for AWS sources; the default credentials and region if None.

    Raises:
        SourceUrlError: the URL is not valid, or no region is known.
    """
    source = parse(url)
    region = source.options.get("region")
    match source.scheme:
        case "file":
            from flagkit.sources.file import FileSource

            return FileSource(source.rest.removeprefix("//") if source.rest.startswith("//") else source.rest)
        case "appconfig":
            from flagkit.sources.appconfig import AppConfigSource

            application, environment, profile = source.names(3)
            interval_s = source.seconds("interval", 45.0)
            return AppConfigSource(
                application, environment, profile, session=session, region=region, poll_interval_s=interval_s
            )
        case "agent":
            from flagkit.sources.agent import AgentSource

            application, environment, profile = source.names(3)
            interval_s = source.seconds("interval", 15.0)
            return AgentSource(application, environment, profile, port=source.port(), poll_interval_s=interval_s)
        case "hosted":
            from flagkit.sources.appconfig import HostedSource

            application, profile = source.names(2)
            profile, _, version = profile.partition("@")
            return HostedSource(application, profile, version=version or None, session=session, region=region)
        case "static":
            from flagkit.sources.static import StaticSource

            return StaticSource(source.rest or {})
    raise _invalid(url, f"unknown scheme {source.scheme!r}")


def _invalid(url: str, why: str) -> SourceUrlError:
    return SourceUrlError(f"invalid source URL {url!r}: {why}", hint="Use " + " or ".join(FORMS) + ".")
