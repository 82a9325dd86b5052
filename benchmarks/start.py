"""Start of the command lines: CPU of a whole process, beside an empty one; fresh processes, interleaved.

python -m benchmarks start [--rounds 9]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import machine, table, write

BASE = "python -c pass"
FLAGS = 5
PROGRAMS = {
    BASE: ("-c", "pass"),
    "flagkit --version": ("-m", "flagkit", "--version"),
    "flagkit --help": ("-m", "flagkit", "--help"),
    "flagkit completion bash": ("-m", "flagkit", "completion", "bash"),
    "flagkit rollout --help": ("-m", "flagkit", "rollout", "--help"),
    f"flagkit list ({FLAGS} flags)": ("-m", "flagkit", "list"),
    "canary --version": ("-m", "canary", "--version"),
    "canary --help": ("-m", "canary", "--help"),
    "python -c 'import boto3'": ("-c", "import boto3"),
    "python -c 'import pydantic.main'": ("-c", "import pydantic.main"),
}


def document() -> str:
    """A small file of flags: on, off, by percentage, by user."""
    rule = '(or (in $userId ["42"]) (split pct::{} by::$userId seed::"flag_{}"))'
    values = {
        f"flag_{number}": {
            "_variants": [
                {"name": "on", "enabled": True, "rule": rule.format(10 * number, number)},
                {"name": "off", "enabled": False},
            ]
        }
        for number in range(1, FLAGS + 1)
    }
    return json.dumps({"version": "1", "flags": {key: {"name": key} for key in values}, "values": values})


def cpu_ms(arguments: tuple[str, ...], folder: str) -> float | None:
    """CPU of one process and its children, in milliseconds; None if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return used * 1e3 if done.returncode == 0 else None


def measured(rounds: int) -> dict[str, list[float]]:
    """All programs in turns; the first, uncounted round fills the caches of bytecode."""
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "flags.json").write_text(document(), "utf-8")
        for turn in range(rounds + 1):
            for name, arguments in PROGRAMS.items():
                sample = cpu_ms(arguments, folder)
                if turn and sample is not None:
                    taken[name].append(sample)
    return {name: samples for name, samples in taken.items() if samples}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks start")
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args(arguments).rounds
    taken = measured(rounds)
    base = min(taken[BASE])
    rows = [
        (f"`{name}`", f"{min(samples):.0f} ({statistics.median(samples):.0f})", f"{min(samples) / base:.1f}×")
        for name, samples in taken.items()
    ]
    text = (
        "# Start of the command lines\n\n"
        f"Machine: {machine()}. CPU of the whole process, interpreter included: best (median) of {rounds} fresh processes "
        "with their bytecode cached, interleaved.\n\n"
        + table(["process", "CPU ms", f"times `{BASE}`"], rows)
        + "\nWhat each command may import is held by `tests/architecture/test_import_weight.py`. "
        "`python -m benchmarks start` measures again.\n"
    )
    write("start.md", text)
