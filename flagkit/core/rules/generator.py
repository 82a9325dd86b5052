"""Writes one Python function for a flag from the trees of its rules; `shapes` compiles it.

Nothing of a document is ever text in the source: keys, strings, numbers, seeds and answers are bound to names
(`key_1`, `text_2`, `answer_1`) as arguments of the function around it. So no document can inject code, and all flags of
one shape share one code object. Evaluation order is that of `walker`, and whatever raises is left to the walker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

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
    TextOperator,
    TextTest,
    Timestamp,
    has_split,
)
from flagkit.core.rules.buckets import BucketRanges, combine, ranges_of
from flagkit.core.rules.keys import special_key
from flagkit.core.rules.shapes import Generated
from flagkit.core.rules.values import MIRRORED, Scope, constant_value
from flagkit.core.rules.walker import Walker

if TYPE_CHECKING:
    from flagkit.core.variants import Candidate

MAX_TESTS = 400
"""The most tests of one function. Python needs more than 50 ms for a larger one; such a flag stays with the walker."""

_SIGNS: Mapping[CompareOperator, str] = {"eq": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_CONSTANTS: Mapping[type[Constant], str] = {Text: "text", Number: "number", Boolean: "boolean", Timestamp: "instant"}
_READS: Mapping[type[Constant], str] = {
    Text: "{local} if type({value}) is str or {local} is None else text_of({local})",
    Number: "{local} if type({value}) is int and min_int <= {local} <= max_int else number_of({local})",
    Boolean: "{local} if type({value}) is bool else boolean_of({local})",
    Timestamp: "instant_of({value})",
}
_RULE_REASONS = (Reason.SPLIT, Reason.TARGETING_MATCH)
_AND, _OR = "\n                and ", "\n                or "
_METHODS: Mapping[TextOperator, str] = {"begins_with": "startswith", "ends_with": "endswith"}

Slots: TypeAlias = frozenset[str]
"""The local variables that certainly have their value at a point of the function."""


class TooLargeError(Exception):
    """The rules of a flag are too large for one function."""


def generate(candidates: Sequence[Candidate], default: Evaluation, scope: Scope) -> Generated:
    """Write the function of a flag: the first candidate whose rule is true answers, otherwise the default.

    Raises:
        TooLargeError: there are more than MAX_TESTS tests.
    """
    return _Writer(scope).flag(candidates, default)


class _Writer:
    """Writes the function of one flag.

    Conditions are written as expressions. With each goes which slots (`Slots`) are assigned where it is true and where
    it is false, so that a key is read and a bucket is hashed once wherever that is certain, and again where it isn't.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.bound: dict[str, object] = {}
        self.names: dict[tuple[object, ...], str] = {}
        self.written: set[str] = set()
        self.initialised: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.ranges: dict[int, BucketRanges | None] = {}
        self.deciders: dict[int, bool | None] = {}
        self.tests = 0
        self.rewriting = False
        self.read_again: set[str] = set()

    def flag(self, candidates: Sequence[Candidate], default: Evaluation) -> Generated:
        list(self.statements(candidates, default))  # once to learn which slots are read again, and once to write
        self.rewriting = True
        self.written.clear()
        self.initialised.clear()
        self.tests = 0
        lines = list(self.statements(candidates, default))
        if any("context." in line or "(context)" in line for line in lines):
            lines[:0] = ["if context is None:", "    context = no_context"]
        if self.initialised:
            lines.insert(0, f"{' = '.join(sorted(self.initialised))} = None")
        parts = [
            f"def bind({', '.join(['fallback', *self.bound])}):",
            "    def flag(user_id, context):",
            "        try:",
        ]
        parts += [f"            {line}" for line in lines]
        parts += [
            "        except Exception:",
            "            return fallback(user_id, context)",
            "",
            "    return flag",
            "",
        ]
        return Generated("\n".join(parts), self.bound)

    # Statements

    def statements(self, candidates: Sequence[Candidate], default: Evaluation) -> Iterator[str]:
        before: Slots = frozenset()
        for bucket, group in groupby(candidates, lambda candidate: self.line(candidate.rule)):
            members = list(group)
            if bucket is not None and len(members) > 1:
                is_last = members[-1] is candidates[-1]
                before = yield from self.table(members, default if is_last else None, before)
                if is_last:
                    return
            else:
                for member in members:
                    before = yield from self.candidate(member.rule, member, before)
        yield f"return {self.answer(default)}"

    def table(
        self, members: list[Candidate], otherwise: Evaluation | None, before: Slots
    ) -> Generator[str, None, Slots]:
        """Decide variants that look at one bucket by one look-up."""
        ranges = [self.of(member.rule) for member in members]
        bounds = sorted({bound for item in ranges for bound in item.bounds})
        answers = tuple(
            next(
                (member.answer(Reason.SPLIT) for member, item in zip(members, ranges, strict=True) if item.at(bound)),
                otherwise,
            )
            for bound in (-1, *bounds)
        )
        bucket, _, after = self.bucket(ranges[0], before)
        index = f"bisect({self.bind('limits', tuple(bounds))}, {bucket})"
        answer = f"{self.bind('answers', answers, tuple(map(id, answers)))}[{index}]"
        if otherwise is None:
            yield f"answer = {answer}"
            yield "if answer is not None:"
            yield "    return answer"
        else:
            yield f"return {answer}"
        return after

    def candidate(self, rule: Condition, answers: Candidate, before: Slots) -> Generator[str, None, Slots]:
        if self.decides(rule) is None and isinstance(rule, Or):
            for operand in rule.operands:
                before = yield from self.candidate(operand, answers, before)
            return before
        test, by_split, _, after = self.decided(rule, before)
        yield f"if {test}:"
        reasons = {"True": [Reason.SPLIT], "False": [Reason.TARGETING_MATCH]}
        found = [self.answer(answers.answer(reason)) for reason in reasons.get(by_split, list(_RULE_REASONS))]
        yield f"    return {f' if {by_split} else '.join(found)}"
        return after

    # Conditions: the expression, and the slots that are assigned where it is true and where it is false

    def decided(self, rule: Condition, before: Slots) -> tuple[str, str, Slots, Slots]:
        """Write a condition with the expression that tells, once it is true, whether a percentage decided."""
        known = self.decides(rule)
        if known is not None:
            test, true, false = self.condition(rule, before)
            return test, str(known), true, false
        assert isinstance(rule, And | Or)
        tests, deciders, flow = [], [], _Flow(is_and=isinstance(rule, And), before=before)
        for operand in rule.operands:
            test, decider, true, false = self.decided(operand, flow.before)
            flow.add(true, false)
            tests.append(test)
            deciders.append(decider)
        if flow.is_and:
            by_split = " or ".join(decider for decider in deciders if decider != "False")
            return f"({_AND.join(tests)})", f"({by_split})", flow.true, flow.false
        name = self.name("by_split", id(rule))
        tests = [
            f"({test} and ({name} := {decider}) is not None)" for test, decider in zip(tests, deciders, strict=True)
        ]
        return f"({_OR.join(tests)})", name, flow.true, flow.false

    def condition(self, rule: Condition, before: Slots) -> tuple[str, Slots, Slots]:
        if self.line(rule) is not None:
            return self.in_ranges(self.of(rule), before)
        match rule:
            case Not(operand):
                test, true, false = self.condition(operand, before)
                return f"(not {test})", false, true
            case And(operands) | Or(operands):
                tests, flow = [], _Flow(is_and=isinstance(rule, And), before=before)
                for _, group in groupby(operands, self.line_or_self):
                    members = list(group)
                    if len(members) == 1:
                        test, true, false = self.condition(members[0], flow.before)
                    else:
                        merged = combine([self.of(member) for member in members], all if flow.is_and else any)
                        test, true, false = self.in_ranges(merged, flow.before)
                    flow.add(true, false)
                    tests.append(test)
                return f"({(_AND if flow.is_and else _OR).join(tests)})", flow.true, flow.false
            case Boolean(value):
                return str(value), before, before
            case _:
                assert not isinstance(rule, Split)  # a split always has ranges
                self.tests += 1
                if self.tests > MAX_TESTS:
                    raise TooLargeError(f"More than {MAX_TESTS:,} tests: the flag is evaluated by walking its rules.")
                return self.leaf(rule, before)

    def leaf(self, rule: Compare | TextTest | Membership | Matches | Exists, before: Slots) -> tuple[str, Slots, Slots]:
        match rule:
            case Compare(name, Key() as left, Key() as right):
                first, _, between = self.value(left, before)
                second, _, after = self.value(right, between)
                return f"compare({self.bind('operator', name)}, {first}, {second})", after, after
            case Compare(name, Key() as key, Text() | Number() | Boolean() | Timestamp() as constant):
                return self.compare(name, key, constant, before)
            case Compare(name, Text() | Number() | Boolean() | Timestamp() as constant, Key() as key):
                return self.compare(MIRRORED[name], key, constant, before)
            case TextTest(name, left, right) if isinstance(left, Key) or isinstance(right, Key):
                return self.text_test(name, left, right, before)
            case Membership(Key() as key):
                return self.membership(key, rule, before)
            case Matches(Key() as key, pattern):
                text, local, after = self.read(Text, key, before)
                self.read_again.add(local)
                search = self.bind("search", self.scope.patterns.search(pattern.value), pattern.value)
                return f"({text} is not None and {search}({local}) is not None)", after, after
            case Exists(key):
                value, _, after = self.value(key, before)
                return f"({value} is not None)", after, after
            case _:  # constants only
                return str(bool(Walker(self.scope, None, {}).evaluate(rule))), before, before

    def compare(self, name: CompareOperator, key: Key, constant: Constant, before: Slots) -> tuple[str, Slots, Slots]:
        found, local, after = self.read(type(constant), key, before)
        if isinstance(constant, Boolean):
            return f"({found} is {constant.value})", after, after
        wanted = self.bind(_CONSTANTS[type(constant)], constant_value(constant))
        if name == "eq":
            return f"({found} == {wanted})", after, after
        self.read_again.add(local)
        return f"({found} is not None and {local} {_SIGNS[name]} {wanted})", after, after

    def text_test(
        self, name: TextOperator, left: Text | Key, right: Text | Key, before: Slots
    ) -> tuple[str, Slots, Slots]:
        tests, texts, flow = [], [], _Flow(is_and=True, before=before)
        for operand in (left, right):
            if isinstance(operand, Key):
                found, text, after = self.read(Text, operand, flow.before)
                flow.add(after, after)
                self.read_again.add(text)
                tests.append(f"{found} is not None")
            else:
                text = self.bind("text", constant_value(operand))
            texts.append(text)
        tests.append("{1} in {0}".format(*texts) if name == "contains" else f"{texts[0]}.{_METHODS[name]}({texts[1]})")
        return f"({' and '.join(tests)})", flow.true, flow.false

    def membership(self, key: Key, rule: Membership, before: Slots) -> tuple[str, Slots, Slots]:
        kinds: dict[type[Constant], list[Constant]] = {Text: []} if rule.texts or not rule.others else {}
        for item in rule.others:
            kinds.setdefault(type(item), []).append(item)
        tests, flow = [], _Flow(is_and=False, before=before)
        for kind, items in kinds.items():
            found, _, after = self.read(kind, key, flow.before)
            values = rule.texts if kind is Text else frozenset(constant_value(item) for item in items)
            tests.append(f"{found} in {self.bind(f'{_CONSTANTS[kind]}s', values)}")
            flow.add(after, after)
        return f"({' or '.join(tests)})", flow.true, flow.false

    def in_ranges(self, ranges: BucketRanges, before: Slots) -> tuple[str, Slots, Slots]:
        bucket, _, after = self.bucket(ranges, before)
        limits = [self.bind("limit", bound) for bound in ranges.bounds] if len(ranges.bounds) < 3 else []
        match ranges.truths, limits:
            case (truth,), _:  # 0 % and the like: the key is read all the same, as the walker does
                test = f"({bucket} {'>=' if truth else '<'} 0)"
            case (truth, _), [limit]:
                test = f"({bucket} {'<' if truth else '>='} {limit})"
            case (truth, _, _), [low, high]:
                test = f"({'not ' if truth else ''}{low} <= {bucket} < {high})"
            case _:
                test = f"{self.bind('truths', ranges.truths)}[bisect({self.bind('limits', ranges.bounds)}, {bucket})]"
        return test, after, after

    # Slots: the expression that reads one, the local variable that has it afterwards, and the slots assigned then

    def value(self, key: Key, before: Slots) -> tuple[str, str, Slots]:
        bound = self.bind("key", key.name)
        name = bound.replace("key", "value")
        read = f"context.get({bound})"
        if key.name == self.scope.user_key:
            read = f"user_id if user_id is not None else {read}"
        elif special := special_key(key.name, self.scope.now):
            read = f"{self.bind('special', special, key.name)}(context)"
        return (name, name, before) if name in before else (f"({name} := {read})", name, before | {name})

    def read(self, kind: type[Constant], key: Key, before: Slots) -> tuple[str, str, Slots]:
        """Write how a key is read as the type of a constant; None if its value is no such thing."""
        name = self.bind("key", key.name).replace("key", f"as_{_CONSTANTS[kind]}")
        if name in before:
            return self.again(name, before)
        value, local, after = self.value(key, before)
        if kind is Text and key.name == self.scope.user_key:
            read = f"user_id if type(user_id) is str else text_of({value})"
            after = before
        else:
            read = _READS[kind].format(value=value, local=local)
        return self.assigned(name, read, before, after)

    def bucket(self, ranges: BucketRanges, before: Slots) -> tuple[str, str, Slots]:
        name = self.name("bucket", ranges.by, ranges.seed)
        if name in before:
            return self.again(name, before)
        seed = self.bind("seed", f"{ranges.seed}:")
        value, local, after = self.value(Key(ranges.by), before)
        if ranges.by == self.scope.user_key:
            value, local, other, after = "user_id", "user_id", value, before
        else:
            other = local
        read = f"murmur3(({seed} + {local}).encode()) if type({value}) is str else bucket_of({seed}, {other})"
        return self.assigned(name, read, before, after)

    def again(self, name: str, before: Slots) -> tuple[str, str, Slots]:
        self.read_again.add(name)
        return name, name, before

    def assigned(self, name: str, read: str, before: Slots, after: Slots) -> tuple[str, str, Slots]:
        if self.rewriting and name not in self.read_again:
            return f"({read})", name, after | {name}
        if name not in self.written:
            self.written.add(name)
            return f"({name} := {read})", name, after | {name}
        self.read_again.add(name)
        self.initialised.add(name)  # perhaps assigned on the way here
        return f"({name} if {name} is not None else ({name} := {read}))", name, before | {name}

    # Names

    def line(self, rule: Condition) -> tuple[str, str] | None:
        """Return the key and seed of the one bucket that a condition depends on, or None."""
        ranges = ranges_of(rule, self.scope.default_seed, self.ranges)
        return None if ranges is None else (ranges.by, ranges.seed)

    def line_or_self(self, rule: Condition) -> tuple[str, str] | int:
        return self.line(rule) or id(rule)

    def of(self, rule: Condition) -> BucketRanges:
        ranges = ranges_of(rule, self.scope.default_seed, self.ranges)
        assert ranges is not None
        return ranges

    def decides(self, rule: Condition) -> bool | None:
        """Return whether a percentage decides wherever a condition is true; None if that is different for each user."""
        if id(rule) not in self.deciders:
            self.deciders[id(rule)] = self.decides_by(rule)
        return self.deciders[id(rule)]

    def decides_by(self, rule: Condition) -> bool | None:
        if not isinstance(rule, And | Or):
            return has_split(rule.operand if isinstance(rule, Not) else rule)
        parts = {self.decides(operand) for operand in rule.operands}
        if isinstance(rule, And) and True in parts:
            return True
        return parts.pop() if len(parts) == 1 else None

    def answer(self, answer: Evaluation) -> str:
        return self.bind("answer", answer, id(answer))

    def bind(self, prefix: str, value: object, same: object = None) -> str:
        """Return the name of a bound value; `same` tells equal values apart from others."""
        name = self.name(prefix, type(value), value if same is None else same)
        self.bound[name] = value
        return name

    def name(self, prefix: str, *same: object) -> str:
        known = self.names.get((prefix, *same))
        if known is None:
            known = self.names[prefix, *same] = f"{prefix}_{self.counts[prefix] + 1}"
            self.counts[prefix] += 1
        return known


class _Flow:
    """Which slots are assigned along the operands of an `and` or an `or`, each evaluated only after the one before."""

    def __init__(self, *, is_and: bool, before: Slots) -> None:
        self.is_and = is_and
        self.before = before  # what the next operand can rely on
        self.left: Slots | None = None  # what is certain where evaluation ended early

    def add(self, true: Slots, false: Slots) -> None:
        self.before, left = (true, false) if self.is_and else (false, true)
        self.left = left if self.left is None else self.left & left

    @property
    def true(self) -> Slots:
        return self.before if self.is_and or self.left is None else self.left & self.before

    @property
    def false(self) -> Slots:
        return self.before if not self.is_and or self.left is None else self.left & self.before
