"""The client's types: what a read returns follows from its default, and `requires_flag` keeps the function's type."""

import re
from pathlib import Path

import pytest
from mypy import api

pytestmark = pytest.mark.sweep

ROOT = Path(__file__).parents[2]

# A line that must not pass ends in `# error: ` and mypy's code.
USES = """
from datetime import date
from typing import Any, assert_type
from uuid import UUID

from flagkit import Context, Flags


def read(flags: Flags, context: Context) -> None:
    assert_type(flags.object("limits", default={}), dict[str, Any])
    assert_type(flags.object("items", default=["a"]), list[Any])
    assert_type(flags.object("any"), dict[str, Any] | list[Any] | None)
    count: int = flags.object("limits", default={})  # error: assignment
    flags.string("text", default=1)  # error: arg-type
    flags.requires_flag("a", wenn=True)  # error: call-overload
    flags.is_enabled("a", {"country": "US"})  # error: arg-type
    flags.evaluate("a", context).variant  # error: arg-type
    flags.for_user(b"42")  # error: arg-type
    for user_id in ("42", 42, 4.2, None, UUID(int=42), date.today()):
        assert_type(flags.is_enabled("a", user_id, context), bool)
    print(count)


def create() -> None:
    Flags.connect("file:flags.json", refresh="manual")
    Flags.connect("file:flags.json", refresh="backround")  # error: arg-type
    Flags.connect("file:flags.json", refesh="manual")  # error: call-arg


def other_plain(item: str) -> str:
    return item


def decorate(flags: Flags) -> None:
    @flags.requires_flag("a")
    def plain(item: str) -> int:
        return 1

    @flags.requires_flag("a", instead=PermissionError("closed"))
    def raising(item: str) -> int:
        return 1

    @flags.requires_flag("a", instead=other_plain)
    def other(item: str) -> int:
        return 1

    @flags.requires_flag("a", instead=0)
    def fixed(item: str) -> int:
        return 1

    assert_type(plain("x"), int | None)
    assert_type(raising("x"), int)
    assert_type(other("x"), int | str)
    assert_type(fixed("x"), int)
    plain(1)  # error: arg-type


async def decorate_coroutines(flags: Flags) -> None:
    async def elsewhere(item: str) -> bytes:
        return b""

    @flags.requires_flag("a")
    async def plain(item: str) -> int:
        return 1

    @flags.requires_flag("a", instead=elsewhere)
    async def other(item: str) -> int:
        return 1

    assert_type(await plain("x"), int | None)
    assert_type(await other("x"), int | bytes)
"""


def test_right_use_passes_and_every_misuse_is_a_type_error(tmp_path, monkeypatch):
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
    output, errors, _ = api.run([*options, cache, str(uses)])
    assert not errors
    found = {(int(line), code) for line, code in re.findall(r"uses\.py:(\d+): error: .*\[([a-z-]+)\]", output)}
    assert found == expected, output
