"""The pages of the public API, read from the source without importing it, for `generate.py`.

Static, so they are the same on every Python; types and defaults stand as they are written in the source.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import griffe
from griffe import Alias, Attribute, Class, Docstring, DocstringSectionKind, Function, Module, Object, Parameter

ROOT = Path(__file__).parents[1]
NOTE = "Generated from the source by `make generate`. Names that are not listed may change at any time."
SINCE = "All names exist since version 0.1, unless they say otherwise."
WIDTH = 100
_HIDDEN_PARAMETERS = {"self", "cls"}
_ERROR_FIELDS = {"code", "default_hint", "exit_code"}
_ENUMS = {"Enum", "StrEnum", "IntEnum"}


def public_modules() -> list[str]:
    """The public modules, as pyproject.toml lists them."""
    listed: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["flagkit-canary"]["public"]
    return listed


def api_pages() -> dict[str, str]:
    """The index and one page for each public module, by file name."""
    loader = griffe.GriffeLoader(search_paths=[str(ROOT)], docstring_parser=griffe.Parser.google)
    for package in ("flagkit", "canary"):
        loader.load(package)
    loader.resolve_aliases(implicit=True)
    modules = {name: loader.modules_collection[name] for name in public_modules()}
    pages = {f"{name}.md": _module_page(module) for name, module in modules.items()}
    return {"api.md": _index(modules), **pages}


def _index(modules: dict[str, Module]) -> str:
    lines = ["# Public API", "", NOTE, SINCE, ""]
    for name, module in modules.items():
        lines += [f"## [{name}]({name}.md)", "", _summary(module), "", "| name | kind | |", "|---|---|---|"]
        rows = [(_kind(it), _summary(it)) for it in _exports(module).values()]
        lines += [
            f"| [`{each}`]({name}.md#{_anchor(each)}) | {kind} | {text.replace('|', '&#124;')} |"
            for each, (kind, text) in zip(_exports(module), rows, strict=True)
        ]
        lines.append("")
    return _finished(lines)


def _module_page(module: Module) -> str:
    lines = [f"# {module.path}", "", NOTE, "", *_text(module.docstring), ""]
    for name, found in _exports(module).items():
        lines += [f"## {name}", ""]
        if isinstance(found, Module):
            lines += [*_text(found.docstring), "", "```python", f"from {module.path} import {name}", "```", ""]
            for below, thing in _exports(found).items():
                lines += [f"### {name}.{below}", "", *_object(below, thing, level=4), ""]
        else:
            lines += [*_object(name, found, level=3), ""]
    for name, options in _option_sets(module).items():
        lines += [f"## {name}", "", "Keyword options.", "", *_text(options.docstring), ""]
    return _finished(lines)


def _finished(lines: list[str]) -> str:
    text = "\n".join(line.rstrip() for line in lines)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def _exports(module: Module) -> dict[str, Object]:
    """The public names of a module: `__all__`, or what it defines itself."""
    if module.exports is None:
        own = [name for name, it in module.members.items() if not it.is_alias and not name.startswith("_")]
        names = [name for name in own if module.members[name].is_function or module.members[name].is_class]
    else:
        names = [str(name) for name in module.exports if name != "__version__"]
    return {name: _target(module, name) for name in names}


def _target(module: Module, name: str) -> Object:
    found = module[name]
    target = found.final_target if isinstance(found, Alias) else found
    # A function may be called as the module that defines it; a module below this one is meant itself.
    if isinstance(target, Module) and target.parent is not module and name in target.members:
        return _target(target, name)
    return target


def _kind(thing: Object) -> str:
    if isinstance(thing, Class):
        return "error" if _is_error(thing) else "enum" if _is_enum(thing) else "class"
    return {"function": "function", "module": "module"}.get(thing.kind.value, "value")


def _option_sets(module: Module) -> dict[str, Class]:
    """The typed dictionaries of keyword options that functions of a module take as `**options`."""
    found: dict[str, Class] = {}
    for thing in _exports(module).values():
        functions = [thing] if isinstance(thing, Function) else []
        if isinstance(thing, Class):
            functions = [it for it in thing.all_members.values() if isinstance(it, Function)]
        for function in functions:
            for parameter in function.parameters:
                match = re.fullmatch(r"Unpack\[(\w+)\]", str(parameter.annotation))
                if match:
                    options = function.modules_collection[function.resolve(match[1])]
                    found[match[1]] = options.final_target if isinstance(options, Alias) else options
    return found


def _object(name: str, thing: Object, *, level: int) -> Iterator[str]:
    if isinstance(thing, Function):
        yield from _function(name, thing)
    elif isinstance(thing, Class):
        yield from _class(name, thing, level)
    else:
        assert isinstance(thing, Attribute)
        yield from ["```python", f"{name} = {thing.value}" if thing.value else name, "```", "", *_text(thing.docstring)]


def _function(name: str, function: Function) -> Iterator[str]:
    yield from ["```python", _signature(name, function), "```", ""]
    yield from _text(function.docstring)


def _class(name: str, cls: Class, level: int) -> Iterator[str]:
    bases = ", ".join(str(base) for base in cls.bases if str(base) != "object")
    if _is_enum(cls):
        yield from ["```python", f"class {name}({bases})", "```", "", *_text(cls.docstring), ""]
        yield from [f"- `{member} = {it.value}`{_note(it)}" for member, it in _attributes(cls)]
        return
    constructor = cls.all_members.get("__init__")
    head = f"class {name}({bases})" if bases else f"class {name}"
    if isinstance(constructor, Function) and not _is_error(cls):
        head = _signature(name, constructor, keyword="class")
    yield from ["```python", head, "```", "", *_text(cls.docstring), ""]
    for member, it in _attributes(cls):
        if member in _ERROR_FIELDS if _is_error(cls) else it.docstring or "property" in it.labels:
            value = f" = {it.value}" if it.value is not None and "property" not in it.labels else ""
            kind = f": {it.annotation}" if it.annotation is not None else ""
            yield f"- `{member}{kind}{value}`{_note(it)}"
    yield ""
    for member, it in cls.members.items():
        if isinstance(it, Function) and not member.startswith("_"):
            yield f"{'#' * level} {name}.{member}"
            yield ""
            yield from _function(member, it)
            yield ""


def _attributes(cls: Class) -> list[tuple[str, Attribute]]:
    found = [(name, it) for name, it in cls.members.items() if isinstance(it, Attribute)]
    return [(name, it) for name, it in found if not name.startswith("_") and name != "model_config"]


def _note(thing: Object) -> str:
    text = _summary(thing)
    return f": {text}" if text else ""


def _is_error(cls: Class) -> bool:
    return cls.name.endswith("Error")


def _is_enum(cls: Class) -> bool:
    return any(str(base).rpartition(".")[2] in _ENUMS for base in cls.bases)


def _signature(name: str, function: Function, *, keyword: str = "def") -> str:
    parameters = list(_parameters(function))
    returns = "" if function.returns is None or keyword == "class" else f" -> {function.returns}"
    kind = "async def" if "async" in function.labels and keyword == "def" else keyword
    marks = [f"@{label}\n" for label in ("classmethod", "staticmethod", "property") if label in function.labels]
    line = f"{kind} {name}({', '.join(parameters)}){returns}"
    if len(line) > WIDTH:
        line = f"{kind} {name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f"){returns}"
    return "".join(marks) + line


def _parameters(function: Function) -> Iterator[str]:
    keyword_only = positional_only = False
    for parameter in function.parameters:
        if parameter.name in _HIDDEN_PARAMETERS:
            continue
        kind = parameter.kind.value if parameter.kind is not None else ""
        if positional_only and kind != "positional-only":
            yield "/"
        positional_only = kind == "positional-only"
        if kind == "keyword-only" and not keyword_only:
            yield "*"
        keyword_only = keyword_only or kind in {"keyword-only", "variadic positional"}
        yield _parameter(parameter, kind)
    if positional_only:
        yield "/"


def _parameter(parameter: Parameter, kind: str) -> str:
    stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
    text = f"{stars}{parameter.name}"
    if parameter.annotation is not None:
        text += f": {parameter.annotation}"
    if parameter.default is None or stars:
        return text
    # A factory is said by what it makes: people pass no lambda.
    default = str(parameter.default)
    default = "…" if "lambda" in default or default.startswith("field(") else default
    return f"{text} = {default}" if parameter.annotation is not None else f"{text}={default}"


def _summary(thing: Object) -> str:
    """The first sentence or paragraph of a docstring, on one line."""
    text = thing.docstring.value if thing.docstring is not None else ""
    return " ".join(text.split("\n\n", 1)[0].split())


def _text(docstring: Docstring | None) -> Iterator[str]:
    """A docstring as Markdown: its text, then arguments, attributes, results and errors as lists."""
    if docstring is None:
        return
    for section in docstring.parse(griffe.Parser.google, warnings=False):
        if section.kind is DocstringSectionKind.text:
            yield from _paragraphs(str(section.value))
        elif section.kind in {DocstringSectionKind.parameters, DocstringSectionKind.attributes}:
            yield f"{'Arguments' if section.kind is DocstringSectionKind.parameters else 'Attributes'}:"
            yield ""
            kinds = ("" if it.annotation is None else f": {it.annotation}" for it in section.value)
            yield from (
                f"- `{it.name}{kind}`: {_one_line(it.description)}"
                for it, kind in zip(section.value, kinds, strict=True)
            )
        elif section.kind is DocstringSectionKind.raises:
            yield "Raises:"
            yield ""
            yield from (f"- `{it.annotation}`: {_one_line(it.description)}" for it in section.value)
        elif section.kind in {DocstringSectionKind.returns, DocstringSectionKind.yields}:
            yield "Returns:"
            yield ""
            yield from (f"- {_one_line(it.description)}" for it in section.value)
        yield ""


def _paragraphs(text: str) -> Iterator[str]:
    """Indented examples become code blocks."""
    for paragraph in re.split(r"\n\n", text):
        lines = paragraph.splitlines()
        if lines and all(line.startswith("    ") or not line for line in lines):
            yield from ["```python", *(line[4:] for line in lines), "```", ""]
        else:
            yield from [*lines, ""]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _anchor(heading: str) -> str:
    return heading.lower()
