"""Compiles sources of generated functions: one code object for all flags of one shape. It must not write conditions."""

from __future__ import annotations

import linecache
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from types import FunctionType
from typing import Any, TypeAlias

from mmh3 import hash as murmur3

from flagkit.core.context import boolean_of, instant_of, number_of, text_of
from flagkit.core.evaluation import Evaluation, FlagFunction
from flagkit.core.rules.values import Instants, bucket_of_value, compare_values, test_texts

SHAPES_KEPT = 500
"""How many shapes keep their code."""

MIN_ALIKE = 8
"""Of how many flags of one shape on, one function that answers all of them is worth compiling."""

MAX_LOOP_CHARS = 5_000
"""The largest body of such a function, so that it is compiled in about a millisecond, in the reader's thread."""

PLAIN = "type(user_id) is str and user_id.isascii()"
"""Whether the hash takes a user id as it is."""

Row: TypeAlias = tuple[object, ...]
Loop: TypeAlias = Callable[[object, Mapping[str, object] | None, Iterable[Row], dict[str, Evaluation]], None]
"""Answers many flags of one shape, each a row of its key and bound values: `(user_id, context, rows, answers)`."""

_GLOBALS: dict[str, object] = {
    "__builtins__": {},
    "Exception": Exception,
    "bisect": bisect_right,
    "bool": bool,
    "boolean_of": boolean_of,
    "bucket_of": bucket_of_value,
    "compare": compare_values,
    "instant_of": instant_of,
    "instants": Instants(),
    "int": int,
    "max_int": 2**63 - 1,
    "min_int": -(2**63),
    "murmur3": murmur3,
    "no_context": {},
    "number_of": number_of,
    "str": str,
    "test_texts": test_texts,
    "text_of": text_of,
    "type": type,
}
_shapes: dict[str, Callable[..., FlagFunction]] = {}
_loops: dict[str, Loop] = {}
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated function, before it is compiled.

    Attributes:
        source: its source; the same for all flags of one shape.
        bound: the value of each name in it that isn't a local variable.
    """

    source: str
    bound: Mapping[str, object]

    def compile(self, fallback: FlagFunction) -> FlagFunction:
        """Return the function; `fallback` answers where it raises, for example for a context that is not a mapping."""
        bind = _shapes.get(self.source) or _compiled(self.source)
        return bind(fallback, *self.bound.values())

    def to_text(self) -> str:
        """Return the source and the bound values, for people."""
        values = "".join(f"# {name} = {_shortened(value)}\n" for name, value in self.bound.items())
        return f"{self.source}{values}"


def loops_over(flags: Mapping[str, FlagFunction]) -> list[tuple[Loop, list[Row]]]:
    """Return functions that answer those of some flags that are MIN_ALIKE or more of one shape.

    They are loops around the bodies: each flag is spared its call, and the test of the user id.
    """
    shapes: dict[str, dict[str, FunctionType]] = {}
    for key, flag in flags.items():
        if isinstance(flag, FunctionType):
            shapes.setdefault(flag.__code__.co_filename, {})[key] = flag
    found = []
    for name, alike in shapes.items():
        names = next(iter(alike.values())).__code__.co_freevars
        if len(alike) >= MIN_ALIKE and (loop := _loops.get(name) or _loop(name, names)) is not None:
            found.append(
                (loop, [(key, *(it.cell_contents for it in flag.__closure__ or ())) for key, flag in alike.items()])
            )
    return found


def _compiled(source: str) -> Callable[..., FlagFunction]:
    name = f"<flagkit shape {next(_numbers)}>"
    bind: Callable[..., FlagFunction] = _run(source, name, "bind")
    _shapes[source] = bind
    for old in list(_shapes)[:-SHAPES_KEPT]:
        forgotten = _shapes.pop(old, bind).__code__.co_filename  # another thread can be faster
        linecache.cache.pop(forgotten, None)
        linecache.cache.pop(f"{forgotten}*", None)
        _loops.pop(forgotten, None)
    return bind


def _loop(name: str, bound: Iterable[str]) -> Loop | None:
    body = "".join(linecache.getlines(name)[2:-2])
    if not 0 < len(body) <= MAX_LOOP_CHARS:  # forgotten, or too large
        return None
    body = re.sub(r"(?m)^( *)return (.*)", r"\1answers[key] = \2\n\1continue", body).replace(PLAIN, "plain")
    head = (
        f"def loop(user_id, context, rows, answers):\n    plain = {PLAIN}\n    for key, {', '.join(bound)} in rows:\n"
    )
    return _loops.setdefault(name, _run(head + body, f"{name}*", "loop"))


def _run(source: str, name: str, function: str) -> Any:
    made: dict[str, Any] = {}
    exec(compile(source, name, "exec"), _GLOBALS, made)  # noqa: S102 - the source holds no text of a document
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return made[function]


def _shortened(value: object) -> str:
    text = repr(value.variant if isinstance(value, Evaluation) else value)
    return text if len(text) <= 100 else f"{text[:99]}…"
