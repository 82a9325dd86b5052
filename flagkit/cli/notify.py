"""Who is notified of changes: show it, check it, and send a test. The settings are in flagkit.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from flagkit.cli import options
from flagkit.cli.arguments import Context
from flagkit.cli.context import CliContext, cli_context, source_url
from flagkit.cli.errors import FOUND, UNAVAILABLE
from flagkit.cli.output import echo, print_json
from flagkit.cli.shell import Command, Group
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.admin.settings import SourceSettings


def show_receivers(context: Context, source: options.Source = None, as_json: options.AsJson = False) -> int:
    """Show who is notified of changes.

    Lists the receivers of a source and what is likely wrong with them. Nothing is sent.

    Example: flagkit notify
    """
    from flagkit.admin.notices.delivery import name_of
    from flagkit.admin.settings import problems

    url, settings = _settings(source)
    receivers = settings.of(_names(cli_context(context), url))
    found = [(name_of(receiver, os.environ), problems(receiver, os.environ)) for receiver in receivers]
    if as_json:
        data = [{"receiver": name, "problems": list(said)} for name, said in found]
        print_json({"source": url, "file": str(settings.path), "receivers": data})
    elif not found:
        echo(f"Nobody is notified of changes in {url}: no receiver in {settings.path} names it.")
    else:
        echo(f"Notified of changes in {url}, by {settings.path}:")
        for name, said in found:
            echo(f"  {name}")
            for problem in said:
                echo(f"    warning: {problem}")
    return FOUND if not found or any(said for _, said in found) else 0


def send_test(context: Context, source: options.Source = None, as_json: options.AsJson = False) -> int:
    """Send a test notice to every receiver of a source.

    Example: flagkit notify test
    """
    from flagkit.admin.notices.delivery import Delivery
    from flagkit.admin.notices.store import make_test_notice
    from flagkit.admin.stores.opening import open_plain_store

    cli = cli_context(context)
    url, settings = _settings(source)
    store = open_plain_store(url, session=cli.session, clock=cli.clock)
    try:
        notice = make_test_notice(store, cli.clock)
    finally:
        store.close()
    outcomes = Delivery(settings, session=cli.session).deliver(notice)
    if as_json:
        print_json([{"receiver": it.receiver, "delivered": not it.problem, "problem": it.problem} for it in outcomes])
    for outcome in [] if as_json else outcomes:
        echo(f"{outcome.receiver}: {f'not delivered: {outcome.problem}' if outcome.problem else 'delivered'}")
    if not outcomes and not as_json:
        echo(f"Nobody is notified of changes in {url}: no receiver in {settings.path} names it.")
    if not outcomes:
        return FOUND
    return UNAVAILABLE if any(outcome.problem for outcome in outcomes) else 0


NOTIFY = Group(
    show_receivers,
    (Command("test", "flagkit.cli.notify:send_test", "Send a test notice to every receiver of a source."),),
)


def _settings(source: str | None) -> tuple[str, SourceSettings]:
    from flagkit.admin.settings import read_settings
    from flagkit.admin.settings_file import FILE_NAME, find_file

    url = source_url(source)
    path = find_file(url, os.environ, Path.cwd())
    if path is None:
        raise UsageError(
            f"there is no {FILE_NAME}",
            hint="Create it beside the flags or in this directory; docs/notices.md shows it.",
        )
    return url, read_settings(path)


def _names(cli: CliContext, url: str) -> tuple[str, ...]:
    from flagkit.admin.notices.store import names_of
    from flagkit.admin.stores.opening import open_plain_store

    store = open_plain_store(url, session=cli.session, clock=cli.clock)
    try:
        return names_of(store)
    finally:
        store.close()
