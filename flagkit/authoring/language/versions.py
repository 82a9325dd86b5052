"""Semantic versions as patterns: text that is a version before, at or after a given one. It must not know conditions.

Precedence is that of semver.org 2.0.0 §11: major, minor and patch compare as numbers; a pre-release comes before its
release; pre-release identifiers compare one by one, digits as numbers and before letters, the rest by ASCII; fewer
identifiers come first; build metadata is ignored. Text may leave out minor or patch, which then are 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

VersionOperator = Literal["eq", "gt", "gte", "lt", "lte"]

_VERSION: Final = re.compile(
    r"[vV]?(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*))?(?:\.(0|[1-9][0-9]*))?"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_MAX_CHARS: Final = 1_024
"""No longer version has a pattern that a rule may hold; Python refuses integers of more than 4,300 digits."""
_NUMBER: Final = "(?:0|[1-9][0-9]*)"
_ALNUM: Final = "[0-9A-Za-z-]"
_WORD: Final = f"[0-9]*[A-Za-z-]{_ALNUM}*"
"""A pre-release identifier that is not a number."""
_IDENTIFIER: Final = f"(?:0|[1-9][0-9]*|{_WORD})"
_REST: Final = rf"(?:\.{_IDENTIFIER})*"
_ANY_PRE: Final = f"(?:-{_IDENTIFIER}{_REST})?"
_BUILD: Final = rf"(?:\+{_ALNUM}+(?:\.{_ALNUM}+)*)?"
_NEVER: Final = r"[^\x00-\x{10FFFF}]"
_ORDER: Final = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The characters of an identifier in ASCII order."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version without build metadata.

    Attributes:
        numbers: major, minor and patch.
        pre: the identifiers of the pre-release; empty for a release.
    """

    numbers: tuple[int, int, int]
    pre: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Version | None:
        """Read `1.10.0`, `v1.10` or `2.0.0-rc.1+build`; None for anything else."""
        found = _VERSION.fullmatch(text) if len(text) <= _MAX_CHARS else None
        if found is None:
            return None
        major, minor, patch, pre = found.groups()
        return cls((int(major), int(minor or 0), int(patch or 0)), tuple(pre.split(".")) if pre else ())

    def __str__(self) -> str:
        text = ".".join(map(str, self.numbers))
        return f"{text}-{'.'.join(self.pre)}" if self.pre else text


def version_pattern(operator: VersionOperator, version: Version) -> str:
    """Return the pattern, without anchors, of the versions in this relation to `version`."""
    same = _same_numbers(version)
    others: list[str] = []
    endings: list[str] = []
    if operator in {"eq", "gte", "lte"}:
        endings.append(_pre(version.pre))
    if operator in {"gt", "gte"}:
        others = _larger_numbers(version)
        endings += _later_pre(version.pre)
    if operator in {"lt", "lte"}:
        others = _smaller_numbers(version)
        endings += _earlier_pre(version.pre)
    cases = [f"(?:{'|'.join(others)}){_ANY_PRE}"] if others else []
    cases += [f"{same}(?:{'|'.join(endings)})"] if endings else []
    return f"(?:{'|'.join(cases) or _NEVER}){_BUILD}"


def _pre(pre: Sequence[str]) -> str:
    return "-" + r"\.".join(pre) if pre else ""


def _same_numbers(version: Version) -> str:
    major, minor, patch = version.numbers
    text = rf"{major}\.{minor}\.{patch}"
    if patch == 0:
        text = rf"{major}\.{minor}(?:\.0)?" if minor else rf"{major}(?:\.0(?:\.0)?)?"
    return text


def _larger_numbers(version: Version) -> list[str]:
    """Return alternatives for the numbers of the releases after the version's."""
    major, minor, patch = version.numbers
    return [
        rf"{_larger(major)}(?:\.{_NUMBER}(?:\.{_NUMBER})?)?",
        rf"{major}\.{_larger(minor)}(?:\.{_NUMBER})?",
        rf"{major}\.{minor}\.{_larger(patch)}",
    ]


def _smaller_numbers(version: Version) -> list[str]:
    """Return alternatives for the numbers of the releases before the version's; a missing number is 0."""
    major, minor, patch = version.numbers
    cases = []
    if major:
        cases.append(rf"{_smaller(major)}(?:\.{_NUMBER}(?:\.{_NUMBER})?)?")
    if minor:
        cases.append(rf"{major}(?:\.{_smaller(minor)}(?:\.{_NUMBER})?)?")
    if patch:
        tail = rf"\.{minor}(?:\.{_smaller(patch)})?"
        cases.append(rf"{major}{tail}" if minor else rf"{major}(?:{tail})?")
    return cases


