"""Sources of flag documents: files, AWS AppConfig, memory. `connect` creates one from its URL."""

from __future__ import annotations

from flagkit.sources.base import Document, DocumentKind, Source
from flagkit.sources.urls import connect

__all__ = ["Document", "DocumentKind", "Source", "connect"]
