"""Compares the evaluators on random flags: `python benchmarks/differential.py [pairs] [--seed 1] [--jobs 2]`.

The generated function, the function for all flags of a user, the walker (whole answers: value, variant, reason) and the
naive evaluator of the tests (the variant). Each flag has one to four rules and is read from JSON, so printer, lexer, parser and decoder take part. The
pairs are asked in portions with a seed of their own, each in a process that ends with it, so memory is bounded. What
agreed is noted in `.benchmarks/`, and a run that was interrupted goes on there, as long as the evaluators' code is the
same. Prints the pairs compared and stops at the first difference, which belongs into conformance/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "laws"))

from naive_evaluator import Question, select
from rule_generator import NOW, Generator

from flagkit.core.rules import shapes
from flagkit.core.rules.printer import print_rule
from flagkit.core.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
CONTEXTS_PER_FLAG = 20
PORTION = 20_000


def differences(pairs: int, seed: int, *, contexts_per_flag: int = CONTEXTS_PER_FLAG) -> Iterator[str]:
    """Yield a description of every difference among `pairs` questions."""
    shapes.MIN_ALIKE, alone = 1, shapes.MIN_ALIKE  # one flag is enough for the function that answers many
    try:
        yield from _differences(pairs, seed, contexts_per_flag)
    finally:
        shapes.MIN_ALIKE = alone


def _differences(pairs: int, seed: int, contexts_per_flag: int) -> Iterator[str]:
    generator = Generator(seed)
    done = 0
    while done < pairs:
        rules = [generator.rule() for _ in range(generator.random.choice((1, 1, 2, 3, 4)))]
        key = f"flag_{generator.random.randrange(100)}"
        snapshot = Snapshot.from_json(document(key, rules), now=lambda: NOW)
        snapshot.prepare()
        if snapshot.uncompiled:
            yield f"{[print_rule(rule) for rule in rules]} could not be compiled: {dict(snapshot.uncompiled)}"
        flag, walked = snapshot.flags[key], snapshot.walked(key)
        for _ in range(contexts_per_flag):
            user_id, context = generator.user_id(), generator.context()
            expected = select([*rules, None], Question(user_id, context or {}, key, now=NOW))
            found, again = flag(user_id, context), walked(user_id, context)
            one_of_many = snapshot.all(user_id, context)[key]
            if not found == again == one_of_many or found.variant != f"v{expected}":
                texts = [print_rule(rule) for rule in rules]
                answers = f"{found} generated, {one_of_many} as one of many and {again} walked"
                yield f"{texts} for {user_id!r}: expected v{expected}, got {answers}"
        done += contexts_per_flag


def document(key: str, rules) -> str:
    variants = [{"name": f"v{index}", "enabled": True, "rule": print_rule(rule)} for index, rule in enumerate(rules)]
    variants.append({"name": f"v{len(rules)}", "enabled": False})
    return json.dumps({"version": "1", "values": {key: {"_variants": variants}}})


def first_difference(portion: tuple[int, int]) -> tuple[tuple[int, int], str | None]:
    """Ask one portion, `(seed, pairs)`."""
    seed, pairs = portion
    return portion, next(differences(pairs, seed), None)


def portions(pairs: int, seed: int) -> list[tuple[int, int]]:
    """Divide the pairs: a seed and a number for each portion; other seeds for another `seed`."""
    numbers = [PORTION] * (pairs // PORTION) + [pairs % PORTION] * (pairs % PORTION > 0)
    return [(seed * 1_000_000 + index, number) for index, number in enumerate(numbers)]


class Notes:
    """Which portions agreed, in a file; for one state of the code."""

    def __init__(self, folder: Path) -> None:
        sources = sorted(path for part in ("flagkit/core", "tests/laws") for path in (ROOT / part).rglob("*.py"))
        code = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"differential-{code}.jsonl"

    def read(self) -> set[tuple[int, int]]:
        """Return the portions that agreed; a line that was cut off counts as absent."""
        found = set()
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            try:
                seed, pairs = json.loads(line)
            except ValueError:
                continue
            found.add((seed, pairs))
        return found

    def add(self, portion: tuple[int, int]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(portion) + "\n")


def compare(pairs: int, seed: int, jobs: int, notes: Notes) -> str | None:
    """Ask all portions that aren't noted; return the first difference."""
    known = notes.read()
    waiting = [portion for portion in portions(pairs, seed) if portion not in known]
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=5) as pool:
        for portion, difference in pool.imap_unordered(first_difference, waiting):
            if difference is not None:
                return f"seed {portion[0]}: {difference}"
            notes.add(portion)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="differential")
    parser.add_argument("pairs", type=int, nargs="?", default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    notes = Notes(ROOT / ".benchmarks")
    already = sum(pairs for _, pairs in notes.read() & set(portions(options.pairs, options.seed)))
    start = time.perf_counter()
    difference = compare(options.pairs, options.seed, options.jobs, notes)
    if difference is not None:
        print(difference)
        return 1
    earlier = f", {already:,} of them in an earlier run" if already else ""
    print(f"{options.pairs:,} pairs agree{earlier}; seed {options.seed}, {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
