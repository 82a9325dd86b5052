"""Patterns that stand for what the rule language has no operator for; it must not read or write conditions.

The rule language compares text, numbers and times, and finds RE2 patterns. A version, an address range and text whose
case is ignored become one pattern each. The name of the pattern's only named group says what was meant, so a document
that knows only native rules can be read back: `read_pattern` accepts a pattern only if `pattern_of` writes the same one
again. RE2 and Go's regexp, which AWS's Agent uses, read `(?P<name>…)` alike.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal

from flagkit.authoring.language.versions import Version, VersionOperator, version_pattern
from flagkit.errors import EditError

CaseTest = Literal["is", "starts", "ends", "has"]

_NAMED: Final = re.compile(r"\^(?:\(\?:v\|V\)\?)?\(\?P<(?P<kind>[a-z0-9]+)_(?P<operand>\w+)>")
_IGNORED_CASE: Final = re.compile(r"\(\?i\)(?P<start>\^?)\(\?:(?P<texts>.*)\)(?P<end>\$?)", re.DOTALL)
_NEEDS_ESCAPE: Final = frozenset("\\.+*?()|[]{}^$")
_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ANCHORS: Final[dict[CaseTest, tuple[str, str]]] = {
    "is": ("^", "$"),
    "starts": ("^", ""),
    "ends": ("", "$"),
    "has": ("", ""),
}


@dataclass(frozen=True, slots=True)
class VersionTest:
    """The attribute is a version in this relation to `version`, by the precedence of semver.org."""

    operator: VersionOperator
    version: Version


@dataclass(frozen=True, slots=True)
class NetworkTest:
    """The attribute is an address within `network`; an IPv6 address in full form (flagkit.core.rules.keys)."""

    network: IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class CaselessTest:
    """The attribute equals, starts with, ends with or contains one of `texts`, whatever the case."""

    test: CaseTest
    texts: tuple[str, ...]


PatternTest = VersionTest | NetworkTest | CaselessTest


def pattern_of(test: PatternTest) -> str:
    """Return the RE2 pattern of a test."""
    match test:
        case VersionTest(operator, version):
            name = _name(operator, str(version))
            return f"^(?:v|V)?(?P<{name}>{version_pattern(operator, version)})$"
        case NetworkTest(network):
            return f"^(?P<{_name('cidr', network_text(network))}>{_network_pattern(network)})$"
        case CaselessTest(kind, texts):
            start, end = _ANCHORS[kind]
            return f"(?i){start}(?:{'|'.join(map(_escape, texts))}){end}"


def read_pattern(pattern: str) -> PatternTest | None:
    """Return the test that a pattern stands for; None if it is a pattern like any other."""
    found = _named_test(pattern) or _caseless_test(pattern)
    return found if found is not None and pattern_of(found) == pattern else None


def read_network(text: str) -> IPv4Network | IPv6Network:
    """Read an address range such as `10.0.0.0/8` or `2001:db8::/32`, or one address.

    Raises:
        EditError: not an address range, or bits are set to the right of the prefix.
    """
    try:
        return ip_network(text)
    except ValueError as error:
        hint = "Write a range such as 10.0.0.0/8 or 2001:db8::/32."
        with suppress(ValueError):
            hint = f"Did you mean {ip_network(text, strict=False)}?"
        raise EditError(f"{text!r} is not a valid address range", hint=hint) from error


def network_text(network: IPv4Network | IPv6Network) -> str:
    """The one spelling of a range: patterns are compared, and `str` differs between versions of Python."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None:
        return str(network)
    high, low = divmod(int(mapped), 2**16)
    return f"::ffff:{high:x}:{low:x}/{network.prefixlen}"


def _named_test(pattern: str) -> PatternTest | None:
    named = _NAMED.match(pattern)
    if named is None:
        return None
    kind, operand = named["kind"], _operand(named["operand"])
    try:
        if kind == "cidr":
            return NetworkTest(ip_network(operand))
        version = Version.read(operand)
    except ValueError:
        return None
    operators: dict[str, VersionOperator] = {"eq": "eq", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte"}
    operator = operators.get(kind)
    return None if version is None or operator is None else VersionTest(operator, version)


def _caseless_test(pattern: str) -> CaselessTest | None:
    found = _IGNORED_CASE.fullmatch(pattern)
    if found is None:
        return None
    kinds = {anchors: kind for kind, anchors in _ANCHORS.items()}
    texts = [re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) for text in _alternatives(found["texts"])]
    return CaselessTest(kinds[found["start"], found["end"]], tuple(texts))


def _alternatives(text: str) -> list[str]:
    """Split at the bars that are not escaped."""
    return re.findall(r"(?:^|(?<=\|))((?:[^\\|]|\\.)*)(?:\||$)", text, re.DOTALL) if text else [""]


def _name(kind: str, operand: str) -> str:
    """A group may be named with letters, digits and underscores: everything else becomes `_` and its code."""
    return kind + "_" + re.sub(r"[^0-9A-Za-z]", lambda found: f"_{ord(found[0]):02x}", operand)


def _operand(name: str) -> str:
    return re.sub(r"_([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), name)


def _escape(text: str) -> str:
    return "".join("\\" + char if char in _NEEDS_ESCAPE else char for char in text)


def _network_pattern(network: IPv4Network | IPv6Network) -> str:
    if isinstance(network, IPv6Network):
        return _ipv6_pattern(network)
    octets = network.network_address.packed
    whole, bits = divmod(network.prefixlen, 8)
    parts = [str(octet) for octet in octets[:whole]]
    if bits:
        first = octets[whole]
        parts.append(f"(?:{'|'.join(str(octet) for octet in range(first, first + 2 ** (8 - bits)))})")
    parts += [_OCTET] * (4 - len(parts))
    return r"\.".join(parts)


def _ipv6_pattern(network: IPv6Network) -> str:
    """Of an address in full form: the digits that the prefix fixes, one digit that it fixes in part, and any others."""
    digits = network.network_address.packed.hex()
    whole, bits = divmod(network.prefixlen, 4)
    parts = list(digits[:whole])
    if bits:
        first = int(digits[whole], 16)
        parts.append(f"[{''.join(f'{digit:x}' for digit in range(first, first + 2 ** (4 - bits)))}]")
    fixed = "".join(f":{part}" if index and index % 4 == 0 else part for index, part in enumerate(parts))
    return f"{fixed}[0-9a-f:]*"
