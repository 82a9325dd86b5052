"""What a notice says: the change, its author and its undo, within the limits of every receiver."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagkit.admin.diff import Change, DocumentDiff, FlagDiff
from flagkit.admin.notices.notice import MAX_BYTES, Action, Notice, message_id, undo_command

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


def flag(key: str, kind: str = "changed", said: str = "25 % → 40 %") -> FlagDiff:
    return FlagDiff(key, kind, (Change("percent", 25, 40),), (said,) if said else ())  # type: ignore[arg-type]


def notice(action: Action, *flags: FlagDiff, author: str | None = "arn:aws:sts::1:assumed-role/Dev/alice") -> Notice:
    return Notice("m", action, AT, "appconfig://a/prod/f", "prod", author, "why", 4, 9, 3, DocumentDiff(flags), "undo")


@pytest.mark.parametrize(
    ("said", "title"),
    [
        (notice("live", flag("a")), "[prod] alice changed a (version 4 is live)"),
        (notice("live", flag("a", "created")), "[prod] alice created a (version 4 is live)"),
        (notice("deploying", flag("a", "deleted")), "[prod] alice deleted a (version 4, deployment 9)"),
        (
            notice("saved", flag("a"), flag("b", "created")),
            "[prod] alice changed 2 flags (version 4 is saved but not deployed)",
        ),
        (notice("deploying"), "[prod] alice deployed version 4 (version 4, deployment 9)"),
        (notice("stopped", flag("a")), "[prod] alice stopped deployment 9: version 3 is live"),
        (notice("rolled_back", author=None), "[prod] deployment 9 was rolled back: version 3 is live"),
        (notice("live", flag("a"), author=None), "[prod] unknown author changed a (version 4 is live)"),
        (notice("test"), "[prod] test notice from alice: this receiver works"),
        (
            replace(notice("proposed", flag("a")), proposal="9f2c51d07a44"),
            "[prod] alice proposed a change of a (proposal 9f2c51d07a44 waits for approval)",
        ),
    ],
)
def test_the_first_line_says_who_did_what_where(said: Notice, title: str) -> None:
    assert said.title() == title


def test_the_text_has_a_line_for_each_of_the_first_flags() -> None:
    lines = notice("live", *(flag(f"f{n}") for n in range(1000))).text().splitlines()
    assert lines[1:3] == ["f0: 25 % → 40 %", "f1: 25 % → 40 %"]
    assert lines[11:] == ["and 990 more", "Reason: why", "Undo: undo"]


def test_a_change_without_a_sentence_is_shown_by_its_values() -> None:
    assert notice("live", flag("segment qa", "created", "")).text().splitlines()[1] == (
        "segment qa (new): percent: 25 → 40"
    )


def test_a_thousand_flags_fit_into_one_event_and_what_does_not_is_counted() -> None:
    flags = [FlagDiff(f"f{n}", "changed", (Change("x", "é" * 300, "y"),)) for n in range(1000)]
    data = notice("live", *flags).to_dict()
    shown = data["flags"]
    assert isinstance(shown, dict)
    assert len(json.dumps(data)) <= MAX_BYTES + 100
    assert data["flags_omitted"] == 1000 - len(shown) > 0


@given(st.text(), st.text())
def test_no_text_of_others_breaks_a_line_or_steers_a_terminal(name: str, reason: str) -> None:
    said = Notice("m", "live", AT, name, None, name, reason, 1, diff=DocumentDiff((flag("a", said=name),)))
    lines = said.text().split("\n")
    assert len(lines) == 2 + bool(reason)
    assert all(line.isprintable() and len(line) <= 310 for line in lines if line)


@pytest.mark.parametrize(
    ("flags", "before", "command"),
    [
        ([flag("a")], 3, "flagkit revert a --to 3 --source 'file:my flags.json'"),
        ([flag("a"), flag("b")], 3, "flagkit revert --to 3 --source 'file:my flags.json'"),
        ([flag("segment qa")], 3, "flagkit revert 'segment qa' --to 3 --source 'file:my flags.json'"),
        ([flag("a", "created")], 0, "flagkit delete a --source 'file:my flags.json'"),
        ([flag("a"), flag("b")], 0, ""),
        ([], 3, ""),
    ],
)
def test_the_undo_is_a_command_that_can_be_typed(flags: list[FlagDiff], before: int, command: str) -> None:
    assert undo_command("file:my flags.json", DocumentDiff(tuple(flags)), before) == command


def test_ids_hold_no_dot() -> None:
    assert message_id("appconfig://a/b.c", 3) == "appconfig-a-b-c_3"
