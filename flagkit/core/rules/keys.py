"""How a rule reads a context key that is more than an entry of the context. It must not compare or convert.

`company.plan` is the entry of that name, otherwise the value at that path of nested mappings. `now`, `currentTime`,
`weekday@ZONE` and `time@ZONE` come from the clock unless the context has them: the local day (`Mon` to `Sun`) and time
(`09:30:00`) of a zone of the IANA database, daylight saving time included. The rule language itself converts no times
to a zone (appconfig.md §2.3). `ipv6@NAME` is the IPv6 address at NAME in its full form of 39 characters, because an
address has several spellings and a rule compares text. AWS's Agent is sent such values as entries of those names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

Context: TypeAlias = Mapping[str, object]

CLOCK_KEYS: Final = frozenset({"now", "currentTime"})
"""The context keys that are the time itself."""

WEEKDAY: Final = "weekday@"
"""Begins the key of a zone's day of the week."""

TIME: Final = "time@"
"""Begins the key of a zone's time of day."""

IPV6: Final = "ipv6@"
"""Begins the key of an IPv6 address in full form."""

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""The days in the order of `datetime.weekday`; not the locale's names."""


def special_key(name: str, now: Callable[[], datetime] | None) -> Callable[[Context], object] | None:
    """Return the function that reads a key which is more than an entry; None for any other key.

    Args:
        name: the key without `$`.
        now: tells the time; None if the reader has no clock, so that only the context has such keys.
    """
    fallback = _clock(name, now) if now is not None else None
    if fallback is None and name.startswith(IPV6):
        fallback = _ipv6(name.removeprefix(IPV6), now)
    if fallback is None and "." in name:
        fallback = _path(name)
    if fallback is None:
        return None
    missing = fallback

    def read(context: Context) -> object:
        value = context.get(name)
        return missing(context) if value is None else value

    return read


def _clock(name: str, now: Callable[[], datetime]) -> Callable[[Context], object] | None:
    if name in CLOCK_KEYS:
        return lambda _context: now()
    lead, mark, zone_name = name.partition("@")
    lead += mark
    if lead not in {WEEKDAY, TIME}:
        return None
    from zoneinfo import ZoneInfo  # loads 30 files of code: only for rules that need it

    try:
        zone = ZoneInfo(zone_name)
    except Exception:  # noqa: BLE001 - an unknown zone raises four kinds of errors; the key is then missing
        return None
    if lead == WEEKDAY:
        return lambda _context: DAYS[now().astimezone(zone).weekday()]
    return lambda _context: now().astimezone(zone).strftime("%H:%M:%S")


def _ipv6(name: str, now: Callable[[], datetime] | None) -> Callable[[Context], object]:
    from ipaddress import IPv6Address  # only for rules that need it

    special = special_key(name, now)

    def read(context: Context) -> object:
        value = context.get(name) if special is None else special(context)
        try:
            # Not `exploded`: from Python 3.13 on, it writes the end of an IPv4-mapped address with dots.
            return IPv6Address(str(value).partition("%")[0]).packed.hex(":", 2)
        except Exception:  # noqa: BLE001 - not an address, or a hostile object: the key is then missing
            return None

    return read


def _path(name: str) -> Callable[[Context], object]:
    parts = name.split(".")

    def walk(context: Context) -> object:
        value: object = context
        try:
            for part in parts:
                if not isinstance(value, Mapping):
                    return None
                value = value.get(part)
        except Exception:  # noqa: BLE001 - a hostile mapping can raise anything; a read never does
            return None
        return value

    return walk
