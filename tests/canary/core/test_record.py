"""The record in the alias description: short, complete, readable by any process."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.phases import Phase
from canary.core.record import Record, Shift, base36, decode, encode, is_record, room_for_description
from canary.errors import RecordError

START = datetime(2026, 1, 5, 9, 5, tzinfo=UTC)
RECORD = Record(
    canary_id="k3f9a2c1",
    baseline="41",
    candidate="42",
    phase=Phase.BAKING,
    started_at=START,
    shifts=(Shift(START, 1000), Shift(START + timedelta(seconds=600), 2500)),
    deadline=None,
    fingerprint="9f3a2b1c",
    description="Live traffic of the API",
    planned_bp=(5000,),
)


def test_the_record_is_one_readable_line_with_the_operators_text_behind_it() -> None:
    assert encode(RECORD) == "canary1 k3f9a2c1 41>42 b t8dvwc 10@0,25@go,50 - 9f3a2b1c|Live traffic of the API"


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        replace(RECORD, phase=Phase.HOLDING, deadline=START + timedelta(hours=2)),
        replace(RECORD, phase=Phase.STARTING, shifts=(), planned_bp=(50, 1250)),
        replace(
            RECORD, phase=Phase.POST_BAKE, shifts=(*RECORD.shifts, Shift(START, 10_000)), planned_bp=(), hotfix=True
        ),
        replace(RECORD, shifts=(), planned_bp=(), phase=Phase.ABORTING, description=""),
        replace(RECORD, members=5),
        replace(RECORD, members=(1 << 50) - 1, hotfix=True),
        replace(RECORD, description="pipes | and ~ tildes\nand lines"),
    ],
)
def test_a_record_reads_back_as_it_was_written(record: Record) -> None:
    assert decode(encode(record)) == record


def test_the_record_fits_the_description_and_shortens_only_the_operators_text() -> None:
    text = encode(replace(RECORD, description="x" * 256))
    assert len(text) == 256
    read = decode(text)
    assert read is not None
    assert read.shortened
    assert set(read.description) == {"x"}
    assert replace(read, description="", shortened=False) == replace(RECORD, description="")


def test_a_shortened_text_stays_marked_even_when_it_would_fit_again() -> None:
    assert encode(replace(RECORD, shortened=True)).endswith("~Live traffic of the API")


def test_the_room_for_the_operators_text_is_what_the_record_leaves() -> None:
    room = room_for_description(RECORD)
    assert encode(replace(RECORD, description="y" * room)).endswith("|" + "y" * room)
    assert "~" in encode(replace(RECORD, description="y" * (room + 1)))


def test_a_record_that_fills_the_description_to_the_last_character_fits() -> None:
    exact = replace(RECORD, canary_id="x" * (len(RECORD.canary_id) + room_for_description(RECORD)))
    assert room_for_description(exact) == 0
    assert encode(replace(exact, description="")) == encode(exact).replace("~", "|")
    assert len(encode(exact)) == 256


def test_a_record_with_too_many_steps_is_refused_with_the_arithmetic() -> None:
    many = replace(RECORD, shifts=tuple(Shift(START + timedelta(minutes=n), n) for n in range(1, 60)))
    assert room_for_description(many) < 0
    with pytest.raises(RecordError, match=r"needs \d+ characters, an alias description has at most 256"):
        encode(many)


@pytest.mark.parametrize("text", ["", "Live traffic", "canary", "canary deployment of the API", "canaryx y"])
def test_an_ordinary_description_is_no_record(text: str) -> None:
    assert decode(text) is None
    assert not is_record(text)


def test_a_record_of_another_format_is_named_and_not_overwritten_as_if_it_were_text() -> None:
    with pytest.raises(RecordError, match="another format"):
        decode("canary2 whatever")


@pytest.mark.parametrize(
    "text",
    [
        "canary1 no bar at all",
        "canary1 id 1>2 b|too few fields",
        "canary1 id 1>2 z t8dvwc 10@0 - ffff0000|unknown phase",
        "canary1 id 12 b t8dvwc 10@0 - ffff|no versions",
        "canary1 id 1>2 b t8dvwc ten@0 - ffff|no weight",
        "canary1 id 1>2 b !! 10@0 - ffff|no start",
        "canary1 id 1>2 b zzzzzzzzzzzzz 10@0 - ffff0000|a start beyond all years",
        "canary1 id 1>2 b t8dvwc0 10@0 - ffff0000|a digit too many: a start in 3986",
        "canary1 k 41>42 b -zz 10@0 - ffff0000|a negative start",
        "canary1 k 41>42 b 100000 10@0 - ffff0000|a start before Lambda had weights",
        "canary1 id 1>2 b T8DVWC 10@0 - ffff0000|capitals that this module never writes",
        "canary1 id 1>2 b t8dvwc 10.0@0 - ffff0000|a weight that is written otherwise",
        "canary1 id 1>2 b t8dvwc 010@0 - ffff0000|a leading zero",
        "canary1 id 1>2 b t8dvwc 10@00 - ffff0000|an offset with a leading zero",
        "canary1 id 1>2 b t8dvwc 10@-5 - ffff0000|a negative offset",
        "canary1 id 1>2 b t8dvwc nan@0 - ffff0000|not a number",
        "canary1 id 1>2 b t8dvwc 1e1@0 - ffff0000|an exponent",
        "canary1 id 1>2 b t8dvwc 999@0 - ffff0000|more than all",
        "canary1 id 1>2 b t8dvwc \u0661\u0660@0 - ffff0000|digits of another script",
        "canary1 id 1>2 b t8dvwc 10@0,, - ffff0000|an empty step",
        "canary1 id 1>2 b t8dvwc  - ffff0000|watched without a weight",
        "canary1 id 1>2 b t8dvwc 0@0 - ffff0000|watched at 0 %",
        "canary1 id 1>2 b t8dvwc 10@0,100 - ffff0000|a step of 100 %",
        "canary1 id 1>2 o t8dvwc 10@0 - ffff0000|promoted at 10 %",
        "canary1 id 1>2 r t8dvwc 10@0 - ffff0000|rolling back at 10 %",
        "canary1 id 1>2 s t8dvwc 10@0 - ffff0000|starting at 10 %",
        "canary1 id 2>2 b t8dvwc 10@0 - ffff0000|one version",
        "canary1 id $LATEST>2 b t8dvwc 10@0 - ffff0000|not a version number",
        "canary1 id 1>2 b/0 t8dvwc 10@0 - ffff0000|members that would not be written",
        "canary1 id 1>2 bxx t8dvwc 10@0 - ffff0000|an unknown flag",
        "canary1 id 1>2 b t8dvwc 10@0 - FFFF|another fingerprint",
    ],
)
def test_a_damaged_record_is_an_error_and_never_guessed_at(text: str) -> None:
    with pytest.raises(RecordError, match="damaged"):
        decode(text)


def test_times_before_the_start_count_as_the_start() -> None:
    early = replace(RECORD, shifts=(Shift(START - timedelta(seconds=5), 1000),))
    read = decode(encode(early))
    assert read is not None
    assert read.shifts[0].at == START


def test_numbers_are_written_in_base_36() -> None:
    assert [base36(number) for number in (0, 35, 36, 600)] == ["0", "z", "10", "go"]


HEAD_CHARACTERS = "canary1 0123456789abcdefxyz>@,.-|~\u0661\x00"
DAMAGES = st.lists(
    st.tuples(st.sampled_from(["drop", "set", "add"]), st.integers(0, 80), st.sampled_from(HEAD_CHARACTERS)), max_size=4
)


@given(DAMAGES)
@settings(max_examples=400)
def test_a_damaged_record_is_read_as_it_would_be_written_or_not_at_all(damages: list[tuple[str, int, str]]) -> None:
    text = encode(RECORD)
    for kind, at, character in damages:
        text = text[:at] + (character if kind != "drop" else "") + text[at + (kind != "add") :]
    try:
        record = decode(text)
    except RecordError:
        return
    if record is not None and len(text) <= 256:
        assert encode(record) == text
        assert 2018 <= record.started_at.year < 2100


@given(st.text(max_size=256).map(lambda rest: f"canary1 {rest}"))
def test_any_text_after_the_mark_is_a_record_or_an_error(text: str) -> None:
    with suppress(RecordError):
        assert encode(decode(text) or RECORD)
