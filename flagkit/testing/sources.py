"""A source for tests that follows a script."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flagkit.errors import SourceError
from flagkit.sources.base import Document, content_version
from flagkit.sources.static import short_form

Step = Document | SourceError | Exception | Mapping[str, object] | None


class ScriptedSource:
    """Plays back documents and errors, one per fetch; "unchanged" after the end of the script.

    A step is a `Document`, an error to raise, None for "unchanged", or flags in short form: `{"checkout": True}`.
    `failure`, while set, is raised by every fetch instead.
    """

    def __init__(self, *script: Step, url: str = "scripted:", poll_interval_s: float = 60.0) -> None:
        self.url = url
        self.poll_interval_s = poll_interval_s
        self.script: list[Step] = list(script)
        self.failure: Exception | None = None
        self.fetches = 0
        self.resets = 0
        self.closed = False

    def fetch(self) -> Document | None:
        """Return or raise the next step of the script."""
        self.fetches += 1
        if self.failure is not None:
            raise self.failure
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if step is None or isinstance(step, Document):
            return step
        content = json.dumps(short_form(step)).encode()
        return Document(content, content_version(content))

    def reset(self) -> None:
        """Count the calls."""
        self.resets += 1

    def close(self) -> None:
        """Record the call."""
        self.closed = True
