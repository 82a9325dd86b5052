"""Generated accessors are strictly typed: right use passes `mypy --strict`, every misuse is an error at its line."""

import re
from pathlib import Path

import pytest
from mypy import api

from flagkit.codegen import generate
from flagkit.core.documents import FlagDocument

pytestmark = pytest.mark.sweep

ROOT = Path(__file__).parents[2]

ATTRIBUTES = {
    "color": {"constraints": {"type": "string", "enum": ["red", "blue"], "required": True}},
    "title": {"constraints": {"type": "string"}},
    "limit": {"constraints": {"type": "number"}},
    "beta": {"constraints": {"type": "boolean"}},
    "tags": {"constraints": {"type": "array", "elements": {"type": "string"}}},
    "sizes": {"constraints": {"type": "array", "elements": {"type": "number"}}},
    "mixed": {"constraints": {"type": "array"}},
    "free": {},
    "class": {"constraints": {"type": "string"}},
}
DOCUMENT = {
    "version": "1",
    "flags": {"checkout": {"name": 'The "checkout"', "attributes": ATTRIBUTES}, "new-search": {}, "plain": {}},
    "values": {
        "checkout": {
            "_variants": [
                {"name": "vip", "enabled": True, "rule": '(eq $t "x")', "attributeValues": {"color": "red"}},
                {"name": "the default", "enabled": False, "attributeValues": {"color": "blue"}},
            ]
        },
        "theme": {"_variants": [{"name": "only", "enabled": True}]},
    },
}

# A line that must not pass ends in `# error: ` and mypy's code.
USES = """
from typing import Literal, assert_type

from flagkit import Flags
from shop_flags import CheckoutAnswer, CheckoutVariant, ShopFlags


def right(flags: ShopFlags, user: str) -> str:
    assert_type(flags.new_search(user), bool)
    assert_type(flags.plain(user, {"country": "US"}, default=True), bool)
    answer = flags.checkout(user)
    assert_type(answer, CheckoutAnswer)
    assert_type(answer.enabled, bool)
    assert_type(answer.color, Literal["red", "blue"] | None)
    assert_type(answer.limit, float | None)
    assert_type(answer.beta, bool | None)
    assert_type(answer.tags, tuple[str, ...] | None)
    assert_type(answer.sizes, tuple[float, ...] | None)
    assert_type(answer.mixed, tuple[str, ...] | tuple[float, ...] | None)
    assert_type(answer.free, str | float | bool | tuple[str, ...] | tuple[float, ...] | None)
    assert_type(answer.class_, str | None)
    assert_type(flags.theme().variant, Literal["only"] | None)
    variant: CheckoutVariant | None = answer.variant
    match variant:
        case "vip":
            return answer.title or "none"
        case "the default":
            return answer.color or "red"
        case None:
            return "off"


def made(flags: Flags) -> ShopFlags:
    return ShopFlags(flags)


def wrong(flags: ShopFlags, user: str) -> None:
    flags.new_serch(user)  # error: attr-defined
    flags.checkout(user).colour  # error: attr-defined
    flags.checkout(user).color = "red"  # error: misc
    title: str = flags.checkout(user).title  # error: assignment
    limit: int = flags.checkout(user).limit or 1  # error: assignment
    if flags.checkout(user).variant == "gold":  # error: comparison-overlap
        pass
    if flags.checkout(user).color == "green":  # error: comparison-overlap
        pass
    flags.plain(user, default="yes")  # error: arg-type
    flags.plain(user, ["country"])  # error: arg-type
    flags.plain(user, {}, True)  # error: call-arg
    flags.new_search(user).variant  # error: attr-defined
    name: CheckoutVariant = "gold"  # error: assignment
    ShopFlags("flags.json")  # error: arg-type
    print(title, limit, name)
"""


def test_right_use_passes_and_every_misuse_is_a_type_error(tmp_path, monkeypatch):
    """One run of mypy over the generated module and its uses."""
    (tmp_path / "shop_flags.py").write_text(generate(FlagDocument.parse(DOCUMENT), module_name="shop_flags"))
    uses = tmp_path / "uses.py"
    uses.write_text(USES)
    expected = {
        (number, found[1])
        for number, line in enumerate(USES.splitlines(), 1)
        if (found := re.search(r"# error: ([a-z-]+)$", line))
    }
    monkeypatch.setenv("MYPYPATH", f"{tmp_path}:{ROOT}")
    options = ["--strict", "--config-file=", "--follow-imports=silent", "--no-pretty", "--python-version=3.11"]
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'typing'}"
    output, errors, _ = api.run([*options, cache, str(tmp_path / "shop_flags.py"), str(uses)])
    assert not errors
    assert "shop_flags.py" not in output, output
    got = {(int(line), code) for line, code in re.findall(r"uses\.py:(\d+): error: .*\[([a-z-]+)\]", output)}
    assert got == expected, output
