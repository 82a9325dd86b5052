"""Keys that the reader computes when the context does not have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from flagkit.core.rules.keys import special_key


class Hostile(Mapping[str, object]):
    """A mapping that fails when it is read."""

    def __getitem__(self, key: str) -> object:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Unprintable:
    """An object that fails when it is written as text."""

    def __str__(self) -> str:
        raise RuntimeError


def noon() -> datetime:
    return datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_a_key_with_an_unknown_zone_is_missing() -> None:
    assert special_key("weekday@Nowhere", noon) is None


def test_a_path_ends_where_no_mapping_is() -> None:
    read = special_key("user.plan.name", None)
    assert read is not None
    assert read({"user": {"plan": {"name": "gold"}}}) == "gold"
    assert read({"user": {"plan": "gold"}}) is None
    assert read({}) is None


def test_a_path_through_a_mapping_that_fails_is_missing() -> None:
    read = special_key("user.plan", None)
    assert read is not None
    assert read({"user": Hostile()}) is None


@pytest.mark.parametrize(
    "text", ["2001:db8::1", "2001:DB8:0::1", "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1%eth0"]
)
def test_an_ipv6_address_reads_the_same_in_each_spelling(text: str) -> None:
    read, nested = special_key("ipv6@ip", None), special_key("ipv6@client.ip", None)
    assert read is not None
    assert nested is not None
    assert read({"ip": text}) == nested({"client": {"ip": text}}) == "2001:0db8:0000:0000:0000:0000:0000:0001"
    assert read({"ip": text, "ipv6@ip": "as sent"}) == "as sent"


@pytest.mark.parametrize("value", [None, "", "10.0.0.1", "2001:db8::g", 7, Unprintable()])
def test_what_is_no_ipv6_address_is_missing(value: object) -> None:
    read = special_key("ipv6@ip", noon)
    assert read is not None
    assert read({"ip": value}) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("now", noon()),
        ("weekday@Asia/Tokyo", "Sat"),
        ("time@Asia/Tokyo", "21:00:00"),
        ("weekday@Pacific/Kiritimati", "Sun"),
    ],
)
def test_the_clock_is_read_in_the_zone_unless_the_context_has_the_key(key: str, value: object) -> None:
    read = special_key(key, noon)
    assert read is not None
    assert read({}) == value
    assert read({key: "as sent"}) == "as sent"
    assert special_key(key, None) is None
