"""The command that checks a document: lint. What is wrong is the core's to say, here it is printed."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import click

from flagkit.cli import options
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.context import cli_context, fetch, read_flags
from flagkit.cli.errors import FOUND
from flagkit.cli.output import print_json
from flagkit.core.lint import Finding, Severity
from flagkit.core.lint import lint as lint_document
from flagkit.errors import UsageError
from flagkit.sources import DocumentKind


def lint(
    context: Context,
    source: Annotated[
        str | None, Argument(metavar="[SOURCE]", help="A file or address; $FLAGKIT_SOURCE, else flags.json.")
    ] = None,
    saved: options.Saved = False,
    against: Annotated[
        str | None,
        Option("--against", metavar="OTHER", help="Also find percentages that OTHER dealt differently."),
    ] = None,
    context_key: Annotated[
        list[str] | None, Option("--context-key", metavar="NAME", help="A key that code sets; may be repeated.")
    ] = None,
    strict: Annotated[bool, Option("--strict", help="Warnings fail, too.")] = False,
    as_json: options.AsJson = False,
) -> int:
    """Check a document against AWS's format and find likely mistakes.

    Exit code 1 if there is an error.

    Example: flagkit lint flags.json --strict
    """
    cli = cli_context(context)
    document = fetch(cli, source, saved=saved)
    if document.kind is DocumentKind.FEATURE_FLAGS:
        raise UsageError("rules weren't delivered, so there is nothing to check", hint="Check what is saved: --saved.")
    previous = None if against is None else read_flags(fetch(cli, against))
    findings = lint_document(document.content, now=cli.clock.now(), previous=previous, known_keys=context_key)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    failed = any(finding.severity in failing for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [finding.to_dict() for finding in findings]})
    else:
        _print_findings(findings, "" if source is None or ":" in source else source)
    return FOUND if failed else 0


def _print_findings(findings: tuple[Finding, ...], name: str) -> None:
    for finding in findings:
        click.echo(finding.to_text(name))
    counted = Counter(finding.severity for finding in findings)
    parts = [f"{counted[kind]} {kind.value}{'s' if counted[kind] > 1 else ''}" for kind in Severity if counted[kind]]
    click.echo(", ".join(parts) or "ok")
