"""A Python module of typed accessors for the flags of a document. Pure: text from a document, nothing is written.

The module is `mypy --strict` clean and checks at run time what it promises to the type checker: an attribute of another
type than declared reads as None, because a document can change after the code was generated.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from flagkit.core.definitions import INTERNAL_FLAGS, SWITCHED_OFF
from flagkit.core.documents import (
    ArrayConstraints,
    AttributeDefinition,
    BooleanConstraints,
    FlagDeclaration,
    FlagDocument,
    FlagValue,
    NumberConstraints,
    StringConstraints,
)
from flagkit.core.metadata import read_metadata

__all__ = ["generate"]

# Names that an accessor or a field would hide from the annotations next to it.
_RESERVED = frozenset({*dir(builtins), *keyword.kwlist, "Flags", "Literal", "Mapping", "enabled", "variant"})

_HELPERS = {
    "_one_of": """
def _one_of(choices: Mapping[str, _Choice], value: object) -> _Choice | None:
    return choices.get(value) if isinstance(value, str) else None
""",
    "_text": """
def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
""",
    "_number": """
def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
""",
    "_truth": """
def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
""",
    "_texts": """
def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, tuple):
        return None
    items = tuple(item for item in value if isinstance(item, str))
    return items if len(items) == len(value) else None
""",
    "_numbers": """
def _numbers(value: object) -> tuple[float, ...] | None:
    if not isinstance(value, tuple):
        return None
    items = tuple(item for item in value if isinstance(item, int | float) and not isinstance(item, bool))
    return items if len(items) == len(value) else None
""",
    "_list": """
def _list(value: object) -> tuple[str, ...] | tuple[float, ...] | None:
    texts = _texts(value)
    return _numbers(value) if texts is None else texts
""",
    "_anything": """
def _anything(value: object) -> str | float | bool | tuple[str, ...] | tuple[float, ...] | None:
    return value if isinstance(value, str | int | float | bool) else _list(value)
