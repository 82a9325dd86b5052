"""Flags as code: pull, plan, apply, diff, export, import. The meaning of the edits is in flagkit.admin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from flagkit import admin
from flagkit.admin.environments import live_document
from flagkit.cli import options
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.change import Change, EditContext, changes
from flagkit.cli.context import (
    CliContext,
    cli_context,
    fetch,
    other_url,
    read_text,
    write_artifact,
    write_text,
)
from flagkit.cli.errors import FOUND
from flagkit.cli.output import echo, print_json, say, show_changes
from flagkit.errors import DocumentError, EditError, UsageError
from flagkit.sources.urls import parse

if TYPE_CHECKING:
    from flagkit.admin.diff import DocumentDiff
    from flagkit.admin.powertools import Imported
    from flagkit.admin.stores import FlagStore
    from flagkit.core.documents import FlagDocument

TomlFile = Annotated[Path, Argument(metavar="FILE", help="Flags as TOML.")]
ExitCode = Annotated[bool, Option("--exit-code", help="Exit with 1 if there is a difference.")]


def pull(
    context: Context,
    output: Annotated[Path | None, Option("--output", "-o", metavar="FILE", help="The file. Default: stdout.")] = None,
    source: options.Source = None,
    version: options.VersionNumber = None,
    as_json: options.AsJson = False,
) -> int:
    """Write the saved flags as TOML.

    Example: flagkit pull -o flags.toml
    """
    with cli_context(context).store(source) as store:
        text = admin.code.pull(store.read(version).document)
    write_artifact(output, text, "toml", as_json=as_json)
    return 0


def plan(
    context: Context,
    file: TomlFile,
    source: options.Source = None,
    as_json: options.AsJson = False,
    exit_code: ExitCode = False,
) -> int:
    """Show what `apply` would change.

    Includes what others changed in the meantime.

    Example: flagkit plan flags.toml --exit-code
    """
    text = read_text(file)
    with cli_context(context).store(source, may_create=True) as store:
        diff = admin.code.plan(store.read(missing_ok=True).document, text).diff
    return _show(diff, as_json=as_json, exit_code=exit_code)


@changes
def apply(file: TomlFile) -> Change:
    """Make the saved flags equal to a TOML file.

    Example: flagkit apply flags.toml -m "release 12"
    """
    text = read_text(file)
    return Change(lambda current: admin.code.plan(current.document, text).document, may_create=True, summary=True)


def diff(
    context: Context,
    other: Annotated[str | None, Argument(metavar="[OTHER]", help="A source to compare with.")] = None,
    first: Annotated[
        str | None, Option("--from", metavar="N|SOURCE", help="A version, an environment or a source.")
    ] = None,
    second: Annotated[
        str | None, Option("--to", metavar="N|SOURCE", help="The same, to compare with. Default: the newest version.")
    ] = None,
    source: options.Source = None,
    as_json: options.AsJson = False,
    exit_code: ExitCode = False,
) -> int:
    """Compare versions or sources, flag by flag.

    Compares the saved version with the live one, two versions, or two sources. An environment's name, such as
    `--from staging --to prod`, means the same application and profile there.

    Example: flagkit diff --from 3 --to 5
    """
    from flagkit.core.documents import FlagDocument

    cli = cli_context(context)
    if other is not None and (first is not None or second is not None):
        raise UsageError("OTHER cannot be combined with --from or --to", hint="Give either another source or versions.")
    if other is not None:
        with cli.store(source) as store:
            before, after = store.read().document, FlagDocument.parse(fetch(cli, other).content)
    elif first is None and second is None:
        with cli.store(source) as store:
            newest = store.read()
            before, after = _older(store, newest.version.number), newest.document
    else:
        before, after = _side(cli, source, first), _side(cli, source, second)
    return _show(admin.diff.compare(before, after), as_json=as_json, exit_code=exit_code)


def export(
    context: Context,
    agent_local: Annotated[
        Path | None,
        Option(
            "--agent-local",
            metavar="DIR",
            help="Write the files of the AppConfig Agent's local development mode to DIR.",
        ),
    ] = None,
    source: options.Source = None,
    as_json: options.AsJson = False,
) -> int:
    """Write the saved flags for another program.

    For example for the AppConfig Agent's local development mode.

    Example: flagkit export --agent-local ./agent
    """
    from flagkit.admin.agent_local import export_agent_local

    if agent_local is None:
        raise UsageError("Missing option --agent-local DIR.", hint="Name the directory to write to.")
    with cli_context(context).store(source) as store:
        files = export_agent_local(store.read().document, *_names(store.url))
    try:
        agent_local.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{agent_local} cannot be created: {error.strerror}", hint="Name another directory."
        ) from error
    for name, content in sorted(files.items()):
        write_text(agent_local / name, content.decode())
        say(f"Wrote {agent_local / name}.")
    if as_json:
        print_json({"files": [str(agent_local / name) for name in sorted(files)]})
    return 0


@changes
def import_flags(
    file: Annotated[Path, Argument(metavar="FILE", help="Powertools feature flags, as JSON.")],
    partial: Annotated[bool, Option("--partial", help="Import the other flags if some cannot be expressed.")] = False,
) -> Change:
    """Add the flags of a Powertools document.

    A flag with a rule that cannot be expressed is refused by name.

    Example: flagkit import features.json --source flags.json
    """
    imported = _imported(file)
    said = tuple(f"Not imported: {problem.place}: {problem.reason}" for problem in imported.problems)
    if imported.problems and not partial:
        flags = "1 flag" if len(imported.refused) == 1 else f"{len(imported.refused)} flags"
        raise EditError("\n".join((f"{flags} can't be expressed", *said)), hint=_PARTIAL)

    def edit(current: EditContext) -> FlagDocument:
        return _merged(current.document, imported.document)

    remarks = said + tuple(f"Note: {remark.place} {remark.reason}" for remark in imported.remarks)
    return Change(edit, may_create=True, remarks=lambda _: remarks, summary=True)


_PARTIAL = "Nothing was imported. Change these rules, or import the other flags with --partial."


def _imported(file: Path) -> Imported:
    from flagkit.admin.powertools import read_powertools
    from flagkit.core.documents import decode_json

    try:
        schema = decode_json(read_text(file))
    except DocumentError as error:
        raise UsageError(f"{file}: {error.message}", hint="Export the Powertools document as JSON.") from None
    return read_powertools(schema)


def _merged(document: FlagDocument, other: FlagDocument) -> FlagDocument:
    taken = sorted({*document.flags, *document.values} & {*other.flags, *other.values})
    if taken:
        raise UsageError(
            f"flags exist already: {', '.join(taken)}",
            hint="Import into an empty file, then compare with `flagkit diff`.",
        )
    flags, values = {**document.flags, **other.flags}, {**document.values, **other.values}
    return document.model_copy(update={"flags": flags, "values": values})


def _side(cli: CliContext, source: str | None, given: str | None) -> FlagDocument:
    """One side of a comparison: a version, another source as it is live, or the newest version."""
    number = int(given) if given is not None and given.isascii() and given.isdecimal() else None
    if given is None or number is not None:
        with cli.store(source) as store:
            return store.read(number).document
    with cli.store(other_url(given, source)) as store:
        return live_document(store)


def _older(store: FlagStore, newest: int) -> FlagDocument:
    from flagkit.core.documents import FlagDocument

    if store.deployments is not None:
        served = store.deployments.status().served
        return FlagDocument.parse({"version": "1"}) if served is None else store.read(served).document
    earlier = next((version.number for version in store.versions() if version.number < newest), None)
    return FlagDocument.parse({"version": "1"}) if earlier is None else store.read(earlier).document


def _show(found: DocumentDiff, *, as_json: bool, exit_code: bool) -> int:
    if as_json:
        print_json({"different": bool(found.flags), "summary": found.summary(), "changes": found.to_dict()})
    elif found.flags:
        show_changes(found.to_text())
        echo(f"{found.summary()}.")
    else:
        echo("No differences.")
    return FOUND if exit_code and found.flags else 0


def _names(url: str) -> tuple[str, str, str]:
    address = parse(url)
    if address.scheme == "file":
        return "application", "local", Path(address.rest).stem or "flags"
    application, environment, profile = address.names(3)
    return application, environment, profile
