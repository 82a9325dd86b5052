"""Who may use a sandbox: programs, and its own page. It answers nothing.

A browser sends what a page of another site tells it to, also to this machine, and AWS's API creates functions and runs
them: without this check any page that somebody looks at could run code here.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from canary.sandbox.http import Request
from canary.sandbox.routing import Refused

_OWN: Final = frozenset({"", "none", "same-origin"})


class Callers:
    """Refuses what a browser sends for a page of another site.

    Args:
        host: where the server listens. On an address of this machine only, it has no other name: a name that a
            stranger's DNS leads here (DNS rebinding) is refused.
        port: its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._port = port
        self._is_local = _is_local(host)

    def check(self, request: Request) -> None:
        """Lets a request pass.

        Raises:
            Refused: a page of another site sent it, or it was sent to another host.
        """
        headers = request.headers
        origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
        is_followed_link = request.method == "GET" and request.target == "/"
        host = headers.get("host", "")
        if (origin and not self._is_own(origin, host)) or (site not in _OWN and not is_followed_link):
            raise Refused("forbidden", "pages of other sites can't use the sandbox", 403)
        if host and self._is_local and not _is_local(_name(f"http://{host}")):
            raise Refused("forbidden", f"the sandbox is not {host[:100]}: use its address, or localhost", 403)

    def _is_own(self, origin: str, host: str) -> bool:
        if not self._is_local:
            return origin == f"http://{host}"
        return origin.startswith("http://") and origin.endswith(f":{self._port}") and _is_local(_name(origin))


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".internal"))  # host.docker.internal