""",
}
_NEEDS = {"_list": ("_texts", "_numbers"), "_anything": ("_list", "_texts", "_numbers")}


def generate(document: FlagDocument, *, module_name: str) -> str:
    """Return the source of a module with one class of typed accessors.

    A flag without variants and attributes answers with a bool, every other one with a frozen dataclass: `enabled`,
    `variant` as a Literal of its names, and its attributes. Attributes are None while the flag is off.

    Args:
        document: the flags.
        module_name: the name of the module; the class is named after it (`shop_flags` gives `ShopFlags`).
    """
    writer = _Writer(_class_name(module_name))
    taken: set[str] = set()
    for key in sorted({*document.flags, *document.values} - INTERNAL_FLAGS):
        definition = document.flags.get(key, FlagDeclaration())
        writer.flag(key, _unique(_identifier(key), taken), definition, document.values.get(key, FlagValue()))
    return writer.text(module_name)


@dataclass(slots=True)
class _Writer:
    class_name: str
    answers: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=lambda: {"Context", "Flags", "TypedFlags", "UserId"})

    def flag(self, key: str, method: str, definition: FlagDeclaration, value: FlagValue) -> None:
        metadata = read_metadata(definition.description)
        about = _sentence(metadata.description or definition.name or f"Flag {key}")
        about += " Client-visible." if metadata.client_visible else ""
        if not value.variants and not definition.attributes:
            self.methods.append(_boolean_method(key, method, about))
            return
        base = _unique(_pascal(key), self.names)
        self.names |= {f"{base}Answer", f"{base}Variant"}
        answer, fields, arguments = f"{base}Answer", ["    enabled: bool"], ["enabled=found.enabled"]
        if value.variants:
            variant = f"{base}Variant"
            # Switching a flag off or on doesn't change what it can answer.
            names = [variant.name for variant in value.variants if variant.name != SWITCHED_OFF]
            self.answers.append(f"{variant} = {_literal(names)}\n{_choices(variant, names)}")
            self.used.add("_one_of")
            fields.append(f"    variant: {variant} | None")
            arguments.append(f"variant=_one_of(_{variant}, found.variant)")
        taken: set[str] = set()
        for name, attribute in sorted(definition.attributes.items()):
            spelt = _unique(_identifier(name), taken)
            kind, reading = self._attribute(base, name, attribute)
            fields.append(f"    {spelt}: {kind} | None")
            arguments.append(f"{spelt}={reading}")
        self.answers.append(_dataclass(answer, about, fields))
        self.methods.append(_answer_method(key, method, about, answer, arguments))

    def _attribute(self, base: str, name: str, attribute: AttributeDefinition) -> tuple[str, str]:
        got = f"found.attributes.get({name!r})"
        match attribute.constraints:
            case StringConstraints(enum=enum) if enum:
                alias = _unique(f"{base}{_pascal(name)}", self.names)
                self.answers.append(f"{alias} = {_literal(enum)}\n{_choices(alias, enum)}")
                self.used.add("_one_of")
                return alias, f"_one_of(_{alias}, {got})"
            case StringConstraints():
                kind, helper = "str", "_text"
            case NumberConstraints():
                kind, helper = "float", "_number"
            case BooleanConstraints():
                kind, helper = "bool", "_truth"
            case ArrayConstraints(elements=StringConstraints()):
                kind, helper = "tuple[str, ...]", "_texts"
            case ArrayConstraints(elements=NumberConstraints()):
                kind, helper = "tuple[float, ...]", "_numbers"
            case ArrayConstraints():
                kind, helper = "tuple[str, ...] | tuple[float, ...]", "_list"
            case _:
                kind, helper = "str | float | bool | tuple[str, ...] | tuple[float, ...]", "_anything"
        self.used.update((helper, *_NEEDS.get(helper, ())))
        return kind, f"{helper}({got})"

    def text(self, module_name: str) -> str:
        helpers = [_HELPERS[name].strip("\n") for name in _HELPERS if name in self.used]
        lines = [
            f'"""Typed flags: `{module_name}`. Generated by `flagkit codegen`; do not edit."""',
            "# ruff: noqa",
            "",
            "from __future__ import annotations",
            "",
            *(["from collections.abc import Mapping"] if "_one_of" in self.used else []),
            *(["from dataclasses import dataclass"] if self.answers else []),
            *(["from typing import Literal, TypeVar"] if "_one_of" in self.used else []),
            "",
            "from flagkit import Context, Flags, UserId",
        ]
        if "_one_of" in self.used:
            lines += ["", '_Choice = TypeVar("_Choice")']
        accessors = "\n\n".join([_constructor(self.class_name), *self.methods])
        return "\n\n\n".join(["\n".join(lines), *self.answers, *helpers, accessors]) + "\n"


def _constructor(name: str) -> str:
    return f'''class {name}:
    """One typed accessor for each flag."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags'''


def _boolean_method(key: str, method: str, about: str) -> str:
    return f'''    def {method}(
        self, user_id: UserId = None, context: Context | None = None, *, default: bool = False
    ) -> bool:
        """{about}"""
        return self._flags.is_enabled({key!r}, user_id, context, default=default)'''


def _answer_method(key: str, method: str, about: str, answer: str, arguments: Iterable[str]) -> str:
    return f'''    def {method}(self, user_id: UserId = None, context: Context | None = None) -> {answer}:
        """{about}"""
        found = self._flags.evaluate({key!r}, user_id, context)
        return {answer}({", ".join(arguments)})'''


def _dataclass(name: str, about: str, fields: Iterable[str]) -> str:
    body = "\n".join(fields)
    return f'@dataclass(frozen=True, slots=True)\nclass {name}:\n    """{about}"""\n\n{body}'


def _literal(names: Iterable[str]) -> str:
    return f"Literal[{', '.join(repr(name) for name in dict.fromkeys(names))}]"


def _choices(alias: str, names: Iterable[str]) -> str:
    pairs = ", ".join(f"{name!r}: {name!r}" for name in dict.fromkeys(names))
    return f"_{alias}: Mapping[str, {alias}] = {{{pairs}}}"


def _identifier(key: str) -> str:
    name = key.replace("-", "_")
    return f"{name}_" if name in _RESERVED else name


def _pascal(key: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", key))


def _class_name(module_name: str) -> str:
    name = _pascal(module_name.rpartition(".")[2])
    return name if name.isidentifier() and name not in _RESERVED else "TypedFlags"


def _unique(name: str, taken: set[str]) -> str:
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    taken.add(unique)
    return unique


def _sentence(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)  # source code can't contain NUL
    flat = " ".join(printable.split()).replace("\\", "\\\\").replace('"', "'")
    return flat if flat.endswith((".", "!", "?")) else f"{flat}."
