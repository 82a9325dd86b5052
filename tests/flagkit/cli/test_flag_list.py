"""Flags are told and owned: who owns them, what they are for, who changed them last, and which to look at."""

from __future__ import annotations

import pytest

from flagkit.testing.faults import Fault


@pytest.fixture
def owned(terminal):
    """A flag with an owner, an overdue one, an archived one."""
    for words in (
        ("create", "pay", "--owner", "payments", "--tag", "eu,q3", "--kind", "release", "--remove-by", "2025-12-01"),
        ("create", "limit", "--owner", "Platform", "--kind", "ops", "--tag", "eu", "--on"),
        ("create", "old", "--owner", "payments"),
        ("archive", "old", "-m", "done"),
    ):
        terminal.good(*words, "--yes", "--pace", "immediate")
    return terminal


def keys(done) -> list[str]:
    return [row["key"] for row in done.json]


def test_show_tells_everything_that_is_written(owned) -> None:
    lines = [line.strip() for line in owned.good("show", "pay").out.splitlines()]
    assert lines[3:7] == ["Owner: payments", "Kind: release", "Tags: eu, q3", "Remove by: 2025-12-01 (overdue)"]
    assert lines[7].startswith("Created: 2026-01-05")
    assert lines[8].startswith("Last changed: 2026-01-05")
    assert "by " in lines[8]
    assert "(version " in lines[8]


def test_json_has_every_field_with_its_type(owned) -> None:
    found = owned.good("show", "pay", "--json").json
    wanted = {"owner": "payments", "tags": ["eu", "q3"], "kind": "release", "remove_by": "2025-12-01"}
    wanted |= {"overdue": True, "deprecated": True, "archived": False, "last_evaluated": None}
    assert {name: found[name] for name in wanted} == wanted
    assert found["created"][:10] == found["last_changed"][:10] == "2026-01-05"
    assert isinstance(found["last_changed_by"], str)
    assert isinstance(found["last_changed_version"], int)
    bare = owned.good("show", "plain", "--json").json
    assert (bare["owner"], bare["tags"], bare["kind"], bare["remove_by"]) == (None, [], None, None)


def test_the_list_has_a_column_for_what_some_flag_has(owned) -> None:
    head, *rows = owned.good("list").out.splitlines()
    assert head.split("  ")[0] == "FLAG"
    assert [name for name in ("OWNER", "KIND", "TAGS", "REMOVE BY", "CHANGED", "BY") if name not in head] == []
    pay = next(row for row in rows if row.startswith("pay "))
    assert "payments" in pay
    assert "2025-12-01 (overdue)" in pay


def test_archived_flags_are_hidden_unless_asked_for(owned) -> None:
    done = owned.good("list")
    assert "old" not in done.out
    assert "1 archived flag is hidden; --archived lists them." in done.err
    assert keys(owned.good("list", "--archived", "--json")) == ["old"]
    assert "State: archived" in owned.good("show", "old").out
    assert "old" not in owned.good("list", "--archived", "eu").out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--owner", "PAYMENTS"], ["pay"]),
        (["--owner", ""], ["button", "new_flow", "plain"]),
        (["--tag", "eu"], ["limit", "pay"]),
        (["--tag", "eu", "--tag", "q3"], ["pay"]),
        (["--kind", "ops"], ["limit"]),
        (["--stale"], ["pay"]),
        (["platform"], ["limit"]),
        (["--state", "on", "--tag", "eu"], ["limit"]),
        (["--sort", "owner", "--tag", "eu"], ["pay", "limit"]),
        (["--sort", "kind", "--tag", "eu"], ["limit", "pay"]),
        (["--sort", "remove-by", "--tag", "eu"], ["pay", "limit"]),
        (["--sort", "state", "--tag", "eu"], ["pay", "limit"]),
        (["--sort", "evaluated", "--tag", "eu"], ["limit", "pay"]),
    ],
)
def test_the_list_is_filtered_and_sorted(owned, words: list[str], found: list[str]) -> None:
    assert keys(owned.good("list", *words, "--json")) == found


def test_the_newest_change_comes_first(owned) -> None:
    owned.cli.clock.advance(60)
    owned.good("describe", "limit", "--name", "Limit", "--yes", "--pace", "immediate")
    assert keys(owned.good("list", "--sort", "changed", "--tag", "eu", "--json")) == ["limit", "pay"]


def test_a_flag_that_gives_all_the_same_answer_for_long_is_stale(owned) -> None:
    owned.cli.clock.advance(91 * 86_400)
    assert keys(owned.good("list", "--stale", "--tag", "eu", "--json")) == ["limit", "pay"]


def test_edits_of_an_archived_flag_keep_it_off(owned) -> None:
    done = owned("on", "old")
    assert done.code == 3
    assert "`flagkit archive old --undo`" in done.err
    owned.good("archive", "old", "--undo", "--yes", "--pace", "immediate")
    owned.good("on", "old", "--yes", "--pace", "immediate")
    done = owned("archive", "old")
    assert (done.code, "`flagkit off old`" in done.err) == (3, True)


def test_what_changed_outside_flagkit_has_no_author(on_file) -> None:
    on_file.good("create", "pay")
    on_file.file.write_text(on_file.file.read_text().replace('"name": "pay"', '"name": "Pay later"'))
    found = on_file.good("show", "pay", "--json").json
    assert (found["name"], found["last_changed_by"], found["last_changed_version"]) == ("Pay later", None, 3)
    on_file.file.with_name("flags.json.history.jsonl").write_text("damaged\nlines\n")
    assert on_file.good("show", "pay", "--json").json["last_changed_version"] is None


def test_a_flag_that_was_there_before_the_first_edit_has_no_known_creation(on_file) -> None:
    for words in ([], ["off", "button"], ["on", "button"]):
        if words:
            on_file.good(*words, "--yes")
        found = on_file.good("show", "plain", "--json").json
        assert (found["created"], found["last_changed"], found["last_changed_version"]) == (None, None, None)
    on_file.good("create", "pay")
    assert on_file.good("show", "pay", "--json").json["created"] is not None


def test_a_listing_that_is_denied_leaves_the_flags_shown(on_aws) -> None:
    on_aws.good("create", "pay", "--owner", "payments", "--pace", "immediate")
    on_aws.aws.faults.add(Fault.DENIED, "appconfig.ListHostedConfigurationVersions")
    found = on_aws.good("show", "pay", "--json").json
    assert (found["owner"], found["last_changed_by"]) == ("payments", None)


def test_only_changes_up_to_the_shown_version_count(on_aws) -> None:
    on_aws.good("create", "pay", "--pace", "immediate")
    on_aws.good("describe", "pay", "--owner", "payments", "--save-only")
    live, saved = (on_aws.good("show", "pay", "--json", *words).json for words in ([], ["--saved"]))
    assert (live["owner"], live["last_changed_version"]) == (None, 2)
    assert (saved["owner"], saved["last_changed_version"]) == ("payments", 3)


def test_client_visible_is_set_shown_listed_and_removed(owned) -> None:
    owned.good("describe", "pay", "--client-visible", "--yes", "--pace", "immediate")
    assert "Client-visible: yes" in owned.good("show", "pay").out
    assert owned.good("show", "pay", "--json").json["client_visible"] is True
    assert keys(owned.good("list", "--client-visible", "--json")) == ["pay"]
    owned.good("describe", "pay", "--no-client-visible", "--yes", "--pace", "immediate")
    assert keys(owned.good("list", "--client-visible", "--json")) == []
