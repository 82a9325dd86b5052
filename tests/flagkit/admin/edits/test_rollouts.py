"""The share of users that a guarded rollout raises, and its record beside it, which nobody else sees or loses."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flagkit.admin import edits
from flagkit.admin.edits.rollouts import rollout_records
from flagkit.admin.entries import EMPTY, keys_of
from flagkit.authoring import decompile
from flagkit.authoring.editor import apply_source
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError

RECORD = "canary1 k3f9a2c1 1>2 b tn1f0a 10@0,25 - 9f3a2b1c|"


def flag(**settings: object) -> FlagDocument:
    return edits.create(edits.create(EMPTY, "flag"), "other")


def test_a_share_is_exact_to_a_hundredth_of_a_percent_and_switches_the_flag_on() -> None:
    document = edits.expose(flag(), "flag", Decimal("0.01"))
    assert edits.exposed_percent(document, "flag") == Decimal("0.01")
    assert edits.exposed_percent(edits.kill(document, "flag"), "flag") == 0


def test_nobody_and_everybody_are_shares_too() -> None:
    assert edits.exposed_percent(flag(), "flag") == 0
    assert edits.exposed_percent(edits.switch_on(flag(), "flag"), "flag") == 100
    assert edits.exposed_percent(edits.expose(flag(), "flag", Decimal(100)), "flag") == 100
    assert edits.expose(flag(), "flag", Decimal(0)) == flag()


def test_the_first_of_two_variants_can_be_rolled_out() -> None:
    document = edits.switch_on(edits.split(flag(), "flag", {"blue": 10}), "flag")
    assert edits.exposed_percent(document, "flag", "blue") == 10
    assert edits.exposed_percent(edits.expose(document, "flag", Decimal(20), "blue"), "flag", "blue") == 20


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (edits.rollout(flag(), "flag", 0, by="country"), "splits by country"),
        (edits.split(flag(), "flag", {"blue": 10, "red": 20}), "no variant on|more than one percentage"),
    ],
)
def test_a_flag_without_one_percentage_of_users_is_refused(document: FlagDocument, message: str) -> None:
    with pytest.raises(EditError, match=message):
        edits.exposed_percent(document, "flag")


def test_three_variants_have_no_single_share() -> None:
    document = edits.split(flag(), "flag", {"blue": 10, "red": 20})
    with pytest.raises(EditError, match="more than one percentage"):
        edits.exposed_percent(document, "flag", "red")


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(EditError, match="no variant blue"):
        edits.exposed_percent(flag(), "flag", "blue")


def test_records_of_two_rollouts_come_and_go_apart() -> None:
    document = edits.put_rollout(edits.put_rollout(flag(), "flag", RECORD), "other", RECORD)
    assert edits.rollout_record(document, "flag") == RECORD
    document = edits.put_rollout(document, "flag", None)
    assert (edits.rollout_record(document, "flag"), edits.rollout_record(document, "other")) == (None, RECORD)
    assert edits.put_rollout(document, "other", None) == flag()


def test_a_flag_is_deleted_with_its_record() -> None:
    document = edits.put_rollout(edits.put_rollout(flag(), "flag", RECORD), "other", RECORD)
    assert rollout_records(edits.delete(document, "flag")) == {"other": RECORD}


def test_no_other_edit_sees_or_loses_a_record() -> None:
    document = edits.put_rollout(flag(), "flag", RECORD)
    assert keys_of(document) == ("flag", "other")
    source = decompile(document)
    assert sorted(source.flags) == ["flag", "other"]
    assert edits.rollout_record(apply_source(document, source), "flag") == RECORD
    assert edits.rollout_record(edits.restore_all(document, flag()), "flag") == RECORD
    assert edits.rollout_record(edits.restore_all(flag(), document), "flag") is None
