"""The document from AWS's AppConfig Agent or Lambda extension on this machine (appconfig.md §6).

A Freeform document is only carried by the Agent and evaluated here. Of a FeatureFlags profile the Agent gives answers,
not rules; `flagkit.sources.remote` asks it for each user. It must not retry or wait.
"""

from __future__ import annotations

import os

from flagkit.errors import AccessDeniedError, SourceError, SourceNotFoundError, SourceUnavailableError
from flagkit.sources.base import Document, DocumentKind, content_version, is_whole, rules_are_hidden
from flagkit.sources.reply import Ask, Headers, Reply

FETCH_TIMEOUT_S = 4.0  # the Agent itself gives AWS 3 s
DEFAULT_PORT = 2772


class AgentSource:
    """A profile as the Agent on this machine serves it.

    Args:
        application: id or name.
        environment: id or name.
        profile: id or name.
        ask: how to ask; HTTP to localhost where None.
        port: the Agent's port; AWS_APPCONFIG_EXTENSION_HTTP_PORT, else 2772, where None.
        poll_interval_s: how often to look for a new document, and how long an answer for one user is kept. The Agent
            polls AWS every 45 s by itself.

    Since 0.1.
    """

    def __init__(
        self,
        application: str,
        environment: str,
        profile: str,
        *,
        ask: Ask | None = None,
        port: int | None = None,
        poll_interval_s: float = 15.0,
    ) -> None:
        self.names = f"{application}/{environment}/{profile}"
        self.url = f"agent://{self.names}"
        self.poll_interval_s = poll_interval_s
        application, environment, profile = map(_quoted, (application, environment, profile))
        self._path = f"/applications/{application}/environments/{environment}/configurations/{profile}"
        self._port = port
        self._given = ask
        self._ask = self._make_ask()
        self._version: str | None = None

    def fetch(self) -> Document | None:
        """The document, or None when it is the one delivered before."""
        reply = self.get((), FETCH_TIMEOUT_S)
        content = reply.body
        # The header's name is from memory in appconfig.md §6; without it the content identifies itself.
        version = reply.headers.get("configuration-version") or content_version(content)
        if version == self._version:
            return None
        self._version = version
        if is_whole(content):
            return Document(content, version)
        remote = None
        if rules_are_hidden(content):
            from flagkit.sources.remote import RemoteEvaluator

            remote = RemoteEvaluator(self.get, version, keep_s=self.poll_interval_s)
        return Document(content, version, None, DocumentKind.FEATURE_FLAGS, remote=remote)

    def get(self, headers: Headers, timeout_s: float) -> Reply:
        """One question to the Agent.

        Raises:
            SourceError: it can't be answered.
        """
        try:
            reply = self._ask(self._path, headers, timeout_s)
        except OSError as error:
            raise SourceUnavailableError(
                f"the AppConfig Agent doesn't answer: {error}",
                hint="Is the Agent or the Lambda extension running, and on this port? (agent://…?port=2772)",
            ) from error
        if reply.status == 200:
            return reply
        detail = reply.body[:200].decode(errors="replace").strip()
        message = f"the AppConfig Agent answered {reply.status} for {self.names}: {detail}"
        if reply.status in {401, 403}:
            raise AccessDeniedError(message, hint="Set ACCESS_TOKEN to the Agent's, or grant its role the data plane.")
        if reply.status == 404:
            raise SourceNotFoundError(message)
        if reply.status == 429 or reply.status >= 500:
            raise SourceUnavailableError(message)
        raise SourceError(message)

    def reset(self) -> None:
        """Forgets connections, for a forked child; the next fetch delivers the document."""
        self._version = None
        self._ask = self._make_ask()

    def close(self) -> None:
        """Closes the connection of the calling thread; those of other threads end with them."""
        close = getattr(self._ask, "close", None)
        if close is not None:
            close()

    def _make_ask(self) -> Ask:
        if self._given is not None:
            return self._given
        from flagkit.sources.local_http import LocalHttp

        port = self._port or int(os.environ.get("AWS_APPCONFIG_EXTENSION_HTTP_PORT") or DEFAULT_PORT)
        return LocalHttp("localhost", port, os.environ.get("ACCESS_TOKEN"))


def _quoted(name: str) -> str:
    if name.isascii() and name.replace("-", "").replace("_", "").isalnum():
        return name  # nearly every name; urllib would be 2 ms of a cold start
    from urllib.parse import quote

    return quote(name, safe="")
