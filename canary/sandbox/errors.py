"""Why a sandbox can't start."""

from __future__ import annotations


class SandboxError(Exception):
    """A sandbox can't start; the message names the port or file, `hint` says one next step."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint
