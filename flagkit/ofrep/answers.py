"""What clients may know of the flags: which flags, which answers, in OFREP's JSON. It must not know HTTP.

A flag is in here if it is marked as client-visible; every other one is as unknown as one that doesn't exist. Rules,
descriptions, versions, messages of errors and the names of other flags are never part of an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from flagkit.core.definitions import SWITCHED_OFF
from flagkit.core.evaluation import ErrorCode, Evaluation, Reason
from flagkit.core.metadata import read_metadata
from flagkit.core.rules.ast import Rule, Split
from flagkit.core.rules.walker import Walker, is_true
from flagkit.core.snapshot import Snapshot
from flagkit.core.variants import read_rule
from flagkit.errors import DocumentError, RuleError
from flagkit.runtime.overrides import FlagTable
from flagkit.sources.base import Document, DocumentKind

TARGETING_KEY: Final = "targetingKey"
"""OFREP's name of the user; rules know it by this name and as the user key of the client, `$userId`."""

_MOST_KEPT: Final = 20_000
"""How many answers are kept as JSON; a document has a few for each flag."""

_CLOCK: Final = re.compile(r"\$(?:'|\\\\?\")?(?:now|currentTime|weekday@|time@)")
"""Finds rules that know the time, in the JSON text of a flag; one too many does no harm."""

