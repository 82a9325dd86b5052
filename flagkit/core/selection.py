"""How a flag's ordered variants become one function: the first rule that is true wins, otherwise the last variant.

It must not read documents or text. All answers are built before; a read picks one. Consecutive variants that look at
the same bucket are decided by one hash, and the shapes that most flags have get a function of their own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import TypeAlias

from mmh3 import mmh3_32_uintdigest as murmur3

from flagkit.core.evaluation import ErrorCode, Evaluation, FlagFunction, constant, failure
from flagkit.core.rules.ast import Rule
from flagkit.core.rules.buckets import BucketRanges
from flagkit.core.rules.compiler import RuleCompiler, bucket_of, bucket_of_value
from flagkit.core.rules.keys import Context
from flagkit.core.rules.predicates import Predicate, Scope
from flagkit.errors import RuleError

NO_CONTEXT: Mapping[str, object] = MappingProxyType({})

_Pair: TypeAlias = tuple[Predicate, Evaluation]
_Stage: TypeAlias = Callable[[object, Context], Evaluation | None]
"""Some consecutive variants: the answer of the first whose rule is true, or None."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant with a rule, and its answers.

    Attributes:
        rule: the tree of its rule.
        matched: the answer when the rule is true and no percentage decided that.
        split: the answer when a percentage decided.
    """

    rule: Rule
    matched: Evaluation
    split: Evaluation


@dataclass(frozen=True, slots=True)
class _Table:
    """Consecutive variants that look at one bucket: the answer for each range of the bucket line, if there is one."""

    by: str
    seed: str
    bounds: tuple[int, ...]
    answers: tuple[Evaluation | None, ...]
    missing: Evaluation | None


def select(candidates: Sequence[Candidate], default: Evaluation, scope: Scope) -> FlagFunction:
    """Return the function of a flag with variants.

    Raises:
        RuleError: a rule can't be compiled.
    """
    match _stages(candidates, RuleCompiler(scope)):
        case []:
            return constant(default)
        case [((test, answer),)]:
            return _one_rule(test, answer, default)
        case [((first, first_answer), (second, second_answer))]:
            return _two_rules(first, first_answer, second, second_answer, default)
        case [_Table() as table] if table.by == scope.user_key:
            return _rollout(table, default) if len(table.bounds) == 1 else _by_user(table, default)
        case stages:
            steps = [_by_bucket(stage, scope) if isinstance(stage, _Table) else _by_rule(stage) for stage in stages]
            return _in_order(steps, default)


def _stages(candidates: Sequence[Candidate], compiler: RuleCompiler) -> list[tuple[_Pair, ...] | _Table]:
    """Gather consecutive candidates that look at one bucket, and those between them."""
    ranged = [(compiler.ranges(candidate.rule), candidate) for candidate in candidates]
    stages: list[tuple[_Pair, ...] | _Table] = []
    for bucket, group in groupby(ranged, lambda item: None if item[0] is None else (item[0].by, item[0].seed)):
        members = list(group)
        if bucket is None:
            stages.append(tuple(pair for _, candidate in members for pair in _pairs(candidate, compiler)))
        else:
            stages.append(_table([(ranges, candidate.split) for ranges, candidate in members if ranges is not None]))
    return stages


def in_variant(error: RuleError, variant: str) -> RuleError:
    """Return the same error with the variant and the character named in its message."""
    message = f"variant {variant}: {error.message} (character {error.position + 1})"
    return RuleError(
        message, reason=error.reason, position=error.position, rule=error.rule, path=error.path, hint=error.hint
    )


def _pairs(candidate: Candidate, compiler: RuleCompiler) -> list[_Pair]:
    try:
        test = compiler.predicate(candidate.rule)
    except RuleError as error:
        raise in_variant(error, candidate.matched.variant or "") from error
    decided = compiler.split_decides(candidate.rule)
    if isinstance(decided, bool):
        return [(test, candidate.split if decided else candidate.matched)]
    decide = decided
    return [
        (lambda user, context: test(user, context) and decide(user, context), candidate.split),
        (test, candidate.matched),
    ]


def _table(members: list[tuple[BucketRanges, Evaluation]]) -> _Table:
    first = members[0][0]
    bounds = tuple(sorted({bound for ranges, _ in members for bound in ranges.bounds}))
    answers = tuple(_first(members, [ranges.at(bound) for ranges, _ in members]) for bound in (0, *bounds))
    return _Table(first.by, first.seed, bounds, answers, _first(members, [ranges.missing for ranges, _ in members]))


def _first(members: list[tuple[BucketRanges, Evaluation]], truths: list[bool]) -> Evaluation | None:
    return next((answer for (_, answer), truth in zip(members, truths, strict=True) if truth), None)


def _by_rule(pairs: tuple[_Pair, ...]) -> _Stage:
    def stage(user_id: object, context: Context) -> Evaluation | None:
        for test, answer in pairs:
            if test(user_id, context):
                return answer
        return None

    return stage


def _by_bucket(table: _Table, scope: Scope) -> _Stage:
    bounds, answers, missing = table.bounds, table.answers, table.missing
    locate = bucket_of(table.by, table.seed, scope)

    def stage(user_id: object, context: Context) -> Evaluation | None:
        bucket = locate(user_id, context)
        return missing if bucket < 0 else answers[bisect_right(bounds, bucket)]

    return stage


# Every function below is the outermost one of a flag, so it stands in for a missing context and lets no error out.


def _in_order(stages: Sequence[_Stage], default: Evaluation) -> FlagFunction:
    def flag(user_id: object, context: Context | None) -> Evaluation:
        if context is None:
            context = NO_CONTEXT
        try:
            for stage in stages:
                answer = stage(user_id, context)
                if answer is not None:
                    return answer
        except Exception:  # noqa: BLE001 - reads never raise (decision 0006)
            return _failed(default)
        return default

    return flag


def _one_rule(test: Predicate, answer: Evaluation, default: Evaluation) -> FlagFunction:
    def flag(user_id: object, context: Context | None) -> Evaluation:
        try:
            return answer if test(user_id, NO_CONTEXT if context is None else context) else default
        except Exception:  # noqa: BLE001 - as above
            return _failed(default)

    return flag


def _two_rules(
    first: Predicate, first_answer: Evaluation, second: Predicate, second_answer: Evaluation, default: Evaluation
) -> FlagFunction:
    def flag(user_id: object, context: Context | None) -> Evaluation:
        if context is None:
            context = NO_CONTEXT
        try:
            if first(user_id, context):
                return first_answer
            return second_answer if second(user_id, context) else default
        except Exception:  # noqa: BLE001 - as above
            return _failed(default)

    return flag


def _rollout(table: _Table, default: Evaluation) -> FlagFunction:
    prefix, limit = f"{table.seed}:", table.bounds[0]
    below, above = (default if answer is None else answer for answer in table.answers)

    def flag(user_id: object, context: Context | None) -> Evaluation:
        if type(user_id) is str:
            try:
                return below if murmur3((prefix + user_id).encode()) < limit else above
            except UnicodeEncodeError:  # has no bucket, like a missing id
                return table.missing or default
        return _by_other_id(table, default, user_id, context)

    return flag


def _by_user(table: _Table, default: Evaluation) -> FlagFunction:
    prefix, bounds = f"{table.seed}:", table.bounds
    answers = tuple(default if answer is None else answer for answer in table.answers)

    def flag(user_id: object, context: Context | None) -> Evaluation:
        if type(user_id) is str:
            try:
                return answers[bisect_right(bounds, murmur3((prefix + user_id).encode()))]
            except UnicodeEncodeError:
                return table.missing or default
        return _by_other_id(table, default, user_id, context)

    return flag


def _by_other_id(table: _Table, default: Evaluation, user_id: object, context: Context | None) -> Evaluation:
    """The two above for an id that isn't a plain string: it may be a number, or in the context, or nowhere."""
    try:
        value = user_id if user_id is not None or context is None else context.get(table.by)
    except Exception:  # noqa: BLE001 - as above
        return _failed(default)
    bucket = bucket_of_value(f"{table.seed}:", value)
    return (table.missing if bucket < 0 else table.answers[bisect_right(table.bounds, bucket)]) or default


def _failed(default: Evaluation) -> Evaluation:
    message = "The context can't be read: it must be a mapping of names to values."
    return failure(default.key, ErrorCode.INVALID_CONTEXT, message, version=default.version)
