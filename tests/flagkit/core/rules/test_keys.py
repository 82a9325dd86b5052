"""Keys that the reader computes when the context does not have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from flagkit.core.rules.keys import special_key


class Hostile(Mapping[str, object]):
    """A mapping that fails when it is read."""

    def __getitem__(self, key: str) -> object:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


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
