"""The OFREP server: bulk evaluations of 100 flags, through the app and through uvicorn; memory; event streams.

python -m benchmarks ofrep [--requests 100000] [--streams 1000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report import machine, table, write
from flagkit import Flags, StaticSource
from flagkit.ofrep import OfrepSettings, create_app

FLAGS = 100
BULK = "/ofrep/v1/evaluate/flags"
CONNECTIONS = 4
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def document() -> dict[str, Any]:
    """100 flags: half of them with a percentage or a rule, some with values, as shops have them."""
    values: dict[str, Any] = {}
    for number in range(FLAGS):
        key = f"feature-{number:03}"
        match number % 4:
            case 0:
                values[key] = {"enabled": number % 8 == 0}
            case 1:
                values[key] = {"enabled": True, "value": f"value-{number}", "unit": "px"}
            case 2:
                rule = f'(and (in $country ["US", "DE"]) (split pct::{number} by::$userId seed::"{key}"))'
                values[key] = {
                    "_variants": [{"name": "on", "enabled": True, "rule": rule}, {"name": "off", "enabled": False}]
                }
            case _:
                rule = f'(or (in $userId ["a", "b", "c"]) (split pct::{number} by::$userId seed::"{key}"))'
                new, old = {"value": f"#{number:03}"}, {"value": "#fff"}
                values[key] = {
                    "_variants": [
                        {"name": "new", "enabled": True, "rule": rule, "attributeValues": new},
                        {"name": "old", "enabled": True, "attributeValues": old},
                    ]
                }
    flags = {key: {"name": key, "description": "[flagkit client-visible]"} for key in values}
    return {"version": "1", "flags": flags, "values": values}


def bodies() -> list[bytes]:
    contexts = [
        {"targetingKey": f"user-{number}", "country": ("US", "FR", "DE")[number % 3], "plan": "free", "app": "4.2.0"}
        for number in range(1000)
    ]
    return [json.dumps({"context": context}).encode() for context in contexts]


def app() -> Any:
    return create_app(Flags(StaticSource(document())), OfrepSettings())


async def through_the_app(requests: int) -> tuple[float, list[float]]:
    """Requests per second of processor time, and the seconds of it that each took."""
    server, contents = app(), bodies()
    times: list[float] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message

    for index in range(500 + requests):
        if index == 500:
            begin = time.process_time()
        content = contents[index % len(contents)]
        scope = {"type": "http", "method": "POST", "path": BULK, "headers": [(b"content-type", b"application/json")]}

        async def receive(content: bytes = content) -> Any:
            return {"type": "http.request", "body": content, "more_body": False}

        started = time.thread_time()
        await server(scope, receive, send)
        times.append(time.thread_time() - started)
    return requests / (time.process_time() - begin), times[500:]


def constant(size: int) -> Any:
    """An app that answers as many bytes without a thought: what uvicorn itself costs."""
    body = b"x" * size

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await receive()
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % size)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return answer


@contextmanager
def served(size: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-c", f"import benchmarks.ofrep; benchmarks.ofrep.serve({size})"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.terminate()


def serve(size: int) -> None:
    from flagkit.web.serving import listen, run

    server = app()
    if size:
        with listen("127.0.0.1", 0) as listening:
            print(listening.getsockname()[1], flush=True)
            run(constant(size), listening)
        return
    with listen("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        run(server, listening, stopping=server.close_streams)


def cpu_s(process: subprocess.Popen[str]) -> float:
    parts = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process: subprocess.Popen[str]) -> float:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * PAGE / 1e6


def load(port: int, requests: int, connections: int = CONNECTIONS) -> list[float]:
    """The seconds from each request to its whole answer, over connections that stay open."""
    head = f"POST {BULK} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: "
    calls = [head.encode() + b"%d\r\n\r\n" % len(body) + body for body in bodies()]
    times: list[float] = []
    sent = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(calls[sent % len(calls)])
            sent += 1
            selector.register(connection, selectors.EVENT_READ, [bytearray(), time.perf_counter()])
        while len(times) < requests:
            for key, _ in selector.select():
                buffer, started = key.data
                buffer += key.fileobj.recv(65_536)
                split = buffer.find(b"\r\n\r\n")
                if split < 0:
                    continue
                at = buffer.find(b"content-length: ") + 16
                if len(buffer) < split + 4 + int(buffer[at : buffer.find(b"\r", at)]):
                    continue
                assert buffer.startswith(b"HTTP/1.1 200"), buffer[:200]
                times.append(time.perf_counter() - started)
                key.data[0], key.data[1] = bytearray(), time.perf_counter()
                key.fileobj.sendall(calls[sent % len(calls)])
                sent += 1
        for key in tuple(selector.get_map().values()):
            key.fileobj.close()
    return times


def streams(port: int, number: int) -> list[socket.socket]:
    opened = []
    for _ in range(number):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(b"GET /ofrep/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        opened.append(connection)
    for connection in opened:
        text = b""
        while b"refetchEvaluation" not in text:
            text += connection.recv(4096)
    return opened


def server_answer() -> bytes:
    """One whole answer."""
    return bytes(app().bootstrap("user-1", {"country": "US"}), "ascii")


def at(times: list[float], percent: float) -> str:
    return f"{sorted(times)[int(len(times) * percent / 100)] * 1000:.2f} ms"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--streams", type=int, default=1000)
    chosen, _ = parser.parse_known_args(arguments)
    own_rate, own_times = asyncio.run(through_the_app(10_000))
    with served() as (process, port):
        load(port, 5_000)
        memory = [memory_mb(process)]
        begun = cpu_s(process)
        one = load(port, 5_000, 1)
        rate = len(one) / (cpu_s(process) - begun)
        begun, began = cpu_s(process), time.perf_counter()
        times = load(port, chosen.requests)
        busy, took = cpu_s(process) - begun, time.perf_counter() - began
        memory.append(memory_mb(process))
        opened = streams(port, chosen.streams)
        memory.append(memory_mb(process))
        load(port, 2_000)
        for connection in opened:
            connection.close()
        load(port, 2_000)
        opened = streams(port, chosen.streams)
        memory.append(memory_mb(process))
        for connection in opened:
            connection.close()
    with served(len(server_answer())) as (process, port):
        load(port, 1_000)
        begun = cpu_s(process)
        bare = load(port, 10_000)
        bare_rate = len(bare) / (cpu_s(process) - begun)
    rates = table(
        ["", "bulk evaluations per second of one core", "median", "99 %"],
        [
            ["through the ASGI app", f"{own_rate:,.0f}", at(own_times, 50), at(own_times, 99)],
            ["through uvicorn, 1 connection", f"{rate:,.0f}", at(one, 50), at(one, 99)],
            [f"through uvicorn, {CONNECTIONS} connections", f"{len(times) / busy:,.0f}", at(times, 50), at(times, 99)],
            [
                f"uvicorn, an app that answers as many bytes, {CONNECTIONS} connections",
                f"{bare_rate:,.0f}",
                at(bare, 50),
                at(bare, 99),
            ],
        ],
    )
    sizes = table(
        ["", "resident memory of the server"],
        [
            ["after 5,000 requests", f"{memory[0]:.1f} MB"],
            [f"after {len(times) + len(one):,} more", f"{memory[1]:.1f} MB"],
            [f"with {chosen.streams:,} event streams open", f"{memory[2]:.1f} MB"],
            ["with as many again, after the first were closed", f"{memory[3]:.1f} MB"],
        ],
    )
    write(
        "ofrep.md",
        f"""# OFREP server
A bulk evaluation answers all {FLAGS} visible flags for one user: half of them with percentages or rules, half with values; 1,000 users in turn, so nothing is answered from a cache of whole answers. One process, one core; the rates are
requests per second of the server's own processor time. The times of the app are processor time, too; those of uvicorn are the clock of a client on the same machine, which had other work to do (load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores).

{rates}
The {len(times):,} requests over {CONNECTIONS} connections took {took:.0f} s ({len(times) / took:,.0f} per second by the clock, client and neighbours on the machine included). Most of a request through uvicorn is uvicorn, with its parser h11; `httptools` and `uvloop`, which it uses where they are installed, halve that.

{sizes}
Machine: {machine()}. `python -m benchmarks ofrep` measures again.
""",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
