"""Eight threads ask while the document is swapped 100 times a second: errors, torn reads, throughput.

python -m benchmarks swaps [--seconds 3]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import threading
import time

from benchmarks.report import machine, table, write
from flagkit import Flags
from flagkit.sources import Document
from flagkit.sources.static import StaticSource

READERS = 8
SWAPS_PER_S = 100
FLAGS = 50


def document(number: int) -> Document:
    """Version `number`: every flag says so, so that a torn read would show."""
    rule = '(split pct::50 by::$userId seed::"s")'
    values = {
        f"flag_{index}": {
            "_variants": [
                {"name": "some", "enabled": True, "rule": rule, "attributeValues": {"value": number}},
                {"name": "rest", "enabled": True, "attributeValues": {"value": number}},
            ]
        }
        for index in range(FLAGS)
    }
    return Document(json.dumps({"version": "1", "values": values}).encode(), str(number))


def measure(seconds: float, *, swapping: bool) -> tuple[float, int, int, int]:
    """Questions a second, errors, torn reads, swaps."""
    flags = Flags(StaticSource(document(0).content), refresh="manual")
    store = flags._engine.store
    store.accept(document(0))
    counts, faults, stop = [0] * READERS, [0, 0], threading.Event()

    def read(reader: int) -> None:
        done = 0
        while not stop.is_set():
            for index in range(FLAGS):
                answer = flags.evaluate(f"flag_{index}", "user-42")
                if answer.error is not None:
                    faults[0] += 1
                elif str(answer.value) != answer.version:
                    faults[1] += 1
                flags.is_enabled(f"flag_{index}", "user-42")
            if len({whole.version for whole in flags.all("user-42").values()}) != 1:
                faults[1] += 1
            done += 3 * FLAGS
        counts[reader] = done

    threads = [threading.Thread(target=read, args=(reader,)) for reader in range(READERS)]
    ready = itertools.cycle([document(number) for number in range(1, 11)])
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    swaps, due = 0, begin
    while due < begin + seconds:
        if swapping:
            store.accept(next(ready))
            swaps += 1
        due += 1 / SWAPS_PER_S
        time.sleep(max(0.0, due - time.perf_counter()))
    stop.set()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begin
    return sum(counts) / took, faults[0], faults[1], swaps


def main(arguments: list[str]) -> None:
    """Measures and writes docs/benchmarks/swaps.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks swaps")
    parser.add_argument("--seconds", type=float, default=3.0)
    seconds = parser.parse_known_args(arguments)[0].seconds
    # With eight threads that never wait, Python's usual 5 ms would let the swapping thread run 25 times a second only.
    sys.setswitchinterval(0.0005)
    still, swapped, swaps, faults = [], [], 0, [0, 0]
    for _ in range(3):
        still.append(measure(seconds, swapping=False)[0])
        rate, errors, torn, done = measure(seconds, swapping=True)
        swapped.append(rate)
        swaps += done
        print(f"{done} swaps", file=sys.stderr)
        faults[0] += errors
        faults[1] += torn
    share = statistics.median(swapped) / statistics.median(still)
    rows = [
        ("no swaps", f"{statistics.median(still):,.0f}", "–", "–", "–"),
        (
            f"{SWAPS_PER_S} swaps a second",
            f"{statistics.median(swapped):,.0f} ({share:.0%})",
            f"{swaps:,}",
            *map(str, faults),
        ),
    ]
    heads = ("", "questions a second, all threads", "swaps", "errors", "torn reads")
    write(
        "swaps.md",
        f"""# Document swaps under load
{READERS} threads ask {FLAGS} flags with rules in turn, through `evaluate`, `is_enabled` and `all`, while whole documents of {FLAGS} flags are parsed, compiled and installed. An answer that mixes two versions, or a set of answers from two versions, counts as torn. Three runs of {seconds:g} s each, taking turns; medians.

{table(heads, rows)}
Machine: {machine()}. The loss is the processor time of {SWAPS_PER_S} documents a second in the same interpreter; readers take no lock, and flags in use are compiled before a document is installed, not by the next reader. The switch interval of threads is 0.5 ms (`sys.setswitchinterval`); otherwise eight threads that never wait would keep the ninth from swapping that often. `python -m benchmarks swaps` measures again.
""",
    )
    if any(faults):
        sys.exit("errors or torn reads: see above")
