"""The flag that a stage shifts instead of aliases: where it is kept, and its key. Parsing only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from canary.core.plan.values import FunctionRef
from canary.core.words import FLAG

_KEY = re.compile(r"[a-z][a-zA-Z0-9_-]{0,63}")
_SOURCES = ("appconfig://", "file:")


@dataclass(frozen=True, slots=True)
class FlagTarget:
    """A flag whose percentage of users is what the stage shifts.

    Attributes:
        source: where it is kept, as flagkit names it.
        key: the flag.
    """

    source: str
    key: str

    @classmethod
    def parse(cls, text: str) -> FlagTarget:
        """Read "appconfig://app/env/profile#key" or "file:flags.json#key".

        Raises:
            ValueError: no flag, or no source that can be changed.
        """
        source, _, key = text.strip().rpartition("#")
        if not source.startswith(_SOURCES) or _KEY.fullmatch(key) is None:
            raise ValueError(
                f'"{text[:80]}" must be a source and a flag, such as '
                '"appconfig://civicforge/prod/flags#new_checkout" or "file:flags.json#new_checkout"'
            )
        return cls(source, key)

    @property
    def is_file(self) -> bool:
        """Whether it is in a file, which only who has the file can change."""
        return self.source.startswith("file:")

    def function(self, variant: str) -> FunctionRef:
        """How streams, journal and messages name it: "flag.new_checkout:on"."""
        return FunctionRef(f"{FLAG}{self.key}", variant)

    def __str__(self) -> str:
        return f"{self.source}#{self.key}"
