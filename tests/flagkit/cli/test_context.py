"""The machine's own cli: who is there to ask, where progress is drawn, when colours are used."""

from __future__ import annotations

import io

import pytest

from flagkit.admin.environments import environment
from flagkit.cli.context import CliContext, cli_context, machine_context
from flagkit.cli.output import has_colors, show_changes
from flagkit.errors import RefusedError
from flagkit.runtime.clock import SystemClock


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_is_there_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("test\n"))
    assert machine_context().ask is None
    monkeypatch.setattr("sys.stdin", Screen("test\n"))
    monkeypatch.setattr("sys.stderr", Screen())
    cli = machine_context()
    assert cli.is_terminal
    assert isinstance(cli.clock, SystemClock)
    assert cli.ask is not None
    assert cli.ask("Its name? ").strip() == "test"
    with pytest.raises(RefusedError, match="was not confirmed"):  # the end of input
        cli.confirm("appconfig://shop/prod/flags", assume_yes=False)
    assert not cli.agrees("Delete it?", assume_yes=False)


def test_a_context_takes_the_machine_unless_given() -> None:
    class Context:
        obj = None

    assert isinstance(cli_context(Context()), CliContext)  # type: ignore[arg-type]


def test_a_file_has_no_environment() -> None:
    assert environment("file:flags.json") is None
    assert environment("appconfig://shop/prod/flags") == "prod"


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Screen())
    assert has_colors()
    show_changes("+ new (new)\n    for nobody")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colors()
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.delenv("NO_COLOR")
    assert not has_colors()


def test_the_version_is_printed(on_file) -> None:
    from flagkit import __version__

    assert on_file.good("--version").out == f"flagkit {__version__}\n"
