"""One command for each thing people want, the same on a file and on AppConfig; shown first, then done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flagkit.core.snapshot import Snapshot

pytestmark = pytest.mark.slow


def test_off_and_on_bring_back_who_it_was_for(terminal) -> None:
    before = terminal.flag("new_flow")
    done = terminal.good("off", "new_flow", "-m", "too slow")
    assert "25 % of users (where country = US) lose it." in done.out
    assert "Saved as version" in done.out
    assert terminal.flag("new_flow") != before
    terminal.good("on", "new_flow")
    assert terminal.flag("new_flow") == before


def test_a_change_on_appconfig_is_deployed_and_served(on_aws) -> None:
    done = on_aws.good("on", "plain")
    assert "Version 2 is live" in done.out
    assert on_aws.good("show", "plain", "--json").json["enabled"] is True
    assert "Version 2 is live." in on_aws.good("status").out


def test_rollout_says_for_whom_before_it_does(terminal) -> None:
    dry = terminal.good("rollout", "new_flow", "40", "--dry-run")
    assert "25 % → 40 %: about 15 % of users" in dry.out
    assert "none lose it" in " ".join(dry.out.split())
    assert "Dry run: nothing was saved." in dry.out
    assert "pct::25" in str(terminal.flag("new_flow"))
    terminal.good("rollout", "new_flow", "40%")
    assert "pct::40" in str(terminal.flag("new_flow"))


def test_a_new_seed_is_said_to_reshuffle(terminal) -> None:
    done = terminal.good("rollout", "new_flow", "25", "--seed", "again", "--dry-run")
    assert "all users are reassigned" in " ".join(done.out.split())


def test_rollout_takes_decimals_a_limit_and_another_key(terminal) -> None:
    terminal.good("rollout", "plain", "12.5", "--where", "country in US,CA and plan = pro", "--by", "accountId")
    rule = terminal.flag("plain")["variants"][0]["rule"]
    assert '(in $country ["US", "CA"])' in rule
    assert "pct::12.5 by::$accountId" in rule
    terminal.good("rollout", "plain", "50", "--where", "")
    assert "country" not in str(terminal.flag("plain"))


def test_target_adds_and_removes_users_groups_and_segments(terminal) -> None:
    terminal.good("segment", "put", "testers", "--user", "7", "--where", "plan = pro")
    terminal.good("target", "plain", "--user", "42", "--group", "qa", "--segment", "testers")
    text = str(terminal.flag("plain"))
    assert "42" in text
    assert "qa" in text
    assert "testers" in text
    terminal.good("target", "plain", "-u", "42", "-g", "qa", "--remove")
    assert "42" not in str(terminal.flag("plain"))


def test_split_gives_disjoint_shares(terminal) -> None:
    terminal.good("split", "plain", "red=50", "blue=50%")
    terminal.good("on", "plain")
    variants = terminal.flag("plain")["variants"]
    values = {"name": "plain", "enabled": True}
    document = {
        "version": "1",
        "flags": {},
        "values": {
            "plain": {
                "_variants": [
                    {key: value for key, value in it.items() if key in {*values, "rule"} and value is not None}
                    for it in variants
                ]
            }
        },
    }
    snapshot = Snapshot.from_document(document)
    answers = [snapshot.evaluate("plain", str(user)).variant for user in range(2000)]
    assert set(answers) == {"red", "blue"}
    assert 900 < answers.count("red") < 1100


def test_attr_reads_values_by_their_declared_type(terminal) -> None:
    terminal.good("attr", "button", "color=blue", "size=5")
    assert terminal.flag("button")["attributes"] == {"color": "blue", "size": 5}
    terminal.good("attr", "button", "size=")
    assert terminal.flag("button")["attributes"] == {"color": "blue"}


def test_schedule_opens_and_closes_and_clears(terminal) -> None:
    terminal.good("schedule", "plain", "--from", "2027-01-01T09:00", "--until", "2027-02-01T00:00+01:00")
    assert "2027-01-01T09:00:00Z" in str(terminal.flag("plain"))
    assert "2027-01-31T23:00:00Z" in str(terminal.flag("plain"))
    terminal.good("schedule", "plain", "--clear")
    assert "2027" not in str(terminal.flag("plain"))


def test_create_describe_delete(terminal) -> None:
    terminal.good("create", "banner", "--name", "Banner", "--attr", "text=Hello", "--attr", "size=3", "--on")
    made = terminal.flag("banner")
    assert (made["enabled"], made["attributes"], made["name"]) == (True, {"text": "Hello", "size": 3}, "Banner")
    terminal.good("describe", "banner", "--description", "On top of each page", "--remove-by", "2027-03-01")
    shown = terminal.good("show", "banner", "--saved").out
    assert "On top of each page" in shown
    assert "Remove by: 2027-03-01" in shown
    terminal.good("describe", "banner", "--remove-by", "")
    assert "to be removed" not in terminal.good("show", "banner", "--saved").out
    terminal.good("delete", "banner", "--yes")
    assert terminal("show", "banner", "--saved").code == 3


def test_create_makes_a_file_that_does_not_exist(on_file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLAGKIT_SOURCE")
    assert on_file.file is not None
    on_file.file.unlink()
    assert on_file("on", "first").code == 2
    on_file.good("create", "first", "--description", "The first one")
    assert "first" in on_file.good("list").out
    on_file.good("create", "other", "-s", "other.json")
    assert (tmp_path / "other.json").exists()


def test_segments_are_listed_with_the_flags_that_name_them(terminal) -> None:
    assert "No segments." in terminal.good("segment").out
    terminal.good("segment", "put", "testers", "--user", "7", "--user", "8")
    terminal.good("target", "plain", "--segment", "testers")
    assert terminal.good("segment").out.splitlines()[1].split() == ["testers", "plain", "7,", "8"]
    terminal.good("segment", "add", "testers", "--group", "qa")
    terminal.good("segment", "remove", "testers", "--user", "8")
    assert terminal.good("segment", "--json").json == {
        "testers": {"users": ["7"], "groups": ["qa"], "flags": ["plain"]}
    }
    assert "qa" in str(terminal.flag("plain"))
    terminal.good("target", "plain", "--segment", "testers", "--remove")
    terminal.good("segment", "delete", "testers")
    assert "No segments." in terminal.good("segment").out


def test_a_change_that_changes_nothing_makes_no_version(terminal) -> None:
    before = terminal.saved()
    done = terminal.good("off", "plain")
    assert done.out == "No change: already up to date.\n"
    answer = terminal.good("off", "plain", "--json").json
    assert answer == {
        "changed": False,
        "dry_run": False,
        "version": None,
        "label": None,
        "summary": "0 to add, 0 to change, 0 to delete",
        "changes": {},
        "remarks": [],
        "deployment": None,
        "exit_code": 0,
    }
    for words in (("on", "plain", "--dry-run"), ("on", "plain")):
        assert terminal.good(*words, "--json").json.keys() == answer.keys()
    terminal.good("off", "plain", "--pace", "immediate")
    assert terminal.saved() != before


def test_json_says_what_was_done_and_nothing_else(terminal) -> None:
    done = terminal.good("on", "plain", "--json", "-m", "why not")
    assert done.json["changed"] is True
    assert done.json["version"] >= 1
    assert done.json["changes"]["plain"]["kind"] == "changed"
    dry = terminal.good("off", "plain", "--json", "--dry-run").json
    assert (dry["changed"], dry["dry_run"]) == (False, True)


# Protected places


@pytest.fixture
def protected(on_aws, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLAGKIT_PROTECTED", "te*")
    return on_aws


def test_a_protected_environment_asks_for_its_name(protected) -> None:
    done = protected.good("on", "plain", answers=["test"])
    assert "test is a protected environment" in protected.asked[0]
    assert "is live" in done.out


@pytest.mark.parametrize("answers", [["yes"], [""], None])
def test_without_its_name_nothing_is_changed(protected, answers: list[str] | None) -> None:
    before = protected.saved()
    done = protected("on", "plain", answers=answers)
    assert done.code == 5
    assert done.err.splitlines()[-2].startswith("error[not_confirmed]: ")
    assert protected.saved() == before


def test_yes_asks_nothing(protected) -> None:
    protected.good("on", "plain", "--yes")
    assert protected.asked == []


@pytest.mark.parametrize(
    ("patterns", "protects"),
    [(None, {"prod", "Production", "live-eu"}), ("", set()), ("staging, qa*", {"staging", "qa1"})],
)
def test_what_is_protected_is_production_or_what_the_variable_says(
    monkeypatch: pytest.MonkeyPatch, patterns: str | None, protects: set[str]
) -> None:
    from flagkit.admin.environments import is_protected

    if patterns is not None:
        monkeypatch.setenv("FLAGKIT_PROTECTED", patterns)
    names = {"prod", "Production", "live-eu", "staging", "qa1", "dev", "test"}
    assert {name for name in names if is_protected(name)} == protects


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--user", "42,44"), ["42", "44"]),
        (("--user", "42", "--user", "44, 45"), ["42", "44", "45"]),
        (("--user", '"Doe, Jane",7'), ["Doe, Jane", "7"]),
    ],
)
def test_users_may_be_listed_with_commas(on_file, given: tuple[str, ...], named: list[str]) -> None:
    on_file.good("target", "plain", *given)
    rule = on_file.flag("plain")["variants"][0]["rule"]
    assert all(f'"{name}"' in rule for name in named), rule


def test_the_deletion_of_a_live_flag_is_confirmed_everywhere(terminal) -> None:
    before = terminal.saved()
    refused = terminal("delete", "new_flow")
    assert (refused.code, "this deletes new_flow, which is on" in refused.err) == (5, True)
    assert terminal("delete", "new_flow", answers=["n"]).code == 5
    assert terminal.saved() == before
    terminal.good("delete", "plain")  # off: nobody loses it
    terminal.good("delete", "new_flow", answers=["y"])
    terminal.good("delete", "button", "--yes")


def test_applying_code_says_how_much_it_adds_changes_and_deletes(on_file, tmp_path: Path) -> None:
    (tmp_path / "flags.toml").write_text(
        '[flags.new_flow]\npercent = 30\nwhere = "(eq $country \\"US\\")"\n[flags.fresh]\nenabled = false\n'
    )
    plan = on_file.good("plan", "flags.toml")
    assert plan.out.splitlines()[-1] == "1 to add, 1 to change, 2 to delete."
    assert on_file.good("plan", "flags.toml", "--json").json["summary"] == "1 to add, 1 to change, 2 to delete"
    refused = on_file("apply", "flags.toml")
    assert (refused.code, "this deletes button, which is on" in refused.err) == (5, True)
    assert "1 to add, 1 to change, 2 to delete.\n" in on_file.good("apply", "flags.toml", "--yes").out


def test_a_start_in_the_past_is_said(on_file) -> None:
    assert "the start is in the past" in on_file.good("schedule", "plain", "--from", "2020-01-01").err
    assert "past" not in on_file.good("schedule", "plain", "--from", "2030-01-01").err


def test_a_schedule_switches_on_only_if_it_says_so(on_file) -> None:
    on_file.good("schedule", "plain", "--from", "2030-01-01")
    assert on_file.flag("plain")["state"] == "off"
    on_file.good("schedule", "plain", "--from", "2030-01-02", "--on")
    assert on_file.flag("plain")["state"] == "scheduled"


def test_a_switched_off_flag_shows_its_own_variants_only(on_file) -> None:
    on_file.good("split", "plain", "red=50", "blue=50")
    on_file.good("on", "plain")
    on_file.good("off", "plain")
    assert [variant["name"] for variant in on_file.flag("plain")["variants"]] == ["red", "blue", "default"]
    assert "switched off" not in on_file.good("show", "plain", "--verbose").out


def test_a_person_is_asked_before_a_guarded_rollout_is_stopped(on_file) -> None:
    document = json.loads(on_file.file.read_text())
    document["flags"]["flagkit-rollouts"] = {"name": "r", "attributes": {"new_flow": {}}}
    document["values"]["flagkit-rollouts"] = {"enabled": False, "new_flow": "canary1 k3f9a2c1 more"}
    on_file.file.write_text(json.dumps(document))
    dry = on_file.good("rollout", "new_flow", "40", "--dry-run", "--json")
    assert "new_flow is in a guarded rollout: under way." in dry.json["remarks"][0]
    assert on_file("rollout", "new_flow", "40", answers=["n"]).code == 5
    assert on_file("kill", "new_flow", answers=["n"]).code == 5
    on_file.good("rollout", "new_flow", "40", answers=["y"])
    assert on_file.asked == ["Change new_flow all the same? [y/N] "] * 3
