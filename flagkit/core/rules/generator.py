"""Writes one Python function for a flag from the trees of its rules; `shapes` compiles it.

Nothing of a document is ever text in the source: keys, strings, numbers, seeds and answers are bound to names
(`key_1`, `text_2`, `answer_1`) as arguments of the function around it. So no document can inject code, and all flags of
one shape share one code object. What a condition means is `walker`'s; whatever raises here is left to the walker, and
so is a text that is too long for a pattern.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from flagkit.core.evaluation import Evaluation, Reason
from flagkit.core.rules.ast import (
    And,
    Boolean,
    Compare,
    CompareOperator,
    Condition,
    Constant,
    Exists,
    Key,
    Matches,
    Membership,
    Not,
    Number,
    Or,
    Split,
    Text,
    TextTest,
    Timestamp,
    has_split,
)
from flagkit.core.rules.buckets import BucketRanges, combine, ranges_of
from flagkit.core.rules.keys import special_key
from flagkit.core.rules.shapes import Generated
from flagkit.core.rules.values import MIRRORED, Scope, after_prefix, constant_value, is_quick, reader
from flagkit.core.rules.walker import Walker

if TYPE_CHECKING:
    from flagkit.core.variants import Candidate

MAX_TESTS = 400
"""The most tests of one function. Python needs more than 50 ms for a larger one; such a flag stays with the walker."""

MAX_CHAIN = 4
"""How many ranges of buckets are compared one after the other; more are looked up."""

_SIGNS: Mapping[CompareOperator, str] = {"eq": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_AND, _OR = "\n                and ", "\n                or "


class TooLargeError(Exception):
    """The rules of a flag are too large for one function."""


def generate(candidates: Sequence[Candidate], default: Evaluation, scope: Scope) -> Generated:
    """Write the function of a flag: the first candidate whose rule is true answers, otherwise the default.

    Raises:
        TooLargeError: there are more than MAX_TESTS tests.
    """
    first = _Writer(scope, Counter())
    list(first.body(candidates, default))  # once to learn what is used how often, and once to write
    writer = _Writer(scope, first.uses)
    lines = list(writer.body(candidates, default))
    lines[:0] = writer.slots.values()
    if any("context.get" in line or "(context)" in line for line in lines):
        lines[:0] = ["if context is None:", "    context = no_context"]
    source = [f"def bind({', '.join(['fallback', *writer.bound])}):", "    def flag(user_id, context):", "        try:"]
    source += [f"            {line}" for line in lines]
    source += ["        except Exception:", "            return fallback(user_id, context)", "", "    return flag", ""]
    return Generated("\n".join(source), writer.bound)


class _Writer:
    """Writes the statements of one function.

    A value that is used once is read where it is used. A value that is used more often has a slot: a local variable,
    assigned by the first statements of the function (`slots`); that of a bucket is empty until it is first needed.
    """

    def __init__(self, scope: Scope, known_uses: Counter[str]) -> None:
        self.scope = scope
        self.known_uses = known_uses
        self.uses: Counter[str] = Counter()
        self.slots: dict[str, str] = {}
        self.bound: dict[str, object] = {}
        self.names: dict[tuple[object, ...], str] = {}
        self.counts: Counter[str] = Counter()
        self.ranges: dict[int, BucketRanges | None] = {}
        self.deciders: dict[int, bool | None] = {}
        self.tests = 0

    # Statements

    def body(self, candidates: Sequence[Candidate], default: Evaluation) -> Iterator[str]:
        for (kind, *what), group in groupby(candidates, lambda candidate: self.look_up(candidate.rule)):
            members = list(group)
            if kind == "text" and len(members) > 2:
                yield from self.by_text(members, *what)
            elif kind == "bucket" and len(members) > 1:
                is_last = members[-1] is candidates[-1]
                yield from self.by_bucket(members, default if is_last else None)
                if is_last:
                    return
            else:
                for member in members:
                    yield from self.candidate(member.rule, member)
        yield f"return {self.answer(default)}"

    def look_up(self, rule: Condition) -> tuple[str, Any, Any]:
        """Return what is the same in variants that one look-up can decide, by a bucket or by the text of a key."""
        match rule:
            case _ if line := self.line(rule):
                return "bucket", *line
            case Compare("eq", Key() as key, Text()):
                return "text", key, ()
            case And((Compare("eq", Key() as key, Text()), *others)) if self.decides(rule) is not None:
                return "text", key, others
            case _:
                return "rule", id(rule), None

    def by_text(self, members: list[Candidate], key: Key, others: Sequence[Condition]) -> Iterator[str]:
        answers: dict[str, Evaluation] = {}
        for member in members:
            first = member.rule.operands[0] if isinstance(member.rule, And) else member.rule
            assert isinstance(first, Compare)
            assert isinstance(first.right, Text)
            answers.setdefault(first.right.value, member.answer(self.reason(member.rule)))
        table = self.bind("answers", answers, tuple(map(id, answers.values())))
        test = self.on_text(key, lambda text: f"(answer := {table}.get({text})) is not None", needs_text=False)
        yield f"if ({_AND.join([test, *([self.joined(others, all)] if others else [])])}):"
        yield "    return answer"

    def by_bucket(self, members: list[Candidate], otherwise: Evaluation | None) -> Iterator[str]:
        ranges = [self.of(member.rule) for member in members]
        bounds = sorted({bound for item in ranges for bound in item.bounds})
        answers = [
            next(
                (member.answer(Reason.SPLIT) for member, item in zip(members, ranges, strict=True) if item.at(bound)),
                otherwise,
            )
            for bound in (-1, *bounds)
        ]
        bucket = self.bucket(ranges[0])
        if len(bounds) <= MAX_CHAIN:
            parts, found = [], f"(bucket := {bucket})"
            for answer, bound in zip(answers, bounds, strict=False):
                parts.append(f"{self.answer(answer)} if {found} < {self.bind('limit', bound)} else ")
                found = "bucket"
            chosen = "".join(parts) + self.answer(answers[-1])
        else:
            index = f"bisect({self.bind('limits', tuple(bounds))}, {bucket})"
            chosen = f"{self.bind('answers', tuple(answers), tuple(map(id, answers)))}[{index}]"
        if otherwise is not None:
            yield f"return {chosen}"
            return
        yield f"answer = {chosen}"
        yield "if answer is not None:"
        yield "    return answer"

    def candidate(self, rule: Condition, answers: Candidate, after: Sequence[Condition] = ()) -> Iterator[str]:
        """Write a candidate's test and answer; `after` has what must be true besides the rule, and is asked later."""
        decides = self.decides(rule)
        match rule:
            case Or(operands) if decides is None:
                for operand in operands:
                    yield from self.candidate(operand, answers, after)
                return
            case And(operands) if decides is None:
                mixed = [index for index, operand in enumerate(operands) if self.decides(operand) is None]
                if len(mixed) == 1:
                    at = mixed[0]
                    yield f"if {self.joined(operands[:at], all) if at else True}:"
                    inner = self.candidate(operands[at], answers, (*operands[at + 1 :], *after))
                    yield from (f"    {line}" for line in inner)
                    return
                found = "fallback(user_id, context)"  # the walker finds out what decided
            case _:
                found = self.answer(answers.answer(self.reason(rule)))
        yield f"if {self.joined((rule, *after), all) if after else self.condition(rule)}:"
        yield f"    return {found}"

    # Conditions

    def condition(self, rule: Condition) -> str:
        if self.line(rule) is not None:
            return self.in_ranges(self.of(rule))
        match rule:
            case Not(operand):
                return f"(not {self.condition(operand)})"
            case And(operands):
                return self.joined(operands, all)
            case Or(operands):
                return self.joined(operands, any)
            case Boolean(value):
                return str(value)
            case _:
                assert not isinstance(rule, Split)  # a split always has ranges
                self.tests += 1
                if self.tests > MAX_TESTS:
                    raise TooLargeError(f"More than {MAX_TESTS:,} tests: the flag is evaluated by walking its rules.")
                return self.test(rule)

    def test(self, rule: Compare | TextTest | Membership | Matches | Exists) -> str:  # noqa: PLR0911 - one per operator
        match rule:
            case Compare(name, Key() as left, Key() as right):
                return f"compare({self.bind('operator', name)}, {self.value(left)[0]}, {self.value(right)[0]})"
            case Compare(name, Key() as key, Text() | Number() | Boolean() | Timestamp() as constant):
                return self.compare(name, key, constant)
            case Compare(name, Text() | Number() | Boolean() | Timestamp() as constant, Key() as key):
                return self.compare(MIRRORED[name], key, constant)
            case TextTest(name, Key() as key, Text(part)):
                return self.text_test(name, key, part)
            case TextTest(name, left, Key() as right):
                first = self.value(left)[0] if isinstance(left, Key) else self.bind("text", left.value)
                return f"test_texts({self.bind('operator', name)}, {first}, {self.value(right)[0]})"
            case Membership(Key() as key):
                return self.membership(key, rule)
            case Matches(operand, pattern):
                search = self.bind("search", self.scope.patterns.search(pattern.value), pattern.value)
                if isinstance(operand, Text):
                    return f"({search}({self.bind('text', operand.value)}) is not None)"
                return self.on_text(operand, lambda text: f"{search}({text}) is not None", needs_text=True)
            case Exists(key):
                return f"({self.value(key)[0]} is not None)"
            case _:  # constants only
                return str(bool(Walker(self.scope, None, {}).evaluate(rule)))

    def joined(self, operands: Iterable[Condition], rule: Callable[[Iterable[bool]], bool]) -> str:
        tests = []
        for _, group in groupby(operands, lambda operand: self.line(operand) or id(operand)):
            members = list(group)
            if len(members) == 1:
                tests.append(self.condition(members[0]))
            else:
                tests.append(self.in_ranges(combine([self.of(member) for member in members], rule)))
        return f"({(_AND if rule is all else _OR).join(tests)})"

    def compare(self, name: CompareOperator, key: Key, constant: Constant) -> str:
        wanted = constant_value(constant)
        sign = _SIGNS[name]
        if isinstance(constant, Text):
            bound = self.bind("text", wanted)
            return self.on_text(key, lambda text: f"{text} {sign} {bound}", needs_text=name != "eq")
        value, local = self.value(key)
        if isinstance(constant, Boolean):
            return f"({local} is {wanted} if type({value}) is bool else boolean_of({local}) is {wanted})"
        read = reader(constant).__name__
        if isinstance(constant, Number):
            bound = self.bind("number", wanted)
            slow = f"(number := number_of({local})) is not None and number {sign} {bound}"
            if not is_quick(wanted):
                return f"({value} is not None and {slow})"
            # The text of a number has a limit of 128 digits, which a larger one can exceed.
            end = "<= max_int" if sign[0] == ">" else ">= min_int"
            size = f" and ({local} {end} or number_of({local}) is not None)" if name != "eq" else ""
            return f"({local} {sign} {bound}{size} if type({value}) is int else {local} is not None and {slow})"
        bound = self.bind("instant", wanted)
        found = f"instants[{local}] if type({local}) is str else {read}({local})"
        return f"({value} is not None and (instant := {found}) is not None and instant {sign} {bound})"

    def text_test(self, name: str, key: Key, part: str) -> str:
        bound = self.bind("text", part)
        if name == "begins_with" and (after := after_prefix(part)) is not None:
            end = self.bind("text", after)  # half the time of `startswith`
            return self.on_text(key, lambda text: f"{bound} <= {text} < {end}", needs_text=True)
        if name == "contains":
            return self.on_text(key, lambda text: f"{bound} in {text}", needs_text=True)
        method = "startswith" if name == "begins_with" else "endswith"
        return self.on_text(key, lambda text: f"{text}.{method}({bound})", needs_text=True)

    def membership(self, key: Key, rule: Membership) -> str:
        kinds: dict[type[Constant], list[Constant]] = {}
        for item in rule.others:
            kinds.setdefault(type(item), []).append(item)
        tests = []
        if rule.texts or not kinds:
            texts = self.bind("texts", rule.texts)
            tests.append(self.on_text(key, lambda text: f"{text} in {texts}", needs_text=False))
        for items in kinds.values():
            values = self.bind("values", frozenset(map(constant_value, items)))
            tests.append(f"({reader(items[0]).__name__}({self.value(key)[0]}) in {values})")
        return f"({' or '.join(tests)})" if len(tests) > 1 else tests[0]

    def on_text(self, key: Key, test: Callable[[str], str], *, needs_text: bool) -> str:
        """Write a test of the text of a key; `needs_text` if it can't be asked of None."""
        has_text, text, otherwise = self.text(key)
        if otherwise is None:
            return f"({has_text} and {test(text)})" if needs_text else f"({test(text)})"
        value, local = otherwise
        other = f"{value} is not None and (text := text_of({local})) is not None and {test('text')}"
        return f"({test(text)} if {has_text} else {other})"

    def in_ranges(self, ranges: BucketRanges) -> str:
        bucket = self.bucket(ranges)
        limits = [self.bind("limit", bound) for bound in ranges.bounds] if len(ranges.bounds) < 3 else []
        match ranges.truths, limits:
            case (truth,), _:  # 0 % and the like: the key is read all the same, as the walker does
                return f"({bucket} {'>=' if truth else '<'} 0)"
            case (truth, _), [limit]:
                return f"({bucket} {'<' if truth else '>='} {limit})"
            case (truth, _, _), [low, high]:
                return f"({'not ' if truth else ''}{low} <= {bucket} < {high})"
        return f"{self.bind('truths', ranges.truths)}[bisect({self.bind('limits', ranges.bounds)}, {bucket})]"

    # Values: expressions, and the local variables that have their values afterwards

    def value(self, key: Key, *, again: bool = False) -> tuple[str, str]:
        bound = self.bind("key", key.name)
        name = bound.replace("key", "value")
        read = f"context.get({bound})"
        if key.name == self.scope.user_key:
            read = f"user_id if user_id is not None else (no_context if context is None else context).get({bound})"
        elif special := special_key(key.name, self.scope.now):
            read = f"{self.bind('special', special, key.name)}(context)"
        if self.is_shared(name, again=again):
            self.slots[name] = f"{name} = {read}"
            return name, name
        return f"({name} := {read})", name

    def text(self, key: Key) -> tuple[str, str, tuple[str, str] | None]:
        """Return whether a key has text, as an expression, that text, and what to read otherwise; None for nothing."""
        name = self.bind("key", key.name).replace("key", "as_text")
        is_user = key.name == self.scope.user_key
        if not self.is_shared(name):
            value, local = self.value(key, again=self.uses[name] > 1)
            if is_user:
                return "type(user_id) is str", "user_id", (value, local)
            return f"type({value}) is str", local, (local, local)
        if name not in self.slots:
            value, local = self.value(key)
            quick = "user_id if type(user_id) is str" if is_user else f"{local} if type({value}) is str"
            self.slots[name] = f"{name} = {quick} else text_of({value if is_user else local})"
        return f"{name} is not None", name, None

    def bucket(self, ranges: BucketRanges) -> str:
        name, seed = self.name("bucket", ranges.by, ranges.seed), self.bind("seed", f"{ranges.seed}:")
        has_text, text, otherwise = self.text(Key(ranges.by))
        # mmh3.hash(str) is faster than encoding, but crashes the process on a lone surrogate (seen with mmh3 5.3.1).
        quick = f"murmur3({seed} + {text}, 0, False) if {has_text} and {text}.isascii()"  # with a user id PLAIN
        read = f"{quick} else bucket_of({seed}, {otherwise[0] if otherwise else text})"
        if self.is_shared(name):
            self.slots[name] = f"{name} = None"
            return f"({name} if {name} is not None else ({name} := {read}))"
        return f"({read})"

    def is_shared(self, name: str, *, again: bool = False) -> bool:
        """Count a use of a value, unless it is counted, and return whether it is used more than once."""
        self.uses[name] += not again
        return self.known_uses[name] > 1

    # Names

    def line(self, rule: Condition) -> tuple[str, str] | None:
        """Return the key and seed of the one bucket that a condition depends on, or None."""
        ranges = ranges_of(rule, self.scope.default_seed, self.ranges)
        return None if ranges is None else (ranges.by, ranges.seed)

    def of(self, rule: Condition) -> BucketRanges:
        ranges = ranges_of(rule, self.scope.default_seed, self.ranges)
        assert ranges is not None
        return ranges

    def decides(self, rule: Condition) -> bool | None:
        """Return whether a percentage decides wherever a condition is true; None if that is different for each user."""
        if id(rule) not in self.deciders:
            found: bool | None = has_split(rule.operand if isinstance(rule, Not) else rule)
            if isinstance(rule, And | Or):
                parts = {self.decides(operand) for operand in rule.operands}
                found = True if isinstance(rule, And) and True in parts else parts.pop() if len(parts) == 1 else None
            self.deciders[id(rule)] = found
        return self.deciders[id(rule)]

    def reason(self, rule: Condition) -> Reason:
        return Reason.SPLIT if self.decides(rule) else Reason.TARGETING_MATCH

    def answer(self, answer: Evaluation | None) -> str:
        return "None" if answer is None else self.bind("answer", answer, id(answer))

    def bind(self, prefix: str, value: object, same: object = None) -> str:
        """Return the name of a bound value; `same` tells equal values apart from others."""
        name = self.name(prefix, type(value), value if same is None else same)
        self.bound[name] = value
        return name

    def name(self, prefix: str, *same: object) -> str:
        known = self.names.get((prefix, *same))
        if known is None:
            self.counts[prefix] += 1
            known = self.names[prefix, *same] = f"{prefix}_{self.counts[prefix]}"
        return known
