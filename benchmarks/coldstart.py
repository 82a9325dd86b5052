"""Cold start: import, connect and the first answer, from a file, the Agent and AppConfig, beside boto3 and Powertools.

    python -m benchmarks coldstart [--rounds 9]

Each start is a process of its own; all kinds take turns. AppConfig and the Agent are one HTTP server on this machine, so
the network costs nearly nothing and what is measured is the processor time of the client.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.flags import environment
from benchmarks.report import machine, table, write

FLAGS = 50
DOCUMENT = {
    "version": "1",
    "flags": {f"flag_{number}": {"name": f"flag_{number}"} for number in range(FLAGS)},
    "values": {
        f"flag_{number}": {
            "_variants": [
                {"name": "some", "enabled": True, "rule": f'(split pct::25 by::$userId seed::"flag_{number}")'},
                {"name": "rest", "enabled": False},
            ]
        }
        for number in range(FLAGS)
    },
}
POWERTOOLS = {
    f"flag_{number}": {
        "default": False,
        "rules": {
            "some": {
                "when_match": True,
                "conditions": [
                    {"action": "MODULO_RANGE", "key": "user", "value": {"BASE": 100, "START": 0, "END": 24}}
                ],
            }
        },
    }
    for number in range(FLAGS)
}
STARTS = {
    "python": ("bare Python", ""),
    "file": (
        "**flagkit** from a file",
        """
from flagkit import Flags
Flags.connect("file:" + FILE, refresh="on_demand").is_enabled("flag_7", "42")
""",
    ),
    "agent": (
        "**flagkit** from the Agent",
        """
from flagkit import Flags
Flags.connect("agent://shop/prod/native?port=" + PORT, refresh="on_demand").is_enabled("flag_7", "42")
""",
    ),
    "appconfig": (
        "**flagkit** from AppConfig",
        """
from flagkit import Flags
flags = Flags.connect("appconfig://shop/prod/native", refresh="on_demand")
assert flags.status().state == "ready", flags.status()
flags.is_enabled("flag_7", "42")
""",
    ),
    "boto3": (
        "boto3: the two calls and json.loads",
        """
import json, boto3
client = boto3.client("appconfigdata")
token = client.start_configuration_session(
    ApplicationIdentifier="shop", EnvironmentIdentifier="prod", ConfigurationProfileIdentifier="native"
)["InitialConfigurationToken"]
json.loads(client.get_latest_configuration(ConfigurationToken=token)["Configuration"].read())
""",
    ),
    "powertools": (
        "Powertools 3.37.0 from AppConfig",
        """
from aws_lambda_powertools.utilities.feature_flags import AppConfigStore, FeatureFlags
store = AppConfigStore(environment="prod", application="shop", name="powertools")
FeatureFlags(store=store).evaluate(name="flag_7", context={"user": 42}, default=False)
""",
    ),
}


class Server(BaseHTTPRequestHandler):
    """AppConfig's data plane and the Agent, as far as a first start needs them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(
            201, json.dumps({"InitialConfigurationToken": asked["ConfigurationProfileIdentifier"]}).encode(), {}
        )

    def do_GET(self) -> None:
        document = POWERTOOLS if "powertools" in self.path else DOCUMENT
        headers = {"Next-Poll-Configuration-Token": "next", "Next-Poll-Interval-In-Seconds": "60"}
        self.answer(200, json.dumps(document).encode(), headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def start(python: str | Path, code: str, environ: dict[str, str]) -> float:
    """Milliseconds of processor time of one start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", code], env=environ, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main(arguments: list[str]) -> None:
    """Measures and writes docs/benchmarks/coldstart.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks coldstart")
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_known_args(arguments)[0].rounds
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = str(server.server_address[1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flags.json"
        path.write_text(json.dumps(DOCUMENT), "utf-8")
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL_APPCONFIGDATA": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        head = f"FILE, PORT = {str(path)!r}, {port!r}\n"
        pythons = {name: Path(sys.executable) for name in STARTS} | {"powertools": environment("powertools")}
        times: dict[str, list[float]] = {name: [] for name in STARTS}
        for turn in range(rounds + 1):
            for name, (_, code) in STARTS.items():
                took_ms = start(pythons[name], head + code, environ)
                if turn:  # the first turn writes byte code
                    times[name].append(took_ms)
    server.shutdown()
    write("coldstart.md", page({name: statistics.median(values) for name, values in times.items()}, rounds))


def page(medians: dict[str, float], rounds: int) -> str:
    """The page of measurements."""
    bare = medians["python"]
    own = {name: median - bare for name, median in medians.items()}
    rows = [
        (
            title,
            f"{medians[name]:.0f}",
            f"{own[name]:.0f}",
            "–" if name == "python" else f"{own['powertools'] / own[name]:.1f}×",
        )
        for name, (title, _) in STARTS.items()
    ]
    return f"""# Cold start
Import, connect, first answer; {FLAGS} flags; median processor time of {rounds} processes of each kind, taking turns. AppConfig and the Agent are an HTTP server on the same machine.

{table(("start", "ms of processor time", "above bare Python", "cheaper than Powertools"), rows)}
Machine: {machine()}. From a file or the Agent flagkit loads no AWS client; from AppConfig nearly all of the time is boto3's. `python -m benchmarks coldstart` takes this table again.
"""
