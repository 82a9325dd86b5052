"""One version of all flags, immutable, each flag compiled when it is first asked for. It must not fetch, wait or log.

The unit of failure is one flag: an entry that can't be read or compiled answers with an error and is named in
`problems`, its neighbours serve (DESIGN.md D5).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import NoReturn, Self

from flagkit.core.definitions import FlagDefinition, read_attributes, read_enabled, read_flag
from flagkit.core.evaluator import ErrorCode, Evaluation, FlagFunction, Reason, answer, failure
from flagkit.core.selection import compile_flag
from flagkit.errors import DocumentError, RuleError, Violation

MAX_CONTENT_BYTES = 32 * 1024 * 1024
"""The largest document that is read. AppConfig itself delivers at most 2 MiB (appconfig.md §1.1)."""

_UNSEEN = "The flag has rules, but the source delivered only its default variant."


class Snapshot:
    """All flags of one document version.

    Attributes:
        flags: the compiled flags by key; `flags[key](user_id, context)` is the fast way to an Evaluation. Read only.
        version: the version of the document, as the source names it.
        label: the version's label, if it has one.
        problems: one sentence for each flag that is served off because it is broken. Flags are compiled when they are
            first asked for, so this fills up with use; `check()` compiles all of them.
        rules_unseen: keys of the flags whose rules exist but weren't delivered (appconfig.md §3.1).

    Since 0.1.
    """

    __slots__ = (
        "_entries",
        "_now",
        "_problems",
        "_retrieved",
        "_user_key",
        "flags",
        "label",
        "problems",
        "rules_unseen",
        "version",
    )

    flags: dict[str, FlagFunction]

    def __init__(
        self,
        entries: Mapping[str, object],
        *,
        version: str | None = None,
        label: str | None = None,
        user_key: str = "userId",
        now: Callable[[], datetime] | None = None,
        retrieved: bool = False,
    ) -> None:
        self._entries = entries
        self._now = now
        self._user_key = user_key
        self._retrieved = retrieved
        self._problems: dict[str, str] = {}
        self.problems: Mapping[str, str] = MappingProxyType(self._problems)
        self.version = version
        self.label = label
        self.rules_unseen: frozenset[str] = frozenset()
        # Until a flag is asked for, a stub stands in its place; the first call replaces it. An exact dict of stubs
        # costs 0.1 ms per 1,000 flags and looks up 11 ns faster than a dict with __missing__.
        self.flags = {key: partial(self._first_call, key) for key in entries}

    @classmethod
    def from_json(
        cls,
        content: bytes | str,
        *,
        version: str | None = None,
        label: str | None = None,
        user_key: str = "userId",
        now: Callable[[], datetime] | None = None,
    ) -> Self:
        """Read a deployment-time document (`version`, `flags`, `values`).

        Args:
            content: JSON.
            version: the version of the document, as the source names it.
            label: the version's label, if it has one.
            user_key: the context key that the positional user id stands for.
            now: tells the time to rules that ask for `$now` or `$currentTime`; without it both keys are missing
                unless the caller passes them.

        Raises:
            DocumentError: not JSON, or not a flag document at all. A single broken flag doesn't raise.

        Since 0.1.
        """
        return cls.from_document(_decode(content), version=version, label=label, user_key=user_key, now=now)

    @classmethod
    def from_document(
        cls,
        document: object,
        *,
        version: str | None = None,
        label: str | None = None,
        user_key: str = "userId",
        now: Callable[[], datetime] | None = None,
    ) -> Self:
        """Read a deployment-time document that is decoded already; arguments as for `from_json`. Since 0.1."""
        if not isinstance(document, Mapping):
            _refuse("", "AttributeType(object)", "The document is not an object.")
        if document.get("version") != "1":
            _refuse("version", "OneOf(1)", 'The document\'s "version" is not "1".')
        entries: dict[str, object] = {}
        for part in ("flags", "values"):
            section = document.get(part)
            if section is None and part == "flags":
                continue
            if not isinstance(section, Mapping):
                _refuse(part, "AttributeType(object)", f'The document has no object "{part}".')
            # A flag that is declared but has no values is off.
            entries.update(section if part == "values" else dict.fromkeys(section, _NO_VALUES))
        return cls(entries, version=version, label=label, user_key=user_key, now=now)

    @classmethod
    def from_retrieved(cls, content: bytes | str, *, version: str | None = None, label: str | None = None) -> Self:
        """Read what a plain client gets of a FeatureFlags profile: `{key: {"enabled": …, attributes…}}`.

        A flag that carries `_variant` has rules that weren't delivered: it answers with its default variant, the
        reason RULES_UNSEEN and a message, and is named in `rules_unseen` (DESIGN.md D2).

        Raises:
            DocumentError: not JSON, or not an object.

        Since 0.1.
        """
        entries = _decode(content)
        if not isinstance(entries, Mapping):
            _refuse("", "AttributeType(object)", "The content is not an object.")
        snapshot = cls(entries, version=version, label=label, retrieved=True)
        snapshot.rules_unseen = frozenset(
            key for key, entry in entries.items() if isinstance(entry, Mapping) and "_variant" in entry
        )
        return snapshot

    def evaluate(self, key: str, user_id: object = None, context: Mapping[str, object] | None = None) -> Evaluation:
        """Return the answer of one flag; an unknown flag answers with FLAG_NOT_FOUND. Never raises. Since 0.1."""
        flag = self.flags.get(key)
        if flag is None:
            return failure(key, ErrorCode.FLAG_NOT_FOUND, f"There is no flag {key!r}.", version=self.version)
        return flag(user_id, context)

    def check(self) -> Mapping[str, str]:
        """Compile every flag and return `problems`. Since 0.1."""
        for key in self.flags:
            self._compiled(key)
        return self.problems

    def definition(self, key: str) -> FlagDefinition:
        """Return the decoded flag.

        Raises:
            KeyError: there is no such flag.
            DocumentError: the flag is broken.

        Since 0.1.
        """
        return read_flag(key, self._entries[key])

    def _first_call(self, key: str, user_id: object, context: Mapping[str, object] | None) -> Evaluation:
        return self._compiled(key)(user_id, context)

    def _compiled(self, key: str) -> FlagFunction:
        try:
            flag = self._compile(key)
        except (DocumentError, RuleError) as error:
            self._problems[key] = error.message
            flag = _constant(failure(key, ErrorCode.PARSE_ERROR, error.message, version=self.version))
        self.flags[key] = flag
        return flag

    def _compile(self, key: str) -> FlagFunction:
        if self._retrieved:
            return _constant(self._read_retrieved(key, self._entries[key]))
        return compile_flag(self.definition(key), version=self.version, user_key=self._user_key, now=self._now)

    def _read_retrieved(self, key: str, entry: object) -> Evaluation:
        if not isinstance(entry, Mapping):
            _refuse(key, "AttributeType(object)", f"{key} is not an object")
        variant = entry.get("_variant")
        unseen = variant is not None
        return answer(
            key,
            enabled=read_enabled(entry.get("enabled"), f"{key}.enabled"),
            reason=Reason.RULES_UNSEEN if unseen else Reason.STATIC,
            variant=str(variant) if unseen else None,
            attributes=read_attributes(entry.items()),
            version=self.version,
            message=_UNSEEN if unseen else "",
        )


_NO_VALUES: Mapping[str, object] = MappingProxyType({})


def _constant(evaluation: Evaluation) -> FlagFunction:
    def flag(_user_id: object, _context: Mapping[str, object] | None) -> Evaluation:
        return evaluation

    return flag


def _decode(content: bytes | str) -> object:
    if len(content) > MAX_CONTENT_BYTES:
        _refuse("", "MaxLength", f"The document is larger than {MAX_CONTENT_BYTES} bytes.")
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        message = f"The document is not JSON: {error}"
        raise DocumentError(message, violations=(Violation("JSON", "", message=message),)) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _refuse(location: str, constraint: str, message: str) -> NoReturn:
    raise DocumentError(message, violations=(Violation(constraint, location, message=message),))
