"""Compiles sources of generated functions: one code object for all flags of one shape. It must not write sources."""

from __future__ import annotations

import linecache
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from types import CodeType, FunctionType

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
_shapes: dict[str, CodeType] = {}
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated function, before it is compiled.

    Attributes:
        source: its source; the same for all flags of one shape.
        bound: the default values of its parameters after `fallback`.
    """

    source: str
    bound: Mapping[str, object]

    def compile(self, fallback: FlagFunction) -> FlagFunction:
        """Return the function; `fallback` answers where it raises, for example for a context that is not a mapping."""
        code = _shapes.get(self.source) or _compiled(self.source)
        return FunctionType(code, _GLOBALS, "flag", (fallback, *self.bound.values()))

    def to_text(self) -> str:
        """Return the source and the bound values, for people."""
        values = "".join(f"# {name} = {_shortened(value)}\n" for name, value in self.bound.items())
        return f"{self.source}{values}"


def _compiled(source: str) -> CodeType:
    name = f"<flagkit shape {next(_numbers)}>"
    module = compile(source, name, "exec")
    code = _shapes[source] = next(item for item in module.co_consts if isinstance(item, CodeType))
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    for old in list(_shapes)[:-SHAPES_KEPT]:
        linecache.cache.pop(_shapes.pop(old, code).co_filename, None)  # another thread can be faster
    return code


def _shortened(value: object) -> str:
    text = repr(value.variant if isinstance(value, Evaluation) else value)
    return text if len(text) <= 100 else f"{text[:99]}…"
