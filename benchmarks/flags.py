"""flagkit beside its peers: evaluation, whole user, load, memory, threads, import; one run, interleaved.

    python -m benchmarks flags [--rounds 6] [--only eppo,powertools]

Each peer is installed by its pinned version in an environment of its own (`.venv-bench/`), runs in its own process, and all
take turns, so that the machine's moods hit everybody alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from benchmarks.peers.workload import CASES
from benchmarks.report import machine, table, write

ROOT = Path(__file__).parents[1]
WORKER = ROOT / "benchmarks" / "peers" / "worker.py"
# Title of each peer; what to install is in pyproject.toml, [dependency-groups], `peer-NAME`.
PEERS = {
    "eppo": "Eppo 4.4.1 (Rust)",
    "statsig": "Statsig core 0.24.2 (Rust)",
    "growthbook": "GrowthBook 4.0.0",
    "powertools": "Powertools 3.37.0, AppConfigStore",
    "flagd": "flagd core 2.0.0, called directly",
    "launchdarkly": "LaunchDarkly 9.18.2",
    "posthog": "PostHog 7.91.1, local",
    "unleash": "Unleash 6.9.1 (Rust over ctypes)",
}
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
OURS = {"floor": "floor: look-up + call; one mmh3", "flagkit": "**flagkit**"}
TITLES = {**OURS, **PEERS}


class Engine:
    """One engine in its own process."""

    def __init__(self, name: str, python: Path, flags: int) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [python, WORKER, name, str(flags)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        self.facts = self._line()

    def _line(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            message = f"{self.name} ended early; run {WORKER.name} {self.name} by hand to see why"
            raise RuntimeError(message)
        return json.loads(line)

    def measure(self, case: str, threads: int = 0) -> dict:
        self.process.stdin.write(f"{case} {threads}\n")
        return self._line()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def environment(name: str) -> Path:
    """The interpreter of a peer's own environment, installed on first use."""
    if name in OURS:
        return Path(sys.executable)
    folder = ROOT / ".venv-bench" / name
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        print(f"installing {PEERS[name]} …", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *GROUPS[f"peer-{name}"]], check=True)
        (folder / ".ready").touch()
    return python


LIMITS = """\
## What limits flagkit

- **Calls.** `is_enabled` looks up the flag's function and calls it: two calls of 25 to 35 ns, where the floor has one. So on/off stays near twice the floor; 1.5 times would need `is_enabled` to be
  no Python function. Tried and rejected: flags without rules as True and False in a table of their own (20 ns less for them, 17 ns more for all others, and 100 ns more where other processes share the
  core); default values instead of closures (the same); the constants in a code object for each flag (1 MB more for 1,000 flags, 5 % less); the method as a function of the instance (15 ns less, but a
  test that patches the class would have no effect).
- **The hash.** A percentage costs one mmh3, about 90 ns with its text. flagkit checks before that the text is plain (15 ns), because `mmh3.hash` crashes the process on half a surrogate pair.
  A memory of users' buckets would be faster, at 1 MB for each flag and 10,000 users.
- **Types.** A value of the context may have any type, so each condition tests one (10 ns) and reads it with `get` (19 ns); the floor takes what it gets. Tried and rejected: reading with `[]` (6 ns
  less, but a missing key then costs an exception), instants that compare as false where a text is no date (8 ns less of 95), smaller limits of integers (2 ns less).
- **Peers in Rust.** The goal is five times the fastest peer; d, e, e+ and f miss it. In e+ and f the floor, Python written by hand for one rule, is itself less than five times as fast as
  Eppo, so no evaluator in Python can be; in e it is six times as fast, and the calls and types above are the rest.
- **All flags of a user.** Each flag has a seed of its own, so three of four flags hash: 75 ns on average. Flags of one shape are answered by one function, a loop around their rules: a quarter less than a
  call for each.
- **Threads.** The interpreter's lock is handed over every 5 ms. Readers take no lock of ours, so nothing is lost by it beyond the noise of the machine.
"""


def nanoseconds(values: list[float]) -> str:
    return f"{min(values):,.0f} ({statistics.median(values):,.0f})"


def evaluation(engines: list[Engine], rounds: int) -> tuple[str, dict[str, dict[str, float]]]:
    """Every case in turns; best and median of the rounds."""
    taken: dict[str, dict[str, list[float]]] = {engine.name: {} for engine in engines}
    for case in (*CASES, "user"):
        for _ in range(rounds):
            for engine in engines:
                if case in engine.facts["cases"]:
                    taken[engine.name].setdefault(case, []).append(engine.measure(case)["ns"])
        print(f"case {case} done", file=sys.stderr)
    rows = [
        [TITLES[name], *(nanoseconds(cases[case]) if case in cases else "–" for case in (*CASES, "user"))]
        for name, cases in taken.items()
    ]
    heads = ["engine", *(f"{case}) {text}" for case, text in CASES.items()), "whole user, per flag"]
    best = {name: {case: min(values) for case, values in cases.items()} for name, cases in taken.items()}
    return table(heads, rows), best


def verdicts(best: dict[str, dict[str, float]]) -> str:
    """Ratios against the fastest peer of each case, Powertools and the floor."""
    peers = [name for name in best if name in PEERS]
    rows = []
    for case in CASES:
        ours = best["flagkit"][case]
        fastest = min(peers, key=lambda name: best[name].get(case, float("inf")))
        row = [f"{case}) {CASES[case]}", f"{best[fastest][case] / ours:.1f}× ({TITLES[fastest]})"]
        row.append(f"{best['powertools'][case] / ours:.0f}×" if "powertools" in best else "–")
        row.append(f"{ours / best['floor'][case]:.2f}×" if case in best["floor"] else "–")
        rows.append(row)
    return table(["case", "faster than the fastest peer", "faster than Powertools", "times the floor"], rows)


