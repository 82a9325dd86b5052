"""Throws generated rules and documents at the read path: `python benchmarks/fuzz.py [cases] [seed]`.

Only RuleError and DocumentError may come out of reading, nothing out of evaluating or explaining, and no case may take
more than 50 ms of processor time. Prints the slowest case and stops at the first failure, which belongs into
conformance/.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "laws"))

from evaluators import compile_rule
from hostile_rules import HOSTILE
from rule_generator import NOW, Generator

from flagkit.core.evaluation import Evaluation
from flagkit.core.explanation import explain
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.printer import print_rule
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, RuleError

LIMIT_S = 0.05
REASONS = {
    "NotAnExpression",
    "UnknownSymbol",
    "TooFewOperands",
    "TooManyOperands",
    "BadOperand",
    "BadToken",
    "TooDeep",
    "TooLong",
}
SCALARS = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.5,
    10**30,
    "",
    "true",
    "t",
    "x",
    "é😀",
    "\ud800",
    [],
    {},
    [1, "a"],
    {"a": {"b": []}},
]


def rule_case(generator: Generator, text: str) -> str:
    """Read, print, compile and ask one rule; returns what came of it."""
    try:
        rule = parse_rule(text)
    except RuleError as error:
        fits = error.reason in REASONS and 0 <= error.position <= len(text) and error.rule == text
        return error.reason if fits and error.hint and error.caret else failed(error)
    assert parse_rule(print_rule(rule), max_chars=10 * len(text) + 1000) == rule
    try:
        predicate = compile_rule(rule, default_seed="f", now=lambda: NOW)
    except RuleError as error:
        return "pattern refused" if error.reason == "BadOperand" else failed(error)
    for _ in range(2):
        assert predicate(generator.user_id(), generator.context() or {}) in {True, False}
    return "rule read"


def document_case(generator: Generator, content: str | bytes) -> str:
    """Read one document both ways and ask every flag; returns what came of it."""
    found = []
    for read in (Snapshot.from_json, Snapshot.from_retrieved):
        try:
            snapshot = read(content)
        except DocumentError as error:
            found.append("document refused" if error.violations and error.hint else failed(error))
            continue
        context = generator.context()
        for key in list(snapshot.flags):
            evaluation = snapshot.flags[key](generator.user_id(), context)
            assert isinstance(evaluation, Evaluation)
            assert (evaluation.error is None) == (evaluation.is_on is not None)
        assert all(isinstance(problem, str) for problem in snapshot.check().values())
        for key in list(snapshot.flags)[:1]:
            json.dumps(explain(snapshot, key, generator.user_id(), context).to_dict())
        found.append("document with problems" if snapshot.problems else "document read")
    return found[0]


def document(generator: Generator) -> str | bytes:
    """A document that is right, or wrong in a few places, or mangled as text."""
    choose, chance = generator.random.choice, generator.random.random

    def wrong(value: object, odds: float = 0.03) -> object:
        return choose(SCALARS) if chance() < odds else value

    def flag() -> dict[str, object]:
        entry: dict[str, object] = {"enabled": wrong(chance() < 0.5, 0.2), "color": choose(SCALARS), "_updatedAt": "x"}
        if chance() < 0.6:
            variants = []
            for index in range(generator.random.randrange(4)):
                rule = print_rule(generator.rule(2))
                rule = generator.mangled(rule) if chance() < 0.1 else rule
                variant = {
                    "name": f"v{index}",
                    "enabled": wrong(True),
                    "rule": wrong(rule),
                    "attributeValues": {"value": choose(SCALARS)},
                }
                variants.append(wrong(variant))
            entry = {"_variants": wrong([*variants, wrong({"name": wrong("default"), "enabled": wrong(False)})])}
        if chance() < 0.05:
            entry["_variant"] = "default"
        return entry

    values = {
        choose(["a", "b", "flag-1", "__class__", "", "é"]): wrong(flag()) for _ in range(generator.random.randrange(4))
    }
    shape = choose([{"version": wrong("1"), "flags": {}, "values": wrong(values)}] * 3 + [values])
    text = json.dumps(shape, ensure_ascii=chance() < 0.5)
    if chance() < 0.2:
        text = generator.mangled(text)
    return text.encode("utf-8", "surrogatepass") if chance() < 0.3 else text


def failed(error: Exception) -> str:
    raise AssertionError(f"an error lacks what it owes: {error!r}") from error


def run(cases: int, seed: int, *, limit_s: float = LIMIT_S) -> tuple[Counter[str], float, str]:
    """Run `cases` cases; returns the outcomes, the slowest time in seconds and its input."""
    generator = Generator(seed)
    outcomes: Counter[str] = Counter()
    slowest, slowest_input = 0.0, ""
    for _ in range(cases):
        pick = generator.random.random()
        if pick < 0.25:
            subject: str | bytes = document(generator)
        else:
            subject = print_rule(generator.rule())
            subject = generator.mangled(subject) if pick < 0.85 else subject
        start = time.thread_time()
        try:
            outcome = document_case(generator, subject) if pick < 0.25 else rule_case(generator, str(subject))
        except Exception:
            print(f"seed {seed}, failed on {subject!r}")
            raise
        took = time.thread_time() - start
        outcomes[outcome] += 1
        if took > slowest:
            slowest, slowest_input = took, repr(subject)
        if took > limit_s:
            raise AssertionError(f"{took * 1000:.0f} ms on {subject!r}")
    return outcomes, slowest, slowest_input


def main() -> int:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for name, text in HOSTILE.items():
        begin = time.thread_time()
        outcome = rule_case(Generator(seed), text)
        print(f"{(time.thread_time() - begin) * 1000:7.1f} ms  {name}: {outcome}")
    start = time.perf_counter()
    outcomes, slowest, slowest_input = run(cases, seed)
    print(
        f"{cases} cases, seed {seed}, {time.perf_counter() - start:.0f} s; slowest {slowest * 1000:.1f} ms: {slowest_input[:200]}"
    )
    for outcome, count in outcomes.most_common():
        print(f"{count:9} {outcome}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
