"""What a notice says: who changed which flags when, why, for whom, and how to undo it. Pure; nothing is sent here."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from flagkit.admin.diff import DocumentDiff, FlagDiff
from flagkit.channels.text import printable

Action = Literal["live", "deploying", "saved", "proposed", "stopped", "rolled_back", "test"]
"""What happened: a saved version is live at once (a file), is being deployed, or is only saved; a change waits for
approval; a deployment was stopped or rolled back; or nothing, for a test."""

MAX_BYTES: Final = 200_000
"""Of a notice as JSON; SNS and EventBridge take 256 KiB with everything around it."""

NO_DIFF: Final = DocumentDiff()

_SHOWN_FLAGS = 10
_LINE_CHARS = 300
_COLOURS: Final = {"stopped": "E01E5A", "rolled_back": "E01E5A", "saved": "ECB22E", "proposed": "ECB22E"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One change, for people and programs.

    Attributes:
        id: the same in every attempt and for every receiver; no other change has it.
        action: what happened.
        at: when.
        source: where the flags are.
        environment: its name; None for a file.
        author: who; None if it isn't known.
        reason: why; may be empty.
        version: the version that was saved, deployed, stopped or rolled back.
        deployment: its number; None without one.
        live: the version that users get after a deployment was stopped or rolled back.
        diff: what changed, flag by flag.
        undo: the command that undoes it; may be empty.
        names: the source, as the settings may name it; never sent.
        proposal: the id of a proposal; empty otherwise.
    """

    id: str
    action: Action
    at: datetime
    source: str
    environment: str | None = None
    author: str | None = None
    reason: str = ""
    version: int | None = None
    deployment: int | None = None
    live: int | None = None
    diff: DocumentDiff = NO_DIFF
    undo: str = ""
    names: tuple[str, ...] = ()
    proposal: str = ""

    @property
    def colour(self) -> str:
        """The colour of the bar beside the text."""
        return _COLOURS.get(self.action, "36C5F0")

    def title(self) -> str:
        """Return one line: who did what, where."""
        who = self.author.rsplit("/", 1)[-1] if self.author else "unknown author"
        where = self.environment or self.source
        if self.action == "test":
            return printable(f"[{where}] test notice from {who}: this receiver works", _LINE_CHARS)
        if self.action in {"stopped", "rolled_back"}:
            did = f"{self.action.replace('_', ' ')} deployment {self.deployment}"
            after = "no version is live" if self.live is None else f"version {self.live} is live"
            by = f"{who} {did}" if self.author else f"deployment {self.deployment} was {self.action.replace('_', ' ')}"
            return printable(f"[{where}] {by}: {after}", _LINE_CHARS)
        keys = [flag.key for flag in self.diff.flags]
        if self.action == "proposed":
            what = f"proposed a change of {keys[0] if len(keys) == 1 else f'{len(keys)} flags'}"
        elif not keys:
            what = f"deployed version {self.version}"
        else:
            what = f"{_verb(self.diff)} {keys[0] if len(keys) == 1 else f'{len(keys)} flags'}"
        return printable(f"[{where}] {who} {what} ({self._state()})", _LINE_CHARS)

    def text(self, escape: Callable[[str], str] = str) -> str:
        """Return the notice for people, one statement in a line, escaped for its receiver."""
        return "\n".join(escape(line) for line in self._lines())

    def to_dict(self) -> dict[str, object]:
        """Return the notice as JSON-ready data. What doesn't fit is left out, and counted."""
        data: dict[str, object] = {
            "type": f"flags.{self.action}",
            "id": self.id,
            "timestamp": self.at.isoformat(),
            "source": self.source,
            "environment": self.environment,
            "author": self.author,
            "reason": self.reason,
            "version": self.version,
            "deployment": self.deployment,
            "live_version": self.live,
            "proposal": self.proposal or None,
            "summary": self.diff.summary(),
            "undo": self.undo,
            "text": self.text(),
        }
        left = MAX_BYTES - len(json.dumps(data))
        flags: dict[str, object] = {}
        for key, change in self.diff.to_dict().items():
            left -= len(json.dumps({key: change}))
            if left < 0:
                break
            flags[key] = change
        return {**data, "flags": flags, "flags_omitted": len(self.diff.flags) - len(flags)}

    def _state(self) -> str:
        version = f"version {self.version}"
        return {
            "live": f"{version} is live",
            "deploying": f"{version}, deployment {self.deployment}",
            "proposed": f"proposal {self.proposal} waits for approval",
        }.get(self.action, f"{version} is saved but not deployed")

    def _lines(self) -> Iterator[str]:
        yield self.title()
        shown = self.diff.flags[:_SHOWN_FLAGS]
        for flag in shown:
            yield printable(_line_of(flag), _LINE_CHARS)
        if len(self.diff.flags) > len(shown):
            yield f"and {len(self.diff.flags) - len(shown):,} more"
        if self.reason:
            yield printable(f"Reason: {self.reason}", _LINE_CHARS)
        if self.undo:
            yield printable(f"Undo: {self.undo}", _LINE_CHARS)


def undo_command(source: str, diff: DocumentDiff, before: int) -> str:
    """Return the command that restores the version before a change: of the one flag, or of all; it may be empty."""
    keys = [flag.key for flag in diff.flags]
    at = f"--source {shlex.quote(source)}"
    if not keys:
        return ""
    if before < 1:  # nothing was there
        return f"flagkit delete {keys[0]} {at}" if len(keys) == 1 and " " not in keys[0] else ""
    one = f"{shlex.quote(keys[0])} " if len(keys) == 1 else ""
    return f"flagkit revert {one}--to {before} {at}"


def message_id(*parts: object) -> str:
    """Return an id that holds no dot, which separates the parts of what a webhook signs."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", "_".join(map(str, parts)))


def _verb(diff: DocumentDiff) -> str:
    kinds = {flag.kind for flag in diff.flags}
    return kinds.pop() if len(kinds) == 1 and not kinds & {"follows"} else "changed"


def _line_of(flag: FlagDiff) -> str:
    said = " ".join(flag.audience) or "; ".join(change.to_text() for change in flag.changes[:3])
    end = {"created": " (new)", "deleted": " (deleted)"}.get(flag.kind, "")
    return f"{flag.key}{end}{f': {said}' if said else ''}"
