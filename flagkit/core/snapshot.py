"""One version of all flags, each flag read when it is first asked for and compiled once it is in use.

It must not fetch, wait or log.

The unit of failure is one flag: an entry that can't be read or compiled answers with an error and is named in
`problems`, its neighbours serve (decision 0005).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cached_property, partial
from types import MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from flagkit.core.definitions import INTERNAL_FLAGS, ROLLOUTS_FLAG, FlagDefinition, read_flag, read_retrieved
from flagkit.core.entries import Entries, read_entries, read_values
from flagkit.core.evaluation import ErrorCode, Evaluation, FlagFunction, constant, failure
from flagkit.core.flags import read_flag_function
from flagkit.core.rollouts import rollout_ids
from flagkit.errors import DocumentError, RuleError, Violation

if TYPE_CHECKING:
    from flagkit.core.rules.patterns import Patterns
    from flagkit.core.rules.shapes import Loop, Row
    from flagkit.core.rules.values import Scope
    from flagkit.core.shares import Decides
    from flagkit.core.variants import WalkedFlag

_Divided: TypeAlias = "tuple[dict[str, Evaluation], dict[str, FlagFunction], list[tuple[Loop, list[Row]]]]"
"""All flags for `all`: the answers that everybody gets, flags to call, and flags of one shape in one function."""

_PENDING = failure("", ErrorCode.GENERAL, "")


class Snapshot:
    """All flags of one document version.

    Attributes:
        flags: the compiled flags by key; `flags[key](user_id, context)` is the fast way to an Evaluation. Read only.
        version: the version of the document, as the source names it.
        label: the version's label, if it has one.
        uncompiled: the flags in use that could not be compiled, and why; they go on walking their rules.
        problems: one sentence for each flag that is off because it is broken. Flags are read when they are first asked
            for, so this fills up with use; `check()` reads all of them.
        user_key: the context key that the positional user id stands for.
        now: tells the time to rules that use `$now` or `$currentTime`.
        defer: runs a function later, in another thread; compiling waits for nobody then. In the reading thread if None.
    """

    def __init__(
        self,
        entries: Entries,
        *,
        read: Callable[[str, object], FlagDefinition] = read_flag,
        version: str | None = None,
        label: str | None = None,
        user_key: str = "userId",
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._entries = entries
        self._read = read
        doubled = entries.doubled.items()
        self._problems: dict[str, str] = {key: why for key, why in doubled if key not in INTERNAL_FLAGS}
        self.problems: Mapping[str, str] = MappingProxyType(self._problems)
        self.version = version
        self.label = label
        self.user_key = user_key
        self.now = now
        self.defer: Callable[[Callable[[], None]], object] | None = None
        self._patterns: Patterns | None = None
        # Until a flag is read, a stub stands in its place; its first call replaces it. An exact dict of stubs is
        # 11 ns faster to read than a dict with __missing__, and a key bound as `self` is the smallest stub there is.
        first_call = self._first_call
        self.flags: dict[str, FlagFunction] = {
            key: MethodType(first_call, key) for key in entries if key not in INTERNAL_FLAGS
        }
        self._alike: dict[str, Evaluation] = {}  # answers of flags that answer everybody alike
        self._divided: _Divided | None = None
        self._compiled = 0
        self._uncompiled: dict[str, str] = {}
        self.uncompiled: Mapping[str, str] = MappingProxyType(self._uncompiled)

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
            now: tells the time to rules that use `$now` or `$currentTime`; without it both keys are missing
                unless the caller passes them.

        Raises:
            DocumentError: not JSON, or not a flag document at all. A single broken flag doesn't raise.
        """
        return cls(read_values(content), version=version, label=label, user_key=user_key, now=now)

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
        """Read a deployment-time document that is decoded already; it is copied. Arguments as for `from_json`.

        Raises:
            DocumentError: not JSON data, or not a flag document at all.
        """
        try:
            content = json.dumps(document, default=_as_dict)
        except (TypeError, ValueError, RecursionError) as error:
            message = f"The document is not valid JSON: {error}"
            raise DocumentError(message, violations=(Violation("JSON", "", message=message),)) from error
        return cls.from_json(content, version=version, label=label, user_key=user_key, now=now)

    @classmethod
    def from_retrieved(cls, content: bytes | str, *, version: str | None = None, label: str | None = None) -> Self:
        """Read what a plain client receives of a FeatureFlags profile: `{key: {"enabled": …, attributes…}}`.

        A flag with `_variant` has rules that were not delivered: it answers with its default variant, the reason
        RULES_UNSEEN and a message (decision 0002); `rules_unseen` names such flags.

        Raises:
            DocumentError: not JSON, or not an object.
        """
        return cls(read_entries(content), read=read_retrieved, version=version, label=label)

    def evaluate(self, key: str, user_id: object = None, context: Mapping[str, object] | None = None) -> Evaluation:
        """Return the answer of one flag; an unknown flag answers with FLAG_NOT_FOUND. Never raises."""
        flag = self.flags.get(key)
        if flag is None:
            return failure(key, ErrorCode.FLAG_NOT_FOUND, f"There is no flag {key!r}.", version=self.version)
        return flag(user_id, context)

    def all(self, user_id: object = None, context: Mapping[str, object] | None = None) -> dict[str, Evaluation]:
        """Return the answers of all flags for one user. Never raises."""
        always, varying, loops = self._divided or self._divide()
        answers = always.copy()  # what is the same for everybody costs no call; the others are in order
        for loop, rows in loops:
            loop(user_id, context, rows, answers)
        for key, flag in varying.items():
            answers[key] = flag(user_id, context)
        return answers

    def _divide(self) -> _Divided:
        for key in self.flags:
            self._read_flag(key)
        compiled = self._compiled
        varying = {key: flag for key, flag in self.flags.items() if key not in self._alike}
        always = {key: self._alike.get(key, _PENDING) for key in self.flags}
        loops: list[tuple[Loop, list[Row]]] = []
        if varying:
            from flagkit.core.rules.shapes import loops_over

            loops = loops_over(varying)
        for answered in [row[0] for _, rows in loops for row in rows]:
            del varying[str(answered)]
        divided = self._divided = always, varying, loops
        if self._compiled != compiled:  # by another thread meanwhile
            self._divided = None
        return divided

    def check(self) -> Mapping[str, str]:
        """Read every flag and return `problems`."""
        for key in self.flags:
            self._read_flag(key)
        return self.problems

    def prepare(self, keys: Iterable[str] | None = None) -> None:
        """Compile flags, all of them if None, so that the next reads don't have to."""
        for key in tuple(self.flags) if keys is None else keys:
            if key in self.flags:
                self._read_flag(key)
                self._compile(key)

    def prepare_like(self, before: Snapshot) -> None:
        """Read and compile the flags that were in use in the snapshot `before`."""
        for key, flag in tuple(before.flags.items()):
            if key in self.flags and type(flag) is not MethodType:
                self._read_flag(key)
                if _walked(flag) is None:
                    self._compile(key)

    def source(self, key: str) -> str:
        """Return the source of a flag's generated function with its bound values; empty if it has no rules.

        Raises:
            KeyError: there is no such flag.
            DocumentError: the flag is broken.
            RuleError: one of its rules is.
        """
        flag = _walked(self.walked(key))
        if flag is None:
            return ""
        from flagkit.core.rules.generator import TooLargeError

        try:
            return flag.generated().to_text()
        except TooLargeError as error:
            return f"# {error}\n"

    def definition(self, key: str) -> FlagDefinition:
        """Return the decoded flag.

        Raises:
            KeyError: there is no such flag.
            DocumentError: the flag is broken.
        """
        return self._read(key, self._entries[key])

    @cached_property
    def rules_unseen(self) -> frozenset[str]:
        """Keys of the flags that have rules which were not delivered."""
        return frozenset() if self._read is read_flag else frozenset(filter(self._is_unseen, self._entries))

    @cached_property
    def rollouts(self) -> Mapping[str, str]:
        """The ids of the guarded rollouts that are under way, by flag."""
        with suppress(KeyError, DocumentError):
            return rollout_ids(self._entries[ROLLOUTS_FLAG])
        return {}

    def percentage_decides(self, key: str) -> Decides | None:
        """Return what tells about whom the flag's own percentage decides; None if about everybody, or nobody knows."""
        from flagkit.core.shares import percentage_decides

        with suppress(KeyError, DocumentError, RuleError):
            definition = self.definition(key)
            return percentage_decides(definition, self.scope(key)) if definition.variants else None
        return None

    def _is_unseen(self, key: str) -> bool:
        if '"_variant"' not in (self._entries.text(key) or ""):
            return False
        with suppress(DocumentError):
            return self.definition(key).unseen_variant is not None
        return False

    def text(self, key: str) -> str | None:
        """Return the JSON text of a flag; None if there is none that can be decoded."""
        return self._entries.text(key)

    def says_the_same(self, key: str, other: Snapshot) -> bool:
        """Whether another snapshot has the same text for a flag; different texts can mean the same."""
        text = self.text(key)
        return text is not None and text == other.text(key) and self._read is other._read

    def _first_call(self, key: str, user_id: object, context: Mapping[str, object] | None) -> Evaluation:
        return self._read_flag(key)(user_id, context)

    def _read_flag(self, key: str) -> FlagFunction:
        known = self.flags[key]
        if type(known) is not MethodType:  # a copy of the table can hold a stub for long
            return known
        try:
            flag = self.walked(key, in_use=partial(self._in_use, key))
        except (DocumentError, RuleError) as error:
            self._problems[key] = error.message
            flag = constant(failure(key, ErrorCode.PARSE_ERROR, error.message, version=self.version))
        except RecursionError:
            # The caller is deep in the stack; the flag can be valid, so the next call tries again.
            return constant(_too_deep(key, self.version))
        if _walked(flag) is None:
            self._alike[key] = flag(None, None)
        self.flags[key] = flag
        return flag

    def walked(
        self, key: str, *, now: Callable[[], datetime] | None = None, in_use: Callable[[], object] | None = None
    ) -> FlagFunction:
        """Return a flag that walks its rules at each read, not the one in `flags`.

        Args:
            key: the flag.
            now: another clock than the snapshot's.
            in_use: see `WalkedFlag`.

        Raises:
            KeyError: there is no such flag.
            DocumentError: the flag is broken.
            RuleError: one of its rules is.
        """
        return read_flag_function(
            self.definition(key), partial(self.scope, key, now=now), version=self.version, in_use=in_use
        )

    def scope(self, key: str, *, now: Callable[[], datetime] | None = None) -> Scope:
        """Return what the rules of a flag are evaluated with."""
        from flagkit.core.rules.patterns import Patterns
        from flagkit.core.rules.values import Scope

        if self._patterns is None:
            self._patterns = Patterns()
        return Scope(key, self.user_key, self.now if now is None else now, self._patterns)

    def _in_use(self, key: str) -> None:
        if self.defer is None:
            self._compile(key)
        else:
            self.defer(partial(self._compile, key))

    def _compile(self, key: str) -> None:
        """Replace a flag that walks its rules by its generated function."""
        flag = _walked(self.flags[key])
        if flag is None:
            return
        try:
            self.flags[key] = flag.generated().compile(_Fallback(self, key))
        except Exception as error:  # noqa: BLE001 - too large, the end of the caller's stack, …: it answers all the same
            self._uncompiled[key] = f"{type(error).__name__}: {error}"
        else:
            self._uncompiled.pop(key, None)
            self._compiled += 1
            self._divided = None


class _Fallback:
    """Answers where a generated function raises: by walking the rules, which are read again when first needed."""

    __slots__ = ("_flag", "_key", "_snapshot")

    def __init__(self, snapshot: Snapshot, key: str) -> None:
        self._snapshot = snapshot
        self._key = key
        self._flag: FlagFunction | None = None

    def __call__(self, user_id: object, context: Mapping[str, object] | None) -> Evaluation:
        try:
            if self._flag is None:
                self._flag = self._snapshot.walked(self._key)
            return self._flag(user_id, context)
        except RecursionError:  # the caller is deep in the stack
            return _too_deep(self._key, self._snapshot.version)


def _walked(flag: Any) -> WalkedFlag | None:
    """The flag if it walks its rules; asked without importing what only flags with rules need."""
    return flag if hasattr(flag, "generated") else None


def _too_deep(key: str, version: str | None) -> Evaluation:
    return failure(key, ErrorCode.GENERAL, "The stack is too deep to evaluate the flag.", version=version)


def _as_dict(value: object) -> dict[object, object]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")