def _larger(number: int) -> str:
    """Return a pattern of the natural numbers above `number`."""
    digits = str(number)
    longer = "[1-9][0-9]+" if len(digits) == 1 else rf"[1-9][0-9]{{{len(digits)},}}"
    cases = [
        digits[:index] + _digit(int(digit) + 1, 9) + _digits(len(digits) - index - 1)
        for index, digit in enumerate(digits)
        if digit != "9"
    ]
    return f"(?:{'|'.join([*cases, longer])})"


def _smaller(number: int) -> str:
    """Return a pattern of the natural numbers below `number`, which is at least 1."""
    digits = str(number)
    cases = ["0"] if len(digits) > 1 else []
    if len(digits) > 1:
        cases.append("[1-9]" + (rf"[0-9]{{0,{len(digits) - 2}}}" if len(digits) > 2 else ""))
    for index, digit in enumerate(digits):
        lowest = 1 if index == 0 and len(digits) > 1 else 0
        if int(digit) > lowest:
            cases.append(digits[:index] + _digit(lowest, int(digit) - 1) + _digits(len(digits) - index - 1))
    return f"(?:{'|'.join(cases)})"


def _digit(low: int, high: int) -> str:
    return str(low) if low == high else f"[{low}-{high}]"


def _digits(count: int) -> str:
    return "" if count == 0 else "[0-9]" if count == 1 else f"[0-9]{{{count}}}"


def _later_pre(pre: Sequence[str]) -> list[str]:
    """Return the pre-releases, as text after the numbers, that come after `pre`; that of the release is empty."""
    if not pre:
        return []
    cases = [""]
    for index, identifier in enumerate(pre):
        lead = "-" + "".join(f"{before}\\." for before in pre[:index])
        cases.append(f"{lead}(?:{'|'.join(_later_identifiers(identifier))}){_REST}")
    cases.append(_pre(pre) + rf"(?:\.{_IDENTIFIER})+")
    return cases


def _earlier_pre(pre: Sequence[str]) -> list[str]:
    """Return the pre-releases, as text after the numbers, that come before `pre`."""
    if not pre:
        return [f"-{_IDENTIFIER}{_REST}"]
    cases = []
    for index, identifier in enumerate(pre):
        lead = "-" + "".join(f"{before}\\." for before in pre[:index])
        if earlier := _earlier_identifiers(identifier):
            cases.append(f"{lead}(?:{'|'.join(earlier)}){_REST}")
        if index:
            cases.append(_pre(pre[:index]))
    return cases


def _later_identifiers(identifier: str) -> list[str]:
    if identifier.isdigit():
        return [_WORD, _larger(int(identifier))]
    later = [f"{identifier}{_ALNUM}+"]
    for index, char in enumerate(identifier):
        later += _branches(identifier[:index], _ORDER[_ORDER.index(char) + 1 :])
    return later


def _earlier_identifiers(identifier: str) -> list[str]:
    if identifier.isdigit():
        return [_smaller(int(identifier))] if int(identifier) else []
    earlier = [_NUMBER]
    for index, char in enumerate(identifier):
        if index and not identifier[:index].isdigit():
            earlier.append(identifier[:index])
        earlier += _branches(identifier[:index], _ORDER[: _ORDER.index(char)])
    return earlier


def _branches(lead: str, chars: str) -> list[str]:
    """Return identifiers that are no number and begin with `lead` and one of `chars`."""
    if lead and not lead.isdigit():
        return [f"{lead}[{_class(chars)}]{_ALNUM}*"] if chars else []
    letters = "".join(char for char in chars if not char.isdigit())
    digits = "".join(char for char in chars if char.isdigit())
    cases = [f"{lead}[{_class(letters)}]{_ALNUM}*"] if letters else []
    return [*cases, f"{lead}[{_class(digits)}]{_WORD}"] if digits else cases


def _class(chars: str) -> str:
    """Return the inside of a character class, with spans of three or more as a range."""
    text, index = "", 0
    while index < len(chars):
        end = index
        while end + 1 < len(chars) and ord(chars[end + 1]) == ord(chars[end]) + 1:
            end += 1
        span = chars[index : end + 1]
        text += f"{span[0]}-{span[-1]}" if len(span) > 2 else span
        index = end + 1
    return text.replace("-", "", 1) + "-" if text.startswith("-") else text
