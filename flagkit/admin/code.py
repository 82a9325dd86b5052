"""Flags as code: the document as TOML, and what applying a TOML file would change. Pure text and documents.

Applying is `store.save(stored, plan.document, note)`: the same lock, merge and history as every other edit.
"""

from __future__ import annotations

from dataclasses import dataclass

from flagkit.admin.diff import DocumentDiff, compare
from flagkit.admin.edits.workbench import SEGMENTS_FLAG, segments_named, with_kept_segments
from flagkit.admin.entries import Entry, entries_of, with_entries
from flagkit.authoring import FlagSource, compile_document, decompile, read_cuts, read_toml, write_toml
from flagkit.core.documents import FlagDocument


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying code would do.

    Attributes:
        document: the document with the code applied; equal to the present one if there is no drift.
        diff: what that changes, and for whom.

    Since 0.1.
    """

    document: FlagDocument
    diff: DocumentDiff


def pull(document: FlagDocument) -> str:
    """Return a document as TOML; planning exactly this changes nothing. Since 0.1."""
    source = decompile(document)
    flags = {key: flag for key, flag in source.flags.items() if key != SEGMENTS_FLAG}
    return write_toml(source.model_copy(update={"flags": flags}))


def plan(document: FlagDocument, toml: str) -> Plan:
    """Return what applying TOML would change: flags that it doesn't name go.

    Weights are cut over the present document, so as few users as possible move.

    Raises:
        EditError: not TOML, or not flags; the place is named.
        DocumentError: the result breaks AWS's format.

    Since 0.1.
    """
    wanted = with_kept_segments(read_toml(toml))
    present = decompile(document)
    compiled = entries_of(compile_document(wanted, cuts=read_cuts(document)))
    native = entries_of(document)
    entries: dict[str, Entry | None] = {key: None for key in native if key not in compiled}
    for key, entry in compiled.items():
        # A flag that means the same keeps the text of its rules.
        flag = wanted.flags[key]
        if entry != native.get(key) and not (flag == present.flags.get(key) and _stands_alone(flag)):
            entries[key] = entry
    result = with_entries(document, entries)
    return Plan(result, compare(document, result))


def _stands_alone(flag: FlagSource) -> bool:
    return not flag.requires and not segments_named(flag)
