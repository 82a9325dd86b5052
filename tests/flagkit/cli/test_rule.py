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
