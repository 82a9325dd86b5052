"""What a source is: it fetches the flag document. It must not parse flags, retry, wait or keep time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import mmh3

from flagkit.core.evaluation import Evaluation, FlagFunction
from flagkit.errors import FlagkitError


class DocumentKind(StrEnum):
    """Which of AWS's two shapes a document has (appconfig.md §1)."""

    FREEFORM = "freeform"
    """The whole document as people write it, rules included."""
    FEATURE_FLAGS = "feature_flags"
    """What a plain client gets of a FeatureFlags profile: default variants only (decision 0002)."""


class RemoteFlags(Protocol):
    """Answers flags whose rules were not delivered, by asking the evaluator that has them."""

    def flag(self, key: str, unruled: Evaluation) -> FlagFunction:
        """Return the function of one flag; `unruled` is the answer if the evaluator can't be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Document:
    """A flag document as it was delivered.

    Attributes:
        content: JSON.
        version: what identifies it: the hosted version's number or label where known, else a hash of the content.
        label: the hosted version's label, if it has one.
        kind: its shape.
        warning: what the operator should know about it, for example that rules are missing; otherwise empty.
        remote: answers flags whose rules another process evaluates.
        shortfall: why rules are missing that the source should have delivered; such a document never replaces one that
            has its rules. A `DocumentError` if asking again doesn't help.
    """

    content: bytes
    version: str | None = None
    label: str | None = None
    kind: DocumentKind = DocumentKind.FREEFORM
    warning: str = ""
    remote: RemoteFlags | None = None
    shortfall: FlagkitError | None = field(default=None, compare=False)


class Source(Protocol):
    """Where the flag document comes from.

    A source is used by one caller at a time. It neither retries nor waits: the refresher decides when to ask again.
    """

    @property
    def url(self) -> str:
        """The source URL, for display."""
        ...

    @property
    def poll_interval_s(self) -> float:
        """How long to wait between two fetches, infinite for never; a server may change it with any answer."""
        ...

    def fetch(self) -> Document | None:
        """Return the document, or None if it is unchanged since the last fetch.

        Raises:
            SourceError: it can't be fetched; the subclass says why.
        """
        ...

    def reset(self) -> None:
        """Discard connections and sessions, for a forked child; the next fetch delivers the whole document."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


def content_version(content: bytes) -> str:
    """Return a short hash as the version of a document whose number isn't known."""
    return f"content-{mmh3.hash128(content):032x}"[:20]


def _decoded(content: bytes) -> dict[str, object] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def is_whole(content: bytes) -> bool:
    """Return whether this is the document as people write it; a delivered flag named `version` would be an object.

    An empty object is what is delivered of a profile without flags. Text that isn't a JSON object counts as whole, so
    that the reader's error names what is wrong with it.
    """
    document = _decoded(content)
    if document is None:
        return True
    if "version" in document:
        return not isinstance(document["version"], dict)
    values = document.get("values", {"enabled": False})
    delivered = isinstance(values, dict) and isinstance(values.get("enabled"), bool)  # a flag named `values`
    return not delivered


def rules_are_hidden(content: bytes) -> bool:
    """Return whether flags in it have rules that were not delivered (decision 0002)."""
    if b'"_variant"' not in content:  # spares the parsing of nearly every document
        return False
    entries = () if is_whole(content) else (_decoded(content) or {}).values()
    return any(isinstance(entry, dict) and "_variant" in entry for entry in entries)
