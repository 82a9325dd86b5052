"""Cold start: from a bare interpreter to the first answer of a rule, as a Lambda function pays it; one run, interleaved.

    python -m benchmarks coldstart [--rounds 15]

Every start is a fresh process that imports a client, connects it to a source and asks for one targeted flag. The sources
are a file, and AppConfig's Agent and data plane as an HTTP server in another process. Powertools has neither a file store
nor one for the Agent, so it gets the shortest ones that its `StoreProvider` allows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.flags import environment
from benchmarks.peers.engines import flagkit as our_document
from benchmarks.peers.engines import powertools as their_document
from benchmarks.peers.workload import make_workload
from benchmarks.report import machine, table, write
from benchmarks.stand_in import served

FLAGS = 40
# What AWS's runtime has imported before a function's own code (aws-lambda-python-runtime-interface-client, bootstrap.py).
LAMBDA = "import concurrent.futures.thread, decimal, enum, json, logging, os, traceback"
SETTINGS = {"bare interpreter": "", "AWS's runtime": LAMBDA}
FRAME = """
import time
{before}
cpu, wall = time.process_time(), time.perf_counter()
{code}
print(time.process_time() - cpu, time.perf_counter() - wall, on)
"""
OURS = """
from flagkit import Flags
flags = Flags.connect({url!r})
on = flags.is_enabled("flag_00006_c", "user-000000000000000", {{"country": "US", "plan": "pro"}})
"""
BOTO3 = """
import json
import boto3
client = boto3.client("appconfigdata")
token = client.start_configuration_session(
    ApplicationIdentifier="app", EnvironmentIdentifier="env", ConfigurationProfileIdentifier="flagkit"
)["InitialConfigurationToken"]
document = json.loads(client.get_latest_configuration(ConfigurationToken=token)["Configuration"].read())
on = "flag_00006_c" in document["values"]
"""
THEIRS = """
from aws_lambda_powertools.utilities.feature_flags import AppConfigStore, FeatureFlags
flags = FeatureFlags(AppConfigStore("env", "app", "powertools", max_age=60))
on = flags.evaluate(name="flag_00006_c", context={context}, default=False)
"""
THEIRS_OWN_STORE = """
import json
{fetching}
from aws_lambda_powertools.utilities.feature_flags import FeatureFlags
from aws_lambda_powertools.utilities.feature_flags.base import StoreProvider
class Store(StoreProvider):
    def get_configuration(self):
        return self.get_raw_configuration
    @property
    def get_raw_configuration(self):
        return json.loads({fetch})
