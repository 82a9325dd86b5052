"""`flagkit rule`: ordered rules from the command line, on a file and on AppConfig."""

from __future__ import annotations

import pytest

LIST = """\
RULE  VARIANT  STATE  USERS
1     rule-2   off    users where country = DE
2     rule-1   on     50 % of users where country = US and appVersion >= 1.10.0
3     on       on     10 % of users and user 42
"""


@pytest.fixture
def ruled(terminal):
    """`plain`, on for 10 % and user 42, with two rules."""
    for words in (
        ("rollout", "plain", "10"),
        ("target", "plain", "--user", "42"),
        ("on", "plain"),
        ("rule", "add", "plain", "--when", "country = US and appVersion >= 1.10.0", "--percent", "50"),
        ("rule", "add", "plain", "--when", "country = DE", "--off", "--position", "1"),
    ):
        terminal.good(*words, "--pace", "immediate")
    return terminal


def test_rules_are_added_listed_moved_and_removed(ruled) -> None:
    assert ruled.good("rule", "list", "plain").out == LIST
    assert ruled.good("explain", "plain", "--user", "42", "-c", "country=DE", "--saved").out.startswith("plain is off")
    ruled.good("rule", "move", "plain", "rule-2", "3")
    assert [rule["variant"] for rule in ruled.good("rule", "list", "plain", "--json").json] == [
        "rule-1",
        "on",
        "rule-2",
    ]
    assert ruled.good("explain", "plain", "--user", "42", "-c", "country=DE", "--saved").out == (
        "plain is on for user 42: in the list of users.\n"
    )
    ruled.good("rule", "remove", "plain", "1")
    rules = ruled.good("rule", "list", "plain", "--json").json
    assert [(rule["position"], rule["variant"], rule["users"]) for rule in rules] == [
        (1, "on", "10 % of users"),
        (2, "rule-2", "users where country = DE"),
    ]


def test_the_short_forms_and_on_and_off_work_beside_rules(ruled) -> None:
    ruled.good("rollout", "plain", "30")
    ruled.good("off", "plain")
    assert ruled.flag("plain")["state"] == "off"
    ruled.good("on", "plain")
    assert ruled.good("rule", "list", "plain").out == LIST.replace("10 % of users and", "30 % of users and")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "plain"), 3),
        (("add", "plain", "--when", "country inside US"), 3),
        (("add", "plain", "--when", "country = US", "--percent", "140"), 3),
        (("add", "nope", "--when", "country = US"), 3),
        (("add", "plain", "--when", "country = US", "--position", "9"), 3),
        (("add", "plain", "--when", "country = US", "--position", "0"), 2),
        (("move", "plain", "7", "1"), 3),
        (("move", "plain", "1"), 2),
        (("remove", "plain", "on"), 3),
        (("list", "nope"), 3),
        (("lits", "plain"), 2),
    ],
)
def test_what_is_no_rule_changes_nothing(on_file, words: tuple[str, ...], code: int) -> None:
    before = on_file.saved()
    done = on_file("rule", *words)
    assert (done.code, done.err.startswith("error[")) == (code, True), done
    assert on_file.saved() == before


def test_rule_alone_shows_its_commands(on_file) -> None:
    assert "move    Move a rule to another position." in on_file.good("rule").out


def test_a_prerequisite_limits_a_flag_and_keeps_on_and_off(terminal) -> None:
    terminal.good("require", "plain", "new_flow", "button", "--pace", "immediate")
    assert (terminal.flag("plain")["state"], terminal.flag("plain")["requires"]) == ("off", ["new_flow", "button"])
    terminal.good("on", "plain", "--pace", "immediate")
    done = terminal.good("explain", "plain", "--user", "1", "-c", "country=DE", "--saved")
    assert done.out == "plain is off for user 1: new_flow is off.\n"
    terminal.good("require", "plain", "new_flow", "button", "--remove", "--pace", "immediate")
    assert (terminal.flag("plain")["state"], terminal.flag("plain")["requires"]) == ("on", [])


def test_a_ramp_stands_beside_rules(on_file) -> None:
    on_file.good("rule", "add", "plain", "--when", "country = US")
    on_file.good("ramp", "plain", "5@2026-01-01")
    on_file.good("on", "plain")
    rules = on_file.good("rule", "list", "plain", "--json").json
    assert [rule["users"] for rule in rules] == ["users where country = US", "a growing share of users"]


def test_a_ramp_grows_by_itself_until_a_rollout_replaces_it(on_file) -> None:
    on_file.good("ramp", "plain", "5@2026-01-01", "50@2026-02-01T09:00", "100@2026-03-01")
    assert on_file.flag("plain")["state"] == "off"
    on_file.good("on", "plain")
    assert "by ramp: 5 % from 2026-01-01 00:00 UTC, 50 % from 2026-02-01 09:00 UTC" in on_file.good("list").out
    on_file.good("rollout", "plain", "10")
    assert "ramp" not in on_file.good("list").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("require", "plain", "nope"), 3),
        (("require", "plain", "plain"), 3),
        (("require", "plain", "button", "--remove"), 3),
        (("require", "plain"), 2),
        (("ramp", "plain", "5"), 2),
        (("ramp", "plain", "5@soon"), 2),
        (("ramp", "plain", "50@2026-01-01", "5@2026-02-01"), 3),
        (("ramp", "plain", "abc@2026-01-01"), 3),
    ],
)
def test_a_wrong_prerequisite_or_ramp_changes_nothing(on_file, words: tuple[str, ...], code: int) -> None:
    before = on_file.saved()
    done = on_file(*words)
    assert (done.code, done.err.startswith("error[")) == (code, True), done
    assert on_file.saved() == before


def test_a_holdout_keeps_users_out_of_its_flags(on_file) -> None:
    done = on_file.good("holdout", "new_flow", "2027-q1", "--percent", "5")
    assert "+ holdout 2027-q1 (new)" in done.out
    on_file.good("holdout", "plain", "2027-q1")
    assert on_file.good("rollout", "plain", "100").code == 0
    assert "(outside holdout 2027-q1)" in on_file.good("list", "plain").out
    assert "holdout 2027-q1" in on_file.good("holdout", "plain", "2027-q1", "--percent", "10").out
    on_file.good("holdout", "plain", "2027-q1", "--remove")
    assert "holdout" not in on_file.good("show", "plain", "--saved").out
    assert on_file("holdout", "plain", "nope").code == 3


def test_a_rule_is_changed_in_its_place(ruled) -> None:
    ruled.good("rule", "change", "plain", "rule-1", "--when", "country in US,CA", "--percent", "20")
    assert ruled.good("rule", "list", "plain").out == LIST.replace(
        "50 % of users where country = US and appVersion >= 1.10.0", "20 % of users where country in US, CA"
    )
    for words in (
        ("rule-1",),
        ("9", "--when", "a = 1"),
        ("on", "--when", "a = 1"),
        ("1", "--when", "a = 1", "--part", "2"),
    ):
        assert ruled("rule", "change", "plain", *words).code == 3
