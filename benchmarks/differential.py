"""Compares three evaluators on random flags: `python benchmarks/differential.py [pairs] [seed]`.

The generated function, the walker (whole answers: value, variant, reason) and the naive evaluator of the tests (the
variant). Each flag has one to four rules and is read from JSON, so printer, lexer, parser and decoder take part. Prints
the pairs compared and stops at the first difference, which belongs into conformance/.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "laws"))

from naive_evaluator import Question, select
from rule_generator import NOW, Generator

from flagkit.core.rules.printer import print_rule
from flagkit.core.snapshot import Snapshot

CONTEXTS_PER_FLAG = 20


def differences(pairs: int, seed: int, *, contexts_per_flag: int = CONTEXTS_PER_FLAG):
    """Yield a description of every difference among `pairs` questions."""
    generator = Generator(seed)
    done = 0
    while done < pairs:
        rules = [generator.rule() for _ in range(generator.random.choice((1, 1, 2, 3, 4)))]
        key = f"flag_{generator.random.randrange(100)}"
        snapshot = Snapshot.from_json(document(key, rules), now=lambda: NOW)
        snapshot.prepare()
        flag, walked = snapshot.flags[key], snapshot.walked(key)
        for _ in range(contexts_per_flag):
            user_id, context = generator.user_id(), generator.context()
            expected = select([*rules, None], Question(user_id, context or {}, key, now=NOW))
            found, again = flag(user_id, context), walked(user_id, context)
            if found != again or found.variant != f"v{expected}":
                texts = [print_rule(rule) for rule in rules]
                yield f"{texts} for {user_id!r}: expected v{expected}, got {found} generated and {again} walked"
        done += contexts_per_flag


def document(key: str, rules) -> str:
    variants = [{"name": f"v{index}", "enabled": True, "rule": print_rule(rule)} for index, rule in enumerate(rules)]
    variants.append({"name": f"v{len(rules)}", "enabled": False})
    return json.dumps({"version": "1", "values": {key: {"_variants": variants}}})


def main() -> int:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    start = time.perf_counter()
    for difference in differences(pairs, seed):
        print(difference)
        return 1
    print(f"{pairs} pairs agree, seed {seed}, {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
