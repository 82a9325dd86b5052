"""The command with its real server, asked by the stock Python provider and by hostile sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flagkit.ofrep.conftest import BULK, VALUES, document

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]
KEY = "k1-0123456789abcdef"


@contextmanager
def serving(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    (folder / "flags.json").write_bytes(document())
    command = [sys.executable, "-m", "flagkit", "ofrep", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"at http://127\.0\.0\.1:(\d+)", line)
            assert found is not None, line
            yield process, int(found[1])
        finally:
            process.kill()


def asked(port: int, path: str = BULK, **context: object) -> Any:
    body = json.dumps({"context": context}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def received(connection: socket.socket, wanted: bytes) -> bytes:
    text = b""
    while wanted not in text:
        part = connection.recv(4096)
        assert part, text
        text += part
    return text


def test_a_change_of_the_file_reaches_a_listener_and_a_signal_ends_both(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, port), socket.create_connection(("127.0.0.1", port), 20) as stream:
        stream.sendall(b"GET /ofrep/v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        first = received(stream, b"}\n\n")
        tag = re.search(rb"id: (\w+)", first)
        assert tag is not None
        assert asked(port, f"{BULK}/plain")["value"] is True
        (tmp_path / "flags.json").write_bytes(document({**VALUES, "plain": {"enabled": False}}))
        text = b""
        while not set(re.findall(rb"id: (\w+)", text)) - {tag[1]}:  # the first event is sent once more
            text += received(stream, b"}\n\n")
        assert asked(port, f"{BULK}/plain")["value"] is False
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        assert received(stream, b"0\r\n\r\n")


def test_the_stock_python_provider(tmp_path: Path) -> None:
    pytest.importorskip("openfeature.contrib.provider.ofrep")
    from openfeature.contrib.provider.ofrep import OFREPProvider
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.exception import FlagNotFoundError, TargetingKeyMissingError
    from openfeature.flag_evaluation import Reason

    with serving(tmp_path, FLAGKIT_OFREP_KEYS=KEY) as (_, port):
        provider = OFREPProvider(f"http://127.0.0.1:{port}", headers_factory=lambda: {"Authorization": f"Bearer {KEY}"})
        us = EvaluationContext("user-1", {"country": "US"})
        plain = provider.resolve_boolean_details("plain", False, us)
        assert (plain.value, plain.reason, plain.variant) == (True, Reason.STATIC, "on")
        assert provider.resolve_float_details("ratio", 0.0, us).value == 1.0
        assert provider.resolve_integer_details("limit", 0, us).flag_metadata == {"unit": "items"}
        assert provider.resolve_object_details("layout", {}, us).value == {"columns": [1, {"wide": None}]}
        assert provider.resolve_string_details("colour", "", us).value in {"#f00", "#00f"}
        assert provider.resolve_string_details("message", "mine", us).value in {"mine", None}
        for key in ("secret", "absent"):
            with pytest.raises(FlagNotFoundError):
                provider.resolve_string_details(key, "", us)
        with pytest.raises(TargetingKeyMissingError):
            provider.resolve_boolean_details("beta", False, EvaluationContext())


def test_hostile_sockets_leave_the_server_answering(tmp_path: Path) -> None:
    attacks = [
        b"\0" * 100,
        b"POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n{",
        b"POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n{",
        b"POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n{",
        b"POST /ofrep/v1/evaluate/flags/%00%ff%2e%2e%2f HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /ofrep/v1/events HTTP/1.1\r\nhost: x\r\nlast-event-id: \xff\xfe\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://evil.example/ofrep/v1/events HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /ofrep/v1/events HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ]
    with serving(tmp_path) as (process, port):
        opened = []
        for attack in attacks:
            connection = socket.create_connection(("127.0.0.1", port), 20)
            connection.sendall(attack)
            opened.append(connection)
        assert asked(port, f"{BULK}/plain")["value"] is True
        for connection in opened:
            connection.close()
        assert asked(port, f"{BULK}/plain")["value"] is True
        assert process.poll() is None
        process.terminate()
        process.wait(20)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    (tmp_path / "flags.json").write_bytes(document())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "flagkit", "ofrep", "--port", port],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert f"can't listen on 127.0.0.1, port {port}" in done.stderr
