"""AppConfig's data plane and its Agent as one HTTP server on this machine, in a process of its own; for benchmarks.

python -m benchmarks.stand_in < documents.json      prints its port, ends when its input closes

It serves each profile's document and nothing else: no evaluation, no sessions worth the name.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    documents: ClassVar[dict[str, str]] = {}

    def do_POST(self) -> None:
        """StartConfigurationSession: the token is the profile's name."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        profile = asked["ConfigurationProfileIdentifier"]
        self._answer(201, json.dumps({"InitialConfigurationToken": profile}))

    def do_GET(self) -> None:
        """GetLatestConfiguration, or the Agent's path: `/applications/A/environments/E/configurations/PROFILE`."""
        parts = urlsplit(self.path)
        token = parse_qs(parts.query).get("configuration_token", [""])[0]
        profile = token or parts.path.rsplit("/", 1)[-1]
        headers = {
            "Next-Poll-Configuration-Token": profile,
            "Next-Poll-Interval-In-Seconds": "60",
            "Configuration-Version": "1",
        }
        self._answer(200, self.documents[profile], headers)

    def _answer(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served(documents: dict[str, str]) -> Iterator[int]:
    """The server in its own process, on a free port, for the length of a block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stand_in"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        process.stdin.write(json.dumps(documents) + "\n")
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()


def main() -> None:
    Handler.documents = json.loads(sys.stdin.readline())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
