"""A receiver of flag changes that checks their signatures, and a change that it is notified of.

A flagkit.toml beside the flags names the receiver; the secret is in an environment variable of both sides.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from flagkit.admin import edits
from flagkit.admin.stores import Note, open_store

SECRET = "whsec_" + base64.b64encode(os.urandom(24)).decode()


class Receiver(BaseHTTPRequestHandler):
    """Takes notices, and refuses what is not signed with the secret or older than five minutes."""

    def do_POST(self) -> None:
        """Check the signature, then print what changed. A program would also ignore an id that it knows."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent_at, message_id = self.headers["webhook-timestamp"], self.headers["webhook-id"]
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        mark = hmac.digest(key, f"{message_id}.{sent_at}.".encode() + body, hashlib.sha256)
        expected = "v1," + base64.b64encode(mark).decode()
        is_signed = hmac.compare_digest(expected, self.headers["webhook-signature"])
        if is_signed and abs(time.time() - int(sent_at)) < 300:
            print(json.loads(body)["text"])
            self.send_response(204)
        else:
            self.send_response(401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing for a request."""


def main() -> None:
    """Start the receiver, and change a flag."""
    os.environ["FLAGS_WEBHOOK_SECRET"] = SECRET
    with HTTPServer(("127.0.0.1", 0), Receiver) as server, TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Path(folder, "flagkit.toml").write_text(
            f'[[notices]]\nkind = "webhook"\nurl = "http://127.0.0.1:{server.server_port}/"\n'
            'secret_env = "FLAGS_WEBHOOK_SECRET"\n',
            encoding="utf-8",
        )
        store = open_store(f"file:{folder}/flags.json")
        base = store.read(missing_ok=True)
        document = edits.rollout(edits.create(base.document, "new_search", enabled=True), "new_search", 25)
        store.save(base, document, Note("first users", author="alice"))
        store.close()  # waits for the notice
        server.shutdown()


if __name__ == "__main__":
    main()
