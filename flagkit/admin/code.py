"""Flags as code: the document as TOML, and what applying a TOML file would change. Pure text and documents.

Applying is `store.save(stored, plan.document, note)`: the same lock, merge and history as every other edit.
"""

from __future__ import annotations

from dataclasses import dataclass

from flagkit.admin.diff import DocumentDiff, compare
from flagkit.admin.edits.workbench import SEGMENTS_FLAG, with_kept_segments
from flagkit.authoring import apply_source, decompile, read_toml, write_toml
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
    result = apply_source(document, with_kept_segments(read_toml(toml)))
    return Plan(result, compare(document, result))
