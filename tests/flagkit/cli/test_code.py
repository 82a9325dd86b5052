"""Flags as code, other formats, clean-up and setting up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flagkit.testing import AwsStandIn


def test_pull_and_apply_round_trip_changes_nothing(terminal) -> None:
    terminal.good("pull", "-o", "flags.toml")
    assert "[flags.new_flow]" in Path("flags.toml").read_text()
    assert terminal.good("pull").out == Path("flags.toml").read_text()
    before = terminal.saved()
    assert terminal.good("plan", "flags.toml", "--exit-code").out == "No differences.\n"
    assert "No change" in terminal.good("apply", "flags.toml").out
    assert terminal.saved() == before


def test_plan_shows_what_apply_does(terminal) -> None:
    terminal.good("pull", "-o", "flags.toml")
    text = Path("flags.toml").read_text().replace("percent = 25", "percent = 40")
    Path("flags.toml").write_text(text)
    planned = terminal("plan", "flags.toml", "--exit-code")
    assert (planned.code, "25 % → 40 %" in planned.out) == (1, True)
    assert terminal("plan", "flags.toml", "--json").json["changes"]["new_flow"]["kind"] == "changed"
    terminal.good("apply", "flags.toml", "-m", "release 12")
    assert "pct::40" in str(terminal.flag("new_flow"))


def test_apply_makes_a_file_from_nothing(on_file) -> None:
    Path("flags.toml").write_text("[flags.first]\npercent = 10\n")
    on_file.good("apply", "flags.toml", "-s", "new.json")
    assert "10 %" in on_file.good("list", "-s", "new.json").out
    assert "+ first" in on_file.good("plan", "flags.toml", "-s", "another.json").out


@pytest.mark.parametrize("text", ["[flags", "[flags.x]\npercnt = 3\n", "[flags.x]\npercent = 300\n"])
def test_toml_that_is_wrong_changes_nothing(terminal, text: str) -> None:
    Path("flags.toml").write_text(text)
    before = terminal.saved()
    done = terminal("apply", "flags.toml", "--yes")
    assert (done.code, done.err.splitlines()[-2].startswith("error[edit_invalid]: ")) == (3, True)
    assert terminal.saved() == before


def test_diff_compares_versions_places_and_saved_with_served(terminal) -> None:
    first = terminal.good("describe", "plain", "--name", "P", "--json").json["version"]
    second = terminal.good("on", "plain", "--save-only", "--json").json["version"]
    assert "~ plain" in terminal.good("diff").out
    between = terminal.good("diff", "--from", str(first), "--to", str(second), "--json").json
    assert (between["different"], list(between["changes"])) == (True, ["plain"])
    assert terminal("diff", "--exit-code").code == 1
    Path("other.json").write_text('{"version": "1", "values": {"only": {"enabled": true}}}')
    other = terminal.good("diff", "other.json").out
    assert "+ only" in other
    assert "- button (deleted)" in other
    assert terminal("diff", "other.json", "--from", "1").code == 2


def test_diff_of_the_first_version_shows_everything(on_file) -> None:
    on_file.good("create", "first", "-s", "new.json")
    assert "+ first" in on_file.good("diff", "-s", "new.json").out


def test_export_writes_files_for_the_agent(terminal) -> None:
    terminal.good("export", "--agent-local", "agent/local")
    (written,) = Path("agent/local").iterdir()
    assert "flags" in written.name
    assert "split" in written.read_text()
    assert terminal("export").code == 2
    Path("taken").write_text("")
    assert terminal("export", "--agent-local", "taken/here").code == 2


POWERTOOLS = {
    "premium": {
        "default": False,
        "rules": {
            "tier is premium": {
                "when_match": True,
                "conditions": [{"action": "EQUALS", "key": "tier", "value": "premium"}],
            }
        },
    },
    "odd": {
        "default": False,
        "rules": {
            "modulo": {
                "when_match": True,
                "conditions": [{"action": "MODULO_RANGE", "key": "id", "value": {"BASE": 100, "START": 0, "END": 5}}],
            }
        },
    },
}


def test_import_refuses_flags_that_can_not_be_expressed_and_imports_the_rest_if_asked(terminal) -> None:
    Path("features.json").write_text(json.dumps(POWERTOOLS))
    refused = terminal("import", "features.json")
    assert refused.code == 3
    assert "odd.rules.modulo" in refused.err
    assert "--partial" in refused.err
    done = terminal.good("import", "features.json", "--partial")
    assert "Not imported: odd" in done.err
    assert "tier" in str(terminal.flag("premium"))
    assert "odd" not in done.out
    again = terminal("import", "features.json", "--partial")
    assert (again.code, "flags exist already: premium" in again.err) == (2, True)


def test_import_of_something_else_is_refused(on_file) -> None:
    Path("features.json").write_text("nope")
    assert on_file("import", "features.json").code == 2
    Path("features.json").write_text('{"x": 3}')
    assert on_file("import", "features.json").code == 3
    assert on_file("import", "nowhere.json").code == 2


# Clean-up


def test_stale_compares_code_with_flags_and_lists_lines(terminal) -> None:
    Path("src/node_modules").mkdir(parents=True)
    Path("src/app.py").write_text('flags.is_enabled("new_flow")\nflags.is_enabled("gone_flag")\nx = "plain"\n')
    Path("src/page.ts").write_text('useFlag("button")\n')
    Path("src/node_modules/x.js").write_text('useFlag("never_seen")\n')
    Path("src/notes.txt").write_text('useFlag("never_seen")\n')
    done = terminal("stale", "src", "--fix-list")
    assert done.code == 1
    assert "gone_flag: missing" in done.out
    assert "app.py:2" in done.out
    assert "never_seen" not in done.out
    assert "unused" not in done.out
    found = terminal("stale", "src/page.ts", "--json").json["stale"]
    assert {item["key"]: item["finding"] for item in found} == {"new_flow": "unused", "plain": "unused"}
    assert terminal("stale", "nowhere").code == 2


def test_a_flag_that_never_changes_is_stale_after_some_days(on_aws) -> None:
    Path("app.py").write_text('is_enabled("new_flow"), is_enabled("plain"), is_enabled("button")\n')
    assert on_aws.good("stale", "app.py").out == "No stale flags.\n"
    on_aws.good("on", "plain")
    on_aws.aws.clock.advance(100 * 86_400)
    on_aws.good("describe", "plain", "--name", "Still plain")
    done = on_aws("stale", "app.py", "--days", "90", "--fix-list")
    assert "plain: always on: on for all users since" in done.out
    assert "  app.py:1" in done.out


# Setting up


def test_init_makes_what_is_missing_and_nothing_twice(on_aws) -> None:
    url = "appconfig://web/staging/flags"
    made = on_aws.good("init", "-s", url)
    assert "Created: application web" in made.out
    assert "Exists: strategy flagkit-immediate" in made.out
    again = on_aws.good("init", "-s", url, "--json").json
    assert again["created"] == []
    on_aws.good("create", "first", "-s", url)
    on_aws.aws.clock.advance(700)
    assert "first" in on_aws.good("list", "-s", url).out


def test_init_of_a_file_needs_nothing(on_file) -> None:
    assert on_file("init").code == 2


@pytest.mark.parametrize("role", ["reader", "toggler", "admin"])
def test_iam_names_the_actual_application(on_aws, role: str) -> None:
    policy = on_aws.good("iam", "--role", role).json
    text = json.dumps(policy)
    assert f"application/{on_aws.profile.application_id}" in text
    assert AwsStandIn.account_id in text
    assert ("StartDeployment" in text) == (role != "reader")


def test_a_toggler_may_deploy_at_once_only_if_said(on_aws) -> None:
    listed = on_aws.profile.client.list_deployment_strategies()["Items"]
    ids = {item["Name"]: item["Id"] for item in listed}
    text = on_aws.good("iam", "--role", "toggler").out
    assert f"deploymentstrategy/{ids['flagkit-guarded']}" in text
    assert ids["flagkit-immediate"] not in text
    assert ids["flagkit-immediate"] in on_aws.good("iam", "--role", "toggler", "--immediate").out


def test_iam_of_a_file_or_of_no_role_is_refused(on_file) -> None:
    assert on_file("iam", "--role", "reader").code == 2
    assert on_file("iam", "--role", "king").code == 2
