"""Sources of flag documents: files, AWS AppConfig, memory. `connect` picks one by its address."""

from __future__ import annotations

from flagkit.sources.addresses import connect
from flagkit.sources.base import Document, DocumentKind, Source

__all__ = ["Document", "DocumentKind", "Source", "connect"]
