"""Flags as code: the document as TOML, and what applying a TOML file would change. Pure: text and documents.

Applying is `store.save(stored, plan.document, note)`: the same lock, merge and history as every other edit.
"""

from __future__ import annotations

from dataclasses import dataclass

from flagkit.admin.diff import DocumentDiff, compare
from flagkit.authoring import apply_source, decompile, read_toml, write_toml
from flagkit.core.documents import FlagDocument


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying code would do.

    Attributes:
        document: the document with the code applied; equal to the present one if there is no drift.
        diff: what that changes, and for whom.


    """

    document: FlagDocument
    diff: DocumentDiff


def pull(document: FlagDocument) -> str:
    """Return a document as TOML; planning exactly this changes nothing."""
    return write_toml(decompile(document))


def plan(document: FlagDocument, toml: str) -> Plan:
    """Return what applying TOML would change: flags that it doesn't have are deleted.

    Weights are reallocated over the present document, so that as few users as possible move.

    Raises:
        EditError: not TOML, or not flags; the key is named.
        DocumentError: the result breaks AWS's format.


    """
    result = apply_source(document, read_toml(toml))
    return Plan(result, compare(document, result))
