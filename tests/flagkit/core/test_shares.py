"""About whom a flag's percentage decides: held to what happens when the percentage is 0 % and 100 %."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flagkit.admin import edits
from flagkit.authoring import compile_document, read_toml
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot

DOCUMENT = """
[layers.checkout]
[holdouts.q3]
percent = 5
[flags.plain]
percent = 25
[flags.seeded]
percent = 25
seed = "s:1"
[flags.listed]
percent = 25
users = ["user-1", "user-2"]
[flags.abroad]
percent = 25
where = 'country is "US"'
[flags.layered]
layer = { name = "checkout", share = 30 }
holdout = "q3"
percent = 25
[flags.second]
layer = { name = "checkout", share = 40 }
variants = [{ name = "on", weight = 25 }, { name = "off", enabled = false }]
[flags.needs]
requires = ["layered"]
percent = 25
"""


def snapshot_of(document: FlagDocument) -> Snapshot:
    return Snapshot.from_json(document.to_json())


@pytest.fixture(scope="module")
def document() -> FlagDocument:
    return compile_document(read_toml(DOCUMENT))


@pytest.mark.parametrize("key", ["listed", "abroad", "layered", "second", "needs"])
@pytest.mark.parametrize("percent", [0, 25, 100])
def test_the_percentage_decides_about_those_who_would_notice(document: FlagDocument, key: str, percent: int) -> None:
    at = [snapshot_of(edits.expose(document, key, Decimal(share))) for share in (0, 100, percent)]
    decides = at[2].percentage_decides(key)
    assert decides is not None
    found = set()
    for number in range(200):
        user, context = f"user-{number}", {"country": ("US", "DE")[number % 2]}
        nobody, everybody, _ = (snapshot.evaluate(key, user, context).variant for snapshot in at)
        found.add(expected := nobody != everybody)
        assert decides(user, context) is expected
    assert found == {True, False}


@pytest.mark.parametrize("key", ["plain", "seeded", "no_such_flag"])
def test_a_percentage_alone_decides_about_everybody(document: FlagDocument, key: str) -> None:
    assert snapshot_of(document).percentage_decides(key) is None


def test_weights_decide_about_all_who_take_part() -> None:
    text = """
    [flags.colours]
    percent = 40
    variants = [{ name = "a", weight = 30 }, { name = "b", weight = 30 }, { name = "off", enabled = false }]
    """
    snapshot = snapshot_of(compile_document(read_toml(text)))
    decides = snapshot.percentage_decides("colours")
    assert decides is not None
    taking_part = [f"user-{number}" for number in range(500) if decides(f"user-{number}", None)]
    assert 150 < len(taking_part) < 250
    variants = [snapshot.evaluate("colours", user).variant for user in taking_part]
    assert {name: variants.count(name) > 40 for name in ("a", "b", "off")} == {"a": True, "b": True, "off": True}


def test_while_a_flag_is_off_its_percentage_decides_about_nobody(document: FlagDocument) -> None:
    for key in ("plain", "second"):
        decides = snapshot_of(edits.switch_off(document, key)).percentage_decides(key)
        assert decides is not None
        assert not any(decides(f"user-{number}", None) for number in range(50))


def test_a_flag_without_a_percentage_or_with_a_broken_rule_says_nothing() -> None:
    rules = {"listed": '(in $userId ["1"])', "by_group": "(split pct::5 by::$group)", "broken": "(split"}
    values = {
        key: {"_variants": [{"name": "on", "enabled": True, "rule": rule}, {"name": "off", "enabled": False}]}
        for key, rule in rules.items()
    }
    snapshot = Snapshot.from_document({"version": "1", "flags": {}, "values": values})
    assert [snapshot.percentage_decides(key) for key in rules] == [None, None, None]
