"""The command that checks a document: lint. The findings are made in the core."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from flagkit.cli import options
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.context import cli_context, fetch, read_flags
from flagkit.cli.errors import FOUND
from flagkit.cli.hints import NAMED_SOURCE, runnable
from flagkit.cli.output import echo, print_json
from flagkit.errors import UsageError
from flagkit.sources import DocumentKind

if TYPE_CHECKING:
    from flagkit.core.lint import Finding

_SHOWN = 3


def lint(  # noqa: PLR0913, PLR0917 - each is an option
    context: Context,
    place: Annotated[str | None, Argument(metavar="[SOURCE]", help="The same as --source.")] = None,
    source: options.Source = None,
    saved: options.Saved = False,
    against: Annotated[
        str | None,
        Option("--against", metavar="OTHER", help="Also find percentages that reassign users compared with OTHER."),
    ] = None,
    context_key: Annotated[
        list[str] | None,
        Option("--context-key", metavar="NAME", help="A context key that the code sets. Repeat for more."),
    ] = None,
    strict: Annotated[bool, Option("--strict", help="Exit with 1 for warnings, too.")] = False,
    verbose: Annotated[bool, Option("--verbose", "-v", help="Show all findings, not three of a kind.")] = False,
    as_json: options.AsJson = False,
) -> int:
    """Check a document against AWS's format and find likely mistakes.

    Exit code 1 if there is an error.

    Example: flagkit lint flags.json --strict
    """
    from flagkit.core.lint import Severity
    from flagkit.core.lint import lint as lint_document

    cli = cli_context(context)
    if place is not None:
        if source is not None:
            raise UsageError("SOURCE cannot be combined with --source", hint="Name the source once.")
        source = context.meta[NAMED_SOURCE] = place
    document = fetch(cli, source, saved=saved)
    if document.kind is DocumentKind.FEATURE_FLAGS:
        raise UsageError(
            "the live document contains no rules, so they cannot be checked", hint="Check the saved version: --saved."
        )
    previous = None if against is None else read_flags(fetch(cli, against))
    found = lint_document(document.content, now=cli.clock.now(), previous=previous, known_keys=context_key)
    findings = tuple(replace(one, hint=runnable(one.hint, context)) for one in found)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    failed = any(finding.severity in failing for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [finding.to_dict() for finding in findings]})
    else:
        _print_findings(findings, "" if source is None or ":" in source else source, verbose=verbose)
    return FOUND if failed else 0


def _print_findings(findings: tuple[Finding, ...], name: str, *, verbose: bool) -> None:
    from flagkit.core.lint import Severity

    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        flag = ".".join(finding.location.split(".")[:2])
        groups.setdefault((finding.code, flag), []).append(finding)
    for (code, flag), found in groups.items():
        shown = found if verbose or len(found) <= _SHOWN + 1 else found[:_SHOWN]
        for finding in shown:
            echo(finding.to_text(name))
        if len(shown) < len(found):
            more = f"{len(found) - len(shown)} more findings of this kind; --verbose shows them"
            echo(f"{found[0].severity.value}[{code}]: {flag or 'document'}: {more}")
    counted = Counter(finding.severity for finding in findings)
    parts = [f"{counted[kind]} {kind.value}{'s' if counted[kind] > 1 else ''}" for kind in Severity if counted[kind]]
    echo(", ".join(parts) or "No findings.")