flags = FeatureFlags(Store())
on = flags.evaluate(name="flag_00006_c", context={context}, default=False)
"""
THEIR_CONTEXT = {"user_id": "user-000000000000000", "bucket": 7, "country": "US", "plan": "pro"}
Samples = dict[tuple[str, str], list[tuple[float, float]]]


def starts(folder: Path, port: int) -> dict[tuple[str, str], tuple[Path, str]]:
    """What is started: (client, source) to interpreter and program."""
    agent = f"http://127.0.0.1:{port}/applications/app/environments/env/configurations/powertools"
    ours, theirs = Path(sys.executable), environment("powertools")
    from_file = {"fetching": "", "fetch": f"open({str(folder / 'powertools.json')!r}).read()"}
    from_agent = {"fetching": "import urllib.request", "fetch": f"urllib.request.urlopen({agent!r}).read()"}
    return {
        ("flagkit", "file"): (ours, OURS.format(url=f"file:{folder / 'flagkit.json'}")),
        ("Powertools", "file"): (theirs, THEIRS_OWN_STORE.format(context=THEIR_CONTEXT, **from_file)),
        ("flagkit", "Agent"): (ours, OURS.format(url="agent://app/env/flagkit")),
        ("Powertools", "Agent"): (theirs, THEIRS_OWN_STORE.format(context=THEIR_CONTEXT, **from_agent)),
        ("flagkit", "AppConfig"): (ours, OURS.format(url="appconfig://app/env/flagkit")),
        ("Powertools", "AppConfig"): (theirs, THEIRS.format(context=THEIR_CONTEXT)),
        ("boto3 alone, evaluates nothing", "AppConfig"): (ours, BOTO3),
    }


def start(python: Path, program: str, port: int, before: str) -> tuple[float, float]:
    """One start: CPU and wall time in milliseconds, without what came before."""
    home = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    settings = {
        "AWS_ENDPOINT_URL_APPCONFIGDATA": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "AKIASTANDIN0000000000",
        "AWS_SECRET_ACCESS_KEY": "stand-in",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_APPCONFIG_EXTENSION_HTTP_PORT": str(port),
        "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
    }
    code = FRAME.format(before=before, code=program)
    done = subprocess.run(
        [python, "-I", "-c", code], env={**home, **settings}, capture_output=True, text=True, check=True
    )
    cpu_s, wall_s, on = done.stdout.split()
    if on != "True":
        message = f"the flag must be on for this user, the answer was {on}"
        raise RuntimeError(message)
    return float(cpu_s) * 1e3, float(wall_s) * 1e3


def measured(rounds: int) -> dict[str, Samples]:
    """All starts in turns; the first, uncounted round fills the caches of bytecode."""
    workload = make_workload(FLAGS)
    documents = {"flagkit": our_document.document(workload), "powertools": their_document.document(workload)}
    with tempfile.TemporaryDirectory() as name, served(documents) as port:
        for client, text in documents.items():
            (Path(name) / f"{client}.json").write_text(text, "utf-8")
        programs = starts(Path(name), port)
        taken: dict[str, Samples] = {setting: {key: [] for key in programs} for setting in SETTINGS}
        for turn in range(rounds + 1):
            for setting, before in SETTINGS.items():
                for key, (python, program) in programs.items():
                    sample = start(python, program, port, before)
                    if turn:
                        taken[setting][key].append(sample)
    return taken


def cells(samples: list[tuple[float, float]]) -> list[str]:
    """CPU best (median), wall best."""
    cpu = [sample[0] for sample in samples]
    return [f"{min(cpu):.0f} ({statistics.median(cpu):.0f})", f"{min(sample[1] for sample in samples):.0f}"]


def ratio(samples: Samples, theirs: tuple[str, str], ours: tuple[str, str]) -> str:
    """CPU of theirs to CPU of ours, the best of both."""
    return f"{min(samples[theirs])[0] / min(samples[ours])[0]:.1f}×"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks coldstart")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_known_args(arguments)[0].rounds
    bare, runtime = measured(rounds).values()
    rows = [[client, source, *cells(bare[client, source]), *cells(runtime[client, source])] for client, source in bare]
    heads = ["client", "source", "CPU ms", "wall ms", "CPU ms, in AWS's runtime", "wall ms, in AWS's runtime"]
    ratios = []
    for source in ("file", "Agent", "AppConfig"):
        ours = ("flagkit", source)
        row = [f"flagkit from {source}"]
        for theirs in (
            ("Powertools", source),
            ("Powertools", "AppConfig"),
            ("boto3 alone, evaluates nothing", "AppConfig"),
        ):
            row.append(f"{ratio(bare, theirs, ours)} / {ratio(runtime, theirs, ours)}")
        ratios.append(row)
    text = "\n".join(
        [
            "# Cold start\n",
            f"Machine: {machine()}. To the first answer of a targeted flag in a document of {FLAGS} flags: import, connect, "
            "fetch, compile, evaluate. Each start is a fresh process with its bytecode cached, interleaved; CPU is the best "
            f"(median) of {rounds}, wall time the best. The interpreter's own start isn't included; the right half also excludes "
            "the modules that AWS's Lambda runtime loads before a function's code (json, logging, enum, decimal, "
            "concurrent.futures, traceback). Agent and data plane are one HTTP server on this machine. Powertools 3.37.0 has "
            "no store for files or the Agent: it uses the shortest one that its `StoreProvider` allows.\n",
            table(heads, rows),
            "## Times flagkit's CPU: bare interpreter / in AWS's runtime\n",
            table(["", "Powertools, same source", "Powertools, AppConfig", "boto3 alone, AppConfig"], ratios),
            "From AppConfig all three load boto3, which is nearly all of the time; from a file or the Agent flagkit doesn't load "
            "it. `python -m benchmarks coldstart` measures again.\n",
        ]
    )
    write("coldstart.md", text)


if __name__ == "__main__":
    main(sys.argv[1:])
