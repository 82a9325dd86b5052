"""RE2 patterns with a budget, for each pattern and for a whole document. It must not evaluate rules.

RE2 is linear in the text, but not free: it holds the interpreter's lock while it compiles and searches, and both grow
with the size of its program. Without a budget a pattern of 30 characters compiled for 0.9 s, and `[a-z]{1,900}x`
searched 100,000 characters for 10 s (measured with google-re2 1.1). Within it, neither takes more than 50 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from flagkit.core.rules.ast import Matches, Rule, walk
from flagkit.core.rules.printer import print_operand, print_rule
from flagkit.errors import RuleError

MAX_MEMORY_BYTES = 256 * 1024
"""RE2's `max_mem`: what it can use for one pattern before it refuses it."""

MAX_PROGRAM = 4_000
"""The largest program of one pattern, in RE2's instructions; `^[^@]+@example[.]com$` has 25."""

MAX_DOCUMENT_PROGRAM = 50_000
"""The largest sum of the programs of one document."""

MAX_WORK = 500_000
"""The instructions of a pattern times the bytes of a text, at most: a step takes up to 60 ns. A longer text isn't
searched; for a pattern of 25 instructions that is one of 20,000 characters."""

INSTALL = "Install flagkit-canary[patterns] where flags with patterns are evaluated."
MISSING = "PatternsMissing"
"""The reason of a rule that can't be evaluated because google-re2 is not installed."""

Search: TypeAlias = Callable[[str], object | None]
"""Finds a pattern anywhere in a text. Raises TextTooLongError, and UnicodeEncodeError for a lone surrogate."""


class PatternRefusedError(ValueError):
    """A pattern that is not valid or exceeds the budget; its text says why."""


class TextTooLongError(ValueError):
    """A text is not searched, because it is too long for the pattern: whether it matches is unknown."""


class PatternsMissingError(PatternRefusedError):
    """google-re2 is not installed: the pattern may be valid, but can't be evaluated here."""


class Compiled(NamedTuple):
    """A compiled pattern and the size of its program."""

    search: Search
    size: int


class Patterns:
    """The patterns of one document, each compiled once."""

    def __init__(self) -> None:
        self._compiled: dict[str, Compiled] = {}

    def search(self, pattern: str) -> Search:
        """Return the function that finds a pattern in a text.

        Raises:
            PatternRefusedError: the pattern is not valid, or exceeds the budget.
        """
        known = self._compiled.get(pattern)
        if known is None:
            known = compile_pattern(pattern)
            total = known.size + sum(compiled.size for compiled in tuple(self._compiled.values()))
            if total > MAX_DOCUMENT_PROGRAM:
                limit = f"the limit is {MAX_DOCUMENT_PROGRAM:,}"
                raise PatternRefusedError(f"the patterns of the document need {total:,} RE2 instructions, {limit}")
            self._compiled[pattern] = known
        return known.search


def patterns_work() -> bool:
    """Return whether google-re2 is installed."""
    try:
        compile_pattern("")
    except PatternsMissingError:
        return False
    return True


def compile_pattern(pattern: str, *, max_program: int = MAX_PROGRAM) -> Compiled:
    """Compile one pattern.

    Raises:
        PatternRefusedError: it is not valid, or exceeds the budget of one pattern.
    """
    try:
        import re2  # only here: it costs start-up time and memory, and most documents have no pattern
    except ImportError:
        raise PatternsMissingError("google-re2 is not installed") from None
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True  # groups cost a factor of 30
    options.max_mem = MAX_MEMORY_BYTES
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0]
        raise PatternRefusedError(why.decode(errors="replace") if isinstance(why, bytes) else str(why)) from None
    if compiled.programsize > max_program:
        raise PatternRefusedError(f"it needs {compiled.programsize:,} RE2 instructions, the limit is {max_program:,}")
    return Compiled(_limited(compiled.search, MAX_WORK // compiled.programsize), compiled.programsize)


def _limited(search: Search, most_bytes: int) -> Search:
    def found(text: str) -> object | None:
        if len(text) > (most_bytes if text.isascii() else most_bytes // 4):
            raise TextTooLongError
        return search(text)

    return found


def check_patterns(rule: Rule, patterns: Patterns) -> None:
    """Compile the patterns of a rule.

    Raises:
        RuleError: one of them is not valid, exceeds the budget, or can't be compiled on this machine.
    """
    for node in walk(rule):
        if isinstance(node, Matches):
            try:
                patterns.search(node.pattern.value)
            except PatternRefusedError as error:
                raise _rule_error(node, error) from error


def _rule_error(node: Matches, error: PatternRefusedError) -> RuleError:
    position = len(f"(matches in::{print_operand(node.value)} pattern::")
    hint = "Patterns are RE2: no backreferences, no lookaround; repeat at most a few hundred times."
    reason = "BadOperand"
    if isinstance(error, PatternsMissingError):
        hint, reason = INSTALL, MISSING
    message = f"the pattern can't be used: {error}"
    return RuleError(message, reason=reason, position=position, rule=print_rule(node), path="matches", hint=hint)