_REASONS: Final[Mapping[Reason, str]] = {
    Reason.STATIC: "STATIC",
    Reason.TARGETING_MATCH: "TARGETING_MATCH",
    Reason.SPLIT: "SPLIT",
    Reason.DEFAULT: "DEFAULT",
    Reason.DISABLED: "DISABLED",
}
_DETAILS: Final[Mapping[str, str]] = {
    "FLAG_NOT_FOUND": "There is no such flag.",
    "TARGETING_KEY_MISSING": "The flag needs a targetingKey.",
    "INVALID_CONTEXT": "The context can't be read.",
    "PARSE_ERROR": "The flag can't be evaluated.",
    "GENERAL": "The flag can't be evaluated.",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom flags are evaluated for.

    Attributes:
        user_id: the targeting key; None if there is none.
        context: all attributes, the targeting key among them.
    """

    user_id: str | None
    context: Mapping[str, object]


class View:
    """The client-visible flags of one document, as they are served.

    Args:
        snapshot: the document's flags; None before there is one.
        document: the document.
        table: the functions that answer, with overrides.
        watched: the same functions, which notify the watchers.
        visible: keys that are visible without a mark, for sources that don't deliver descriptions.
    """

    def __init__(
        self,
        snapshot: Snapshot | None,
        document: Document | None,
        table: FlagTable,
        watched: FlagTable,
        visible: Collection[str] = (),
    ) -> None:
        self._snapshot = snapshot
        self._table = table
        self._watched = watched
        # AWS's Agent evaluates: each read is a request, and a new answer.
        self._remote_version = None if document is None or document.remote is None else str(document.version)
        self.is_ready = snapshot is not None
        marked = _marked(document) | {*visible}
        self.keys: tuple[str, ...] = tuple(sorted(key for key in marked if key in table))
        self._known = frozenset(self.keys)
        self._kinds = {key: _kind(snapshot, key) for key in self.keys}
        self._kept: dict[int, tuple[Evaluation, bytes]] = {}
        self._failed: dict[tuple[str, str], bytes] = {}
        self._rules: dict[str, tuple[Rule, ...]] = {}
        self.tag = self._tag()
        self.changes_with_time = any(_CLOCK.search(self._text(key)) for key in self.keys)

    def single(self, key: str, caller: Caller) -> tuple[int, bytes]:
        """Return HTTP status and JSON of one flag; watchers are notified of it."""
        if key not in self._known:
            return _failed(key, "FLAG_NOT_FOUND")
        if self._lacks_user(key, caller):
            return _failed(key, "TARGETING_KEY_MISSING")
        evaluation = self._watched[key](caller.user_id, caller.context)
        if evaluation.error is not None:
            return _failed(key, _code(evaluation))
        return 200, self._json(key, evaluation)

    def bulk(self, caller: Caller) -> bytes:
        """Return the JSON list of all flags; watchers are not notified, for nobody has asked for any of them yet."""
        user_id, context, table, kept = caller.user_id, caller.context, self._table, self._kept
        parts: list[bytes] = []
        for key in self.keys:
            if user_id is None and self._lacks_user(key, caller):
                parts.append(self._failure(key, "TARGETING_KEY_MISSING"))
                continue
            evaluation = table[key](user_id, context)
            known = kept.get(id(evaluation))
            parts.append(self._json(key, evaluation) if known is None else known[1])
        return b"[" + b",".join(parts) + b"]"

    def _json(self, key: str, evaluation: Evaluation) -> bytes:
        if evaluation.error is not None:
            return self._failure(key, _code(evaluation))
        known = self._kept.get(id(evaluation))
        if known is not None:
            return known[1]
        text = _dump(self._members(key, evaluation))
        if self._remote_version is None and len(self._kept) < _MOST_KEPT:
            self._kept[id(evaluation)] = evaluation, text  # the evaluation, too, or its id could be used again
        return text

    def _failure(self, key: str, code: str) -> bytes:
        known = self._failed.get((key, code))
        if known is None:
            known = self._failed[key, code] = _failed(key, code)[1]
        return known

    def _members(self, key: str, evaluation: Evaluation) -> dict[str, object]:
        """An answer; without `value` where the code's default is the answer."""
        kind = self._kinds[key]
        switched_off = evaluation.variant == SWITCHED_OFF
        variant = evaluation.variant
        if variant is None or switched_off:
            variant = "on" if evaluation.enabled else "off"
        reason = "DISABLED" if switched_off else _REASONS.get(evaluation.reason, "UNKNOWN")
        found: dict[str, object] = {"key": key, "reason": reason, "variant": variant}
        value = evaluation.attributes.get("value")
        if kind == "boolean" and (value is None or isinstance(value, bool)):  # an override can be of another kind
            found["value"] = evaluation.is_on
        elif kind == "number" and isinstance(value, int | float):
            found["value"] = float(value)  # 1 as 1.0: clients tell whole numbers from others by the point
        elif value is not None:
            found["value"] = value
        metadata = {
            name: value
            for name, value in evaluation.attributes.items()
            if name != "value" and isinstance(value, bool | int | float | str)
        }
        if metadata:
            found["metadata"] = metadata
        return found

    def _lacks_user(self, key: str, caller: Caller) -> bool:
        """Whether a percentage of users decides about a flag, and there is no user."""
        snapshot = self._snapshot
        if caller.user_id is not None or snapshot is None or self._table[key] is not snapshot.flags.get(key):
            return False
        rules = self._rules.get(key)
        if rules is None:
            rules = self._rules[key] = _rules_with_split(snapshot, key)
        walker = _UserNeeded(snapshot.scope(key), None, caller.context)
        try:
            any(is_true(walker.evaluate(rule)) for rule in rules)
        except _NoUserError:
            return True
        except Exception:  # noqa: BLE001 - the flag itself says what is wrong
            return False
        return False

    def _tag(self) -> str:
        """What stands for everything in here that can change: two servers with the same flags have the same."""
        digest = blake2b(digest_size=12)
        for key in self.keys:
            digest.update(f"{key}\0{self._text(key)}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def _text(self, key: str) -> str:
        snapshot = self._snapshot
        if snapshot is not None and self._remote_version is not None:
            return f"{snapshot.text(key)} {self._remote_version}"
        if snapshot is not None and self._table[key] is snapshot.flags.get(key):
            return snapshot.text(key) or ""
        return repr(self._table[key](None, None))


class _NoUserError(Exception):
    """A percentage of users is asked for, and there is no user."""


class _UserNeeded(Walker):
    """Evaluates rules until one of them needs the user."""

    __slots__ = ()

    def bucket(self, rule: Split) -> int:
        """Return the bucket, if there is a user."""
        if rule.by.name in {TARGETING_KEY, self.scope.user_key} and self.value(rule.by) is None:
            raise _NoUserError
        return super().bucket(rule)


def etag_of(body: bytes) -> str:
    """Return the entity tag of an answer: it covers the context, because the answer does."""
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def _failed(key: str, code: str) -> tuple[int, bytes]:
    status = 404 if code == "FLAG_NOT_FOUND" else 400
    return status, _dump({"key": key, "errorCode": code, "errorDetails": _DETAILS[code]})


def _code(evaluation: Evaluation) -> str:
    known = {ErrorCode.PARSE_ERROR, ErrorCode.INVALID_CONTEXT}
    return str(evaluation.error) if evaluation.error in known else "GENERAL"


def _dump(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":"), default=_as_dict).encode("ascii")


def _as_dict(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _marked(document: Document | None) -> set[str]:
    """The keys of the flags that are marked as client-visible, in their description."""
    if document is None or document.kind is DocumentKind.FEATURE_FLAGS:
        return set()
    content = json.loads(document.content)
    flags = content.get("flags")
    return {
        key
        for key, flag in (flags.items() if isinstance(flags, dict) else ())
        if isinstance(flag, dict)
        and isinstance(flag.get("description"), str)
        and read_metadata(flag["description"]).client_visible
    }


def _kind(snapshot: Snapshot | None, key: str) -> str:
    """The type of a flag's value: `boolean` unless one of its answers has another attribute `value`."""
    if snapshot is None or key not in snapshot.flags:
        return "boolean"
    try:
        definition = snapshot.definition(key)
    except DocumentError:
        return "boolean"
    answers = [definition.attributes, *(variant.attributes for variant in definition.variants)]
    values = [attributes["value"] for attributes in answers if attributes.get("value") is not None]
    if all(isinstance(value, bool) for value in values):
        return "boolean"
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return "number" if numeric and any(isinstance(value, float) for value in values) else "other"


def _rules_with_split(snapshot: Snapshot, key: str) -> tuple[Rule, ...]:
    """The rules of a flag in order; none if no percentage is among them."""
    patterns = snapshot.scope(key).patterns
    try:
        variants = snapshot.definition(key).variants
        if not any("split" in (variant.rule or "") for variant in variants):
            return ()
        return tuple(read_rule(variant, patterns) for variant in variants if variant.rule is not None)
    except (DocumentError, RuleError):
        return ()