def threads(engines: list[Engine], rounds: int) -> str:
    """Total throughput of case b with 1, 2 and 4 threads, thousands a second, best of interleaved rounds."""
    rows = []
    for engine in engines:
        taken = [[engine.measure("b", count)["ns"] for count in (1, 2, 4)] for _ in range(rounds)]
        best = [min(column) for column in zip(*taken, strict=True)]
        kept = [f"{best[0] / each:.0%}".replace("%", " %") for each in best[1:]]
        rows.append([TITLES[engine.name], *(f"{1e6 / each:,.0f}" for each in best), *kept])
    return table(["engine", "1 thread", "2 threads", "4 threads", "2 keep", "4 keep"], rows)


def loading(names: list[str]) -> str:
    """Document to first answer, and the growth of the process, from fresh processes."""
    rows = []
    for name in names:
        if name == "floor":
            continue
        cells = []
        for flags in (1000, 10_000):
            facts = []
            for _ in range(3 if name == "flagkit" else 1):
                engine = Engine(name, environment(name), flags)
                facts.append(engine.facts)
                engine.close()
            cells.append(f"{min(fact['load_ms'] for fact in facts):,.1f}")
            cells.append(f"{min(fact['memory_kb'] for fact in facts) / 1024:,.1f}")
        rows.append([TITLES[name], *cells])
    heads = ["engine", "1,000 flags ms", "1,000 flags MB", "10,000 flags ms", "10,000 flags MB"]
    return table(heads, rows)


FOOTPRINT = """
import gc, json, sys, time, tracemalloc
sys.path.insert(0, {peers!r})
from workload import make_workload
import engines.flagkit as engine
from flagkit import Flags
from flagkit.sources.static import StaticSource
import mmh3

def make(text):
    return Flags(StaticSource(text), refresh="manual")
user = make_workload(4).users[0]
for count in (1000, 10000):
    workload = make_workload(count); text = engine.document(workload)
    times = []
    for _ in range(7):
        t = time.process_time(); flags = make(text); flags.is_enabled("b", user.id, user.attributes)
        times.append((time.process_time() - t) * 1e3); flags.close()
    asked = []
    for _ in range(3):
        flags = make(text); t = time.process_time()
        for key, _ in workload.flags: flags.is_enabled(key, user.id, user.attributes)
        asked.append((time.process_time() - t) * 1e3); flags.close()
    tracemalloc.start(); before = tracemalloc.get_traced_memory()[0]
    def memory():
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / 2**20
    flags = make(text); flags.is_enabled("b", user.id, user.attributes)
    sizes = [memory()]
    for key, _ in workload.flags: flags.is_enabled(key, user.id, user.attributes)
    sizes.append(memory())
    flags.prepare()
    sizes.append(memory()); tracemalloc.stop()
    print(json.dumps([count, min(times), min(asked), *sizes, len(text) / 2**20]))
"""


def footprint() -> str:
    """flagkit alone: the document read into a warm process, and its memory with every flag compiled."""
    code = FOOTPRINT.format(peers=str(WORKER.parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    cells = [
        [f"{count:,}", f"{ms:.1f}", f"{asked:,.0f}", *(f"{size:.1f}" for size in sizes), f"{text:.2f}"]
        for count, ms, asked, *sizes, text in rows
    ]
    return table(
        [
            "flags",
            "text to first answer, CPU ms",
            "every flag asked once, CPU ms",
            "memory after the first answer, MB",
            "after every flag was asked once, MB",
            "with every flag compiled, MB",
            "text, MB",
        ],
        cells,
    )


def imports() -> str:
    """CPU time of `import flagkit` above bare Python, best of ten."""

    def cpu_ms(code: str) -> float:
        best = float("inf")
        for _ in range(10):
            script = f"import time; {code}; print(time.process_time() * 1e3)"
            done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
            best = min(best, float(done.stdout))
        return best

    bare = cpu_ms("pass")
    rows = [
        [f"`{code}`", f"{cpu_ms(code) - bare:.1f}"]
        for code in ("import flagkit", "from flagkit import Flags", "import boto3")
    ]
    return table(["statement", "CPU ms above bare Python"], rows)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks flags")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--only", default="", help="peers, by comma")
    options = parser.parse_args(arguments)
    names = [*OURS, *(options.only.split(",") if options.only else PEERS)]
    engines = [Engine(name, environment(name), 1000) for name in names]
    table_of_cases, best = evaluation(engines, options.rounds)
    parts = [
        "# Comparison of flag libraries\n",
        f"Machine: {machine()}. 1,000 flags, 10,000 users, each engine in its own process and environment, interleaved; "
        f"nanoseconds of CPU per evaluation, best (median) of {options.rounds} rounds, the vendor's call with a prepared context in "
        "a plain loop. `make bench` measures again.\n",
        "## One evaluation\n",
        table_of_cases,
        "## Summary\n",
        verdicts(best),
        "## Threads\nThousand evaluations a second of the process's CPU time, case b, and how much of one thread's is kept; waiting for a "
        "lock isn't seen. Free-threaded Python isn't measured: there is none where these tables are taken.\n",
        threads(engines, 6),
        LIMITS,
    ]
    for engine in engines:
        engine.close()
    parts += [
        "## Load\nCPU from the document to the first answer in a fresh process, the client's import included; memory is the growth of the process.\n",
        loading(names),
        "### flagkit alone, in a warm process\n",
        footprint(),
        "## Import\n",
        imports(),
    ]
    write("flags.md", "\n".join(parts))


if __name__ == "__main__":
    main(sys.argv[1:])
