"""TOML in, the same TOML out."""

from datetime import UTC, datetime

import pytest

from flagkit.authoring import AuthoringDocument, compile_document, decompile, read_toml, write_toml
from flagkit.core.snapshot import Snapshot
from flagkit.errors import EditError

TEXT = """\
[segments.staff]
users = ["1", "2"]
where = "email ends with @example.com"

[layers.checkout]

[holdouts.q3]
percent = 2.5

[flags.new_checkout]
name = "New checkout"
remove_by = 2027-06-30
attributes.color = { type = "string", required = true, enum = ["red", "blue"] }
values.color = "red"
segments = ["staff"]
from = 2026-12-07T09:00:00Z
layer = { name = "checkout", share = 33.3333 }
ramp = [{ at = 2026-12-07T09:00:00Z, percent = 10 }, { at = 2026-12-09T09:00:00.500000Z, percent = 50 }]

[flags.button]
remove_by = true

[[flags.button.variants]]
name = "red"
values = { "odd key" = [1, 2.5, false] }
weight = 50

[[flags.button.variants]]
name = "blue"
ranges = [[50, 75], [80.5, 90]]

[[flags.button.variants]]
name = "off"
enabled = false
"""


def test_what_is_written_is_what_was_read():
    read = read_toml(TEXT)
    assert read_toml(write_toml(read)) == read
    assert sorted(write_toml(read).splitlines()) == sorted(TEXT.splitlines())


def test_words_are_read_with_their_types():
    flag = read_toml(TEXT).flags["new_checkout"]
    assert flag.starts == datetime(2026, 12, 7, 9, tzinfo=UTC)
    assert flag.layer.share == 333_333
    assert [step.percent for step in flag.ramp] == [100_000, 500_000]


def test_every_text_survives():
    odd = '\x00\x1f\x7f"\\ é 😀 \u2028\n\ttab'
    source = AuthoringDocument.parse({"segments": {odd: {"users": [odd]}}, "flags": {"f": {"description": odd}}})
    assert read_toml(write_toml(source)) == source


def test_nothing_is_written_as_nothing():
    assert write_toml(AuthoringDocument()) == ""


@pytest.mark.parametrize("text", ["[flags", "flags = 5", "x = 1"])
def test_other_texts_are_refused(text):
    with pytest.raises(EditError):
        read_toml(text)


def test_a_misspelt_key_is_named_with_its_line():
    text = "[flags.a]\npercent = 5\n\n[flags.b]\nname = 'b'\npercnt = 5\n"
    with pytest.raises(EditError) as caught:
        read_toml(text)
    assert caught.value.message == "line 6: flags.b.percnt: unknown key 'percnt' (did you mean 'percent'?)"


def test_off_is_said_beside_variants_and_users():
    text = (
        "[flags.a]\nenabled = false\npercent = 5\n\n[flags.b]\nenabled = false\n\n"
        '[[flags.b.variants]]\nname = "red"\nweight = 50\n\n[[flags.b.variants]]\nname = "none"\nenabled = false\n'
    )
    source = read_toml(text)
    document = compile_document(source)
    assert decompile(document) == source
    assert write_toml(source) == text
    snapshot = Snapshot.from_document(document.to_dict())
    assert not any(snapshot.evaluate(key, str(user)).enabled for key in "ab" for user in range(100))


def test_a_condition_is_written_as_people_write_it_and_refused_with_its_place():
    flag = '[flags.a]\nname = "a"\npercent = 50\n'
    native = """where = '(and (eq $country "US") (gte $age 18))'\n"""
    read = read_toml(flag + native)
    assert read == read_toml(flag + 'where = "country = US and age >= 18"\n')
    assert 'where = "country = US and age >= 18"' in write_toml(decompile(compile_document(read)))
    with pytest.raises(EditError, match=r"flags\.a\.where: the condition is not valid: expected a value after '='"):
        compile_document(read_toml(flag + 'where = "country ="\n'))
