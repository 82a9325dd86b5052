"""Compiles sources of generated functions: one code object for all flags of one shape. It must not write sources."""

from __future__ import annotations

import linecache
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from mmh3 import hash as murmur3

from flagkit.core.context import boolean_of, instant_of, number_of, text_of
from flagkit.core.evaluation import Evaluation, FlagFunction
from flagkit.core.rules.values import Instants, bucket_of_value, compare_values, test_texts

SHAPES_KEPT = 500
"""How many shapes keep their code."""

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


def _compiled(source: str) -> Callable[..., FlagFunction]:
    name = f"<flagkit shape {next(_numbers)}>"
    made: dict[str, Callable[..., FlagFunction]] = {}
    exec(compile(source, name, "exec"), _GLOBALS, made)  # noqa: S102 - the source holds no text of a document
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    bind = _shapes[source] = made["bind"]
    for old in list(_shapes)[:-SHAPES_KEPT]:
        linecache.cache.pop(_shapes.pop(old, bind).__code__.co_filename, None)  # another thread can be faster
    return bind


def _shortened(value: object) -> str:
    text = repr(value.variant if isinstance(value, Evaluation) else value)
    return text if len(text) <= 100 else f"{text[:99]}…"
