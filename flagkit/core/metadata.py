"""Who owns a flag and what it is for: kept at the end of its description, the one text that AWS stores for people.

AWS drops every key that it doesn't know, and an attribute would reach clients (appconfig.md §1.1). A description
reaches only the people who look at the flag, in AWS's console, too:
`Checkout on one page. [flagkit owner: payments; tags: eu, q3; kind: release; archived]`. It knows no document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, TypeAlias, get_args

FlagKind: TypeAlias = Literal["release", "experiment", "ops", "permission"]
"""What a flag is for: a rollout that ends, a test, operating the system, or what users may do."""
KINDS: Final[tuple[FlagKind, ...]] = get_args(FlagKind)

MAX_NAME_CHARS = 64
_FACTS = re.compile(r"(?P<text>.*?)(?: |^)\[flagkit(?: (?P<facts>[^\[\]\n]*))?\]", re.DOTALL)
_RESERVED = ";[]"
_CLIENT_VISIBLE = "client-visible"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is written about a flag for people.

    Attributes:
        description: what it is for, in a sentence; None where nothing is said.
        owner: the person or team to ask.
        tags: words to find it by.
        kind: what it is for, in a word.
        archived: whether it is kept for the record only; such a flag is off.
        client_visible: whether its answers may leave the server, for a browser or an app.
    """

    description: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    kind: FlagKind | None = None
    archived: bool = False
    client_visible: bool = False


NO_METADATA: Final = Metadata()


def read_metadata(text: str | None) -> Metadata:
    """Take the description of a stored flag apart; an end that isn't flagkit's stays part of the description."""
    if not text or not text.endswith("]") or "[flagkit" not in text:
        return Metadata(text or None)
    found = _FACTS.fullmatch(text)
    facts = None if found is None else _facts(found["facts"] or "")
    if found is None or facts is None:
        return Metadata(text)
    return Metadata(found["text"] or None, facts.owner, facts.tags, facts.kind, facts.archived, facts.client_visible)


def write_metadata(metadata: Metadata) -> str | None:
    """Return the description to store; `read_metadata` returns the same metadata for it."""
    description = metadata.description or None
    facts: list[str] = []
    if metadata.owner is not None:
        facts.append(f"owner: {metadata.owner}")
    if metadata.tags:
        facts.append(f"tags: {', '.join(metadata.tags)}")
    if metadata.kind is not None:
        facts.append(f"kind: {metadata.kind}")
    if metadata.archived:
        facts.append("archived")
    if metadata.client_visible:
        facts.append(_CLIENT_VISIBLE)
    # A description that looks like metadata gets an end of its own, so that it stays a description.
    if not facts and read_metadata(description) == Metadata(description):
        return description
    end = " ".join(["[flagkit", "; ".join(facts)]).rstrip() + "]"
    return end if description is None else f"{description} {end}"


def problem_of_name(name: str, *, is_tag: bool = False) -> str | None:
    """Return why a text can't be an owner, or a tag; None if it can."""
    reserved = _RESERVED + ("," if is_tag else "")
    if not name or name != name.strip():
        return "must not be empty, nor begin or end with a space"
    if len(name) > MAX_NAME_CHARS:
        return f"must not have more than {MAX_NAME_CHARS} characters"
    wrong = next((character for character in name if character in reserved or not character.isprintable()), None)
    return None if wrong is None else f"must not contain {wrong!r}"


def is_past(day: str, now: datetime) -> bool:
    """Return whether a removal date, `2027-03-01`, is over. AWS takes any digits; an invalid day is never over."""
    try:
        return date.fromisoformat(day) < now.date()
    except ValueError:
        return False


def _facts(text: str) -> Metadata | None:
    owner: str | None = None
    tags: tuple[str, ...] = ()
    kind: FlagKind | None = None
    archived = client_visible = False
    names: set[str] = set()
    for fact in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = (part.strip() for part in fact.partition(":"))
        if name in names:
            return None
        names.add(name)
        if name == "owner" and problem_of_name(value) is None:
            owner = value
        elif name == "tags":
            tags = tuple(dict.fromkeys(tag.strip() for tag in value.split(",")))
            if any(problem_of_name(tag, is_tag=True) is not None for tag in tags):
                return None
        elif name == "kind" and value in KINDS:
            kind = next(known for known in KINDS if known == value)
        elif fact == "archived":
            archived = True
        elif fact == _CLIENT_VISIBLE:
            client_visible = True
        else:
            return None
    return Metadata(None, owner, tags, kind, archived, client_visible)
