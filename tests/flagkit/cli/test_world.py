"""The machine's own world: who is there to ask, where progress is drawn, when colours are used."""

from __future__ import annotations

import io

import pytest

from flagkit.cli.screen import changes, has_colours
from flagkit.cli.world import World, environment, real_world, world_of
from flagkit.runtime.clock import SystemClock


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_is_there_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("test\n"))
    assert real_world().ask is None
    monkeypatch.setattr("sys.stdin", Screen("test\n"))
    monkeypatch.setattr("sys.stderr", Screen())
    world = real_world()
    assert world.is_terminal
    assert isinstance(world.clock, SystemClock)
    assert world.ask is not None
    assert world.ask("Its name? ").strip() == "test"
    with pytest.raises(KeyboardInterrupt):
        world.ask("and now? ")


def test_a_context_without_a_world_has_the_machines() -> None:
    class Context:
        obj = None

    assert isinstance(world_of(Context()), World)  # type: ignore[arg-type]


def test_a_file_has_no_environment() -> None:
    assert environment("file:flags.json") is None
    assert environment("appconfig://shop/prod/flags") == "prod"


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Screen())
    assert has_colours()
    changes("+ new (new)\n    for nobody")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colours()
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.delenv("NO_COLOR")
    assert not has_colours()


def test_the_version_is_told(on_file) -> None:
    from flagkit import __version__

    assert on_file.good("--version").out == f"flagkit {__version__}\n"
