"""Where events go: a live view on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from canary.cli.json_lines import write_json
from canary.core.events import Event, Judged
from canary.view import plain
from canary.view.build import ViewBuilder
from canary.view.model import data

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live


class Screen(Protocol):
    """Shows every event of one canary (an Observer)."""

    builder: ViewBuilder

    def notify(self, event: Event) -> None:
        """Shows one event."""
        ...

    def write_line(self, text: str) -> None:
        """Shows a line that isn't an event."""
        ...

    def finish(self) -> None:
        """Shows how the canary ended."""
        ...

    def suspended(self) -> AbstractContextManager[None]:
        """Suspends the view while a person is prompted."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _BaseScreen:
    """The part all screens share."""

    def __init__(self, builder: ViewBuilder) -> None:
        self.builder = builder

    def suspended(self) -> AbstractContextManager[None]:
        """Suspends nothing: there is no view in place."""
        return nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class _TextScreen(_BaseScreen):
    """A screen for people."""

    def write_line(self, text: str) -> None:
        """Shows a line; every screen for people has its own way, and this class is none by itself."""
        raise NotImplementedError

    def finish(self) -> None:
        """Shows how the canary ended, in a few lines."""
        if self.builder.begun:
            for line in plain.summary_lines(self.builder.view()):
                self.write_line(line)


class PlainScreen(_TextScreen):
    """One line for each event, and one for each gate of each function when its status changes."""

    def __init__(self, builder: ViewBuilder, out: TextIO | None = None) -> None:
        super().__init__(builder)
        self._out = out or sys.stdout
        self._shown = 0
        self._statuses: dict[tuple[str, str], str] = {}

    def notify(self, event: Event) -> None:
        """Shows one event."""
        self.builder.notify(event)
        if not self.builder.begun:
            return
        view = self.builder.view()
        for note in view.notes[self._shown :]:
            self.write_line(plain.note_line(note))
        self._shown = len(view.notes)
        if isinstance(event, Judged):
            for stream in view.streams:
                key = (stream.function, stream.gate)
                if self._statuses.get(key) != stream.status:
                    self._statuses[key] = stream.status
                    self.write_line(plain.gate_line(view, stream))

    def write_line(self, text: str) -> None:
        """Shows a line."""
        self._out.write(text + "\n")
        self._out.flush()


class JsonScreen(_BaseScreen):
    """One JSON object per event, on stdout."""

    def notify(self, event: Event) -> None:
        """Shows one event."""
        self.builder.notify(event)
        write_json(data(event))

    def write_line(self, text: str) -> None:
        """Writes to stderr: stdout carries events only."""
        sys.stderr.write(text + "\n")

    def finish(self) -> None:
        """The last event has said it."""


class LiveScreen(_TextScreen):
    """The live view, redrawn at every event; what happened scrolls above it."""

    def __init__(self, builder: ViewBuilder, console: Console | None = None) -> None:
        super().__init__(builder)
        self._console = console or terminal()
        self._live: Live | None = None
        self._shown = 0

    def __enter__(self) -> Self:
        from rich.live import Live

        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Removes the live view while a person is prompted."""
        if self._live is not None:
            self._live.stop()
        try:
            yield
        finally:
            if self._live is not None:
                self._live.start()

    def notify(self, event: Event) -> None:
        """Shows one event."""
        from canary.view import terminal as view_terminal

        self.builder.notify(event)
        if not self.builder.begun:
            return
        view = self.builder.view()
        for note in view.notes[self._shown :]:
            self._console.print(view_terminal.note(note))
        self._shown = len(view.notes)
        if self._live is not None:
            self._live.update(view_terminal.live(view), refresh=True)

    def write_line(self, text: str) -> None:
        """Shows a line above the live view."""
        self._console.print(text, markup=False, highlight=False)


def open_screen(builder: ViewBuilder, *, as_json: bool, no_color: bool = False) -> Screen:
    """JSON on request, live on a terminal, plain lines otherwise."""
    if as_json:
        return JsonScreen(builder)
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return LiveScreen(builder, terminal(no_color=no_color))
    return PlainScreen(builder)


def asking(screen: Screen, ask: Callable[[str], str]) -> Callable[[str], str]:
    """`ask`, with the screen suspended meanwhile."""

    def asked(question: str) -> str:
        with screen.suspended():
            return ask(question)

    return asked


def terminal(*, no_color: bool = False) -> Console:
    """A rich console; NO_COLOR is honoured by rich itself (no-color.org)."""
    from rich.console import Console

    return Console(no_color=no_color or None, highlight=False)
