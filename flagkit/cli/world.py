"""What is around a command: clock, terminal, credentials, protected places. It must not change flags."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import typer

from flagkit.cli.loading import source_url
from flagkit.errors import RefusedError
from flagkit.runtime.clock import Clock, SystemClock
from flagkit.sources.addresses import parse

if TYPE_CHECKING:
    import boto3

    from flagkit.admin.stores import FlagStore

PROTECTED = "prod*,live*"
"""Environments that ask for their name; `$FLAGKIT_PROTECTED` replaces the patterns, empty for none."""


@dataclass(frozen=True, slots=True)
class World:
    """What is around a command; tests and demos bring their own.

    Attributes:
        clock: the time.
        session: a boto3 session; the machine's own where None.
        ask: asks a person one question and returns the answer; None: nobody is there.
        is_terminal: whether progress is drawn in place.

    Since 0.1.
    """

    clock: Clock
    session: boto3.Session | None = None
    ask: Callable[[str], str] | None = None
    is_terminal: bool = False

    @contextmanager
    def store(self, source: str | None, *, may_create: bool = False) -> Iterator[FlagStore]:
        """The place that keeps the flags, open."""
        from flagkit.admin.stores import open_store

        store = open_store(source_url(source, may_create=may_create), session=self.session, clock=self.clock)
        try:
            yield store
        finally:
            store.close()

    def confirm(self, url: str, *, assume_yes: bool) -> None:
        """Asks for the environment's name where it is protected; other places ask nothing.

        Raises:
            RefusedError: another answer, or nobody is there to ask.
        """
        name = environment(url)
        if assume_yes or name is None or not is_protected(name):
            return
        if self.ask is None:
            raise RefusedError(f"{name} is protected, and nobody is there to ask", hint="Pass --yes in scripts.")
        if self.ask(f"{name} is protected. Its name, to go on: ").strip() != name:
            raise RefusedError(f"that isn't {name}", hint="Nothing was changed. Type the environment's name to go on.")

    def agrees(self, question: str, *, assume_yes: bool) -> bool:
        """Whether a person, or --yes, says yes."""
        if assume_yes:
            return True
        return self.ask is not None and self.ask(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def real_world() -> World:
    """The machine's own clock, credentials and, if there is one, terminal. Since 0.1."""
    person = sys.stdin.isatty() and sys.stderr.isatty()
    return World(SystemClock(), ask=_ask if person else None, is_terminal=sys.stderr.isatty())


def world_of(context: typer.Context) -> World:
    """The world that a command was called in. Since 0.1."""
    return context.obj if isinstance(context.obj, World) else real_world()


def environment(url: str) -> str | None:
    """The name of the environment of an address; None for a file. Since 0.1."""
    address = parse(url)
    return None if address.scheme == "file" else address.names(3)[1]


def is_protected(name: str) -> bool:
    """Whether changes to an environment ask for its name first. Since 0.1."""
    patterns = os.environ.get("FLAGKIT_PROTECTED", PROTECTED).split(",")
    return any(fnmatchcase(name.lower(), pattern.strip().lower()) for pattern in patterns)


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        raise KeyboardInterrupt  # the terminal was closed
    return answer
