"""Every measurement with one command: `python -m benchmarks [NAME …]`; without a name all of them, under 10 minutes."""

from __future__ import annotations

import importlib
import sys

SUITES = ("flags", "coldstart", "start", "swaps", "ofrep", "canary")


def main() -> None:
    names = [argument for argument in sys.argv[1:] if argument in SUITES] or list(SUITES)
    rest = [argument for argument in sys.argv[1:] if argument not in SUITES]
    for name in names:
        importlib.import_module(f"benchmarks.{name}").main(rest)


if __name__ == "__main__":
    main()
