"""Runs one engine in its own interpreter and answers rounds on request, so that engines can be interleaved.

python worker.py ENGINE FLAGS      then lines `CASE THREADS` on standard input; `{"ns": …, "on": …}` on standard output
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    engine_name, flags = sys.argv[1], int(sys.argv[2])
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a client prints must not disturb the protocol
    from workload import make_workload

    workload = make_workload(flags)
    engine = importlib.import_module(f"engines.{engine_name}")
    prepared = engine.document(workload)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    client = engine.load(prepared, workload)
    load_ms = (time.process_time() - started) * 1e3
    after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cases = engine.cases(client, workload)
    out.write(json.dumps({"load_ms": load_ms, "memory_kb": after_kb - before_kb, "cases": sorted(cases)}) + "\n")
    for line in sys.stdin:
        case, threads = line.split()
        on = cases[case]()  # warm
        count = int(threads)
        # CPU time, which other processes don't lengthen: of the asking thread, or of all where there are several.
        clock = time.process_time_ns if count else time.thread_time_ns
        started = clock()
        if not count:
            on = cases[case]()
        else:
            crew = [threading.Thread(target=cases[case]) for _ in range(count)]
            for member in crew:
                member.start()
            for member in crew:
                member.join()
        spent = clock() - started
        per = len(workload.flags) if case == "user" else len(workload.users)
        out.write(json.dumps({"ns": spent / per / (count or 1), "on": on}) + "\n")
    os._exit(0)  # some clients' threads don't end


main()
