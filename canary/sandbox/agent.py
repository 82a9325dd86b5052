"""The AppConfig Agent's local API in front of a sandbox, for programs in any language: flagkit evaluates the rules."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote

from canary.sandbox.callers import Callers
from canary.sandbox.http import HttpServer, Reply, Request, json_reply
from canary.sandbox.routing import Refused
from flagkit.core.snapshot import Snapshot
from flagkit.errors import FlagkitError
from flagkit.testing.agent import agent_answers

if TYPE_CHECKING:
    from canary.sandbox.server import SandboxServer


class AgentServer(AbstractContextManager["AgentServer"]):
    """`/applications/{app}/environments/{env}/configurations/{profile}?flag=…`, with `Context` headers.

    A profile of AWS's type for flags is evaluated; any other is delivered as it is (appconfig.md §3).

    Args:
        server: the sandbox.
        host: where to listen.
        port: 0 for any free one.
    """

    def __init__(self, server: SandboxServer, host: str, port: int) -> None:
        self._server = server
        self._http = HttpServer(host, port, self._answer, server.date)
        self._callers = Callers(host, self._http.server_address[1])
        self._snapshots: dict[bytes, Snapshot] = {}

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self._http.netloc}"

    def __enter__(self) -> Self:
        self._http.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._http.stop()

    def _answer(self, request: Request) -> Reply:
        try:
            self._callers.check(request)
        except Refused as refused:
            return _problem(refused.status, refused.code, refused.message)
        if request.path == "/ping":
            return json_reply({"version": "canary-sandbox"})
        if request.method != "GET":
            return _problem(405, "BadRequestException", f"{request.method} is not supported")
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        if len(parts) != 6 or parts[::2] != ["applications", "environments", "configurations"]:
            return _problem(404, "ResourceNotFoundException", f"no such path: {request.path}")
        aws = self._server.aws
        with self._server.lock:
            found = aws.appconfig.configuration(aws.region, *parts[1::2])
        if found is None:
            return _problem(404, "ResourceNotFoundException", f"no live configuration: {'/'.join(parts[1::2])}")
        is_flags, version = found
        headers = {"Configuration-Version": str(version.number), "Content-Type": version.content_type}
        if version.label:
            headers["Version-Label"] = version.label
        if not is_flags:
            return Reply(200, version.content, headers)
        return self._evaluated(request, version.content, headers)

    def _evaluated(self, request: Request, content: bytes, headers: dict[str, str]) -> Reply:
        try:
            answers = agent_answers(self._snapshot(content), _context(request))
        except (FlagkitError, ValueError) as error:
            return _problem(400, "BadRequestException", str(error))
        wanted = parse_qs(request.query).get("flag", [])
        for key in wanted:
            if key not in answers:
                return _problem(400, "BadRequestException", f"there is no flag {key}")
        if len(wanted) == 1:
            document: Any = answers[wanted[0]]
        else:
            document = {key: answers[key] for key in wanted} if wanted else answers
        return Reply(200, json.dumps(document).encode(), {**headers, "Content-Type": "application/json"})

    def _snapshot(self, content: bytes) -> Snapshot:
        found = self._snapshots.get(content)
        if found is None:
            self._snapshots.clear()  # the live version only
            found = self._snapshots[content] = Snapshot.from_json(content)
        return found


def _context(request: Request) -> dict[str, object]:
    pairs = (value.partition("=") for name, value in request.fields if name == "context")
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}


def _problem(status: int, code: str, message: str) -> Reply:
    return json_reply({"Code": code, "Message": message}, status)
