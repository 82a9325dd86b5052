"""Coverage-guided fuzzing of the read path, for long runs by hand; not part of CI.

`pip install atheris`, then `python benchmarks/fuzz_atheris.py /tmp/findings -max_total_time=3600`. The first byte chooses
between a rule and a document. What it finds belongs into conformance/.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "tests" / "laws")]

import atheris  # noqa: E402 - after the path

with atheris.instrument_imports(include=["flagkit"]):
    from fuzz import document_case, rule_case
    from rule_generator import Generator


def one(data: bytes) -> None:
    provider = atheris.FuzzedDataProvider(data)
    generator = Generator(provider.ConsumeIntInRange(0, 2**16))
    if provider.ConsumeBool():
        rule_case(generator, provider.ConsumeUnicode(16_384))
    else:
        document_case(generator, provider.ConsumeBytes(65_536))


def main() -> None:
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
