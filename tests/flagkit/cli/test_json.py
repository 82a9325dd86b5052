"""`--json` of every command is one JSON document, typed and complete; errors are one, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from flagkit.cli.app import program
from flagkit.cli.arguments import LazyGroup

ROOT = Path(__file__).parents[3]
SCRIPTS = {"completion", "console", "ofrep"}
"""Commands whose answer is a program for the shell, and servers, which answer elsewhere."""

WORDS: dict[str, tuple[str, ...]] = {
    "list": (),
    "show": ("plain",),
    "explain": ("plain", "--user", "7"),
    "what-if": ("--user", "7", "--from", "1"),
    "create": ("new",),
    "on": ("plain",),
    "off": ("button",),
    "kill": ("button",),
    "rollout": ("plain", "30"),
    "target": ("plain", "--user", "7"),
    "split": ("plain", "a=50", "b=50"),
    "rule list": ("new_flow",),
    "rule add": ("new_flow", "--when", "plan = pro"),
    "rule change": ("new_flow", "1", "--when", "plan = pro"),
    "rule move": ("new_flow", "2", "1"),
    "rule remove": ("new_flow", "1"),
    "require": ("plain", "new_flow"),
    "ramp": ("plain", "5@2027-01-11", "100@2027-01-25"),
    "holdout": ("new_flow", "q1", "--percent", "5"),
    "attr": ("button", "size=5"),
    "schedule": ("plain", "--from", "2027-01-11"),
    "describe": ("plain", "--owner", "payments"),
    "archive": ("plain",),
    "delete": ("plain",),
    "segment": (),
    "segment put": ("qa", "--user", "1"),
    "segment add": ("staff", "--user", "1"),
    "segment remove": ("staff", "--user", "8"),
    "segment delete": ("staff",),
    "history": (),
    "revert": ("--last",),
    "diff": (),
    "status": (),
    "deploy": (),
    "stop": (),
    "rollback": (),
    "pull": (),
    "plan": ("flags.toml",),
    "apply": ("flags.toml",),
    "copy": ("theirs", "--from", "theirs.json"),
    "promote": ("--from", "theirs.json"),
    "import": ("powertools.json",),
    "export": ("--agent-local", "agent"),
    "lint": (),
    "stale": (".",),
    "init": (),
    "iam": ("--role", "reader"),
    "notify": (),
    "notify test": (),
    "proposals": (),
    "codegen": (),
}


def commands(group: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, LazyGroup):
        for below in group.known:
            found = group.get_command(click.Context(group), below)
            assert found is not None
            yield from commands(found, f"{name} {below}".strip())
    if name and name != "rule":  # which only has commands below it
        yield name, group


def test_every_command_takes_json_but_scripts_for_a_shell() -> None:
    found = dict(commands(LazyGroup("flagkit", program().commands)))
    without = {name for name, it in found.items() if not any("--json" in part.opts for part in it.params)}
    assert without == SCRIPTS
    assert found.keys() - SCRIPTS == WORDS.keys()


@pytest.mark.parametrize("name", WORDS)
def test_an_answer_is_one_document(terminal, name: str, tmp_path: Path) -> None:
    (tmp_path / "flags.toml").write_text("[flags.new_flow]\npercent = 30\n")
    (tmp_path / "theirs.json").write_text('{"version": "1", "flags": {"theirs": {}}, "values": {"theirs": {}}}')
    (tmp_path / "powertools.json").write_text('{"imported": {"default": true}}')
    terminal.good("segment", "put", "staff", "--user", "7", "--user", "8", "--pace", "immediate")
    if name in {"rule change", "rule move", "rule remove"}:
        for plan in ("pro", "trial"):
            terminal.good("rule", "add", "new_flow", "--when", f"plan = {plan}", "--pace", "immediate")
    done = terminal(*name.split(), *WORDS[name], "--yes", "--json")
    if done.code == 2 and "--yes" in done.err:
        done = terminal(*name.split(), *WORDS[name], "--json")
    answer = done.json
    assert isinstance(answer, dict | list)
    error = answer.get("error") if isinstance(answer, dict) else None
    if error is not None:
        assert error.keys() == {"code", "message", "details", "hint", "exit_code"}
        assert (error["exit_code"], type(error["details"])) == (done.code, list)
        assert f"error[{error['code']}]: " in done.err
        assert name in {"stop", "rollback", "notify", "notify test", "what-if", "init", "iam", "proposals"}
    else:
        assert done.code in {0, 1, 8}
        assert not [line for line in done.err.splitlines() if line.startswith("error")]


@pytest.mark.parametrize("name", WORDS)
def test_a_wrong_word_is_one_document_too(on_file, name: str) -> None:
    for wrong in ("--nonsense", "--source"):
        done = on_file(*name.split(), "--json", wrong)
        assert (done.code, done.json["error"]["code"]) == (2, "usage")


def test_what_is_left_is_deployed_and_said_in_json(on_aws) -> None:
    """No change in the flags, but a deployment: the answer is the same document."""
    on_aws.good("on", "plain", "--save-only")
    answer = on_aws.good("on", "plain", "--json").json
    assert (answer["changed"], answer["changes"], answer["exit_code"]) == (False, {}, 0)
    assert answer["deployment"].keys() == {"number", "version", "state", "percent"}
    assert answer["deployment"]["version"] == 2


def test_a_deployment_its_stop_and_its_rollback_are_said_in_json(on_aws) -> None:
    on_aws.good("on", "plain", "--save-only")
    deployed = on_aws.good("deploy", "--json").json
    assert (deployed["deployment"]["state"], deployed["exit_code"]) == ("BAKING", 0)
    stopped = on_aws.good("stop", "--json").json
    assert (stopped["deployment"]["state"], stopped["pending"]) == ("ROLLED_BACK", True)
    undone = on_aws.good("rollback", "--json").json
    assert undone["deployment"]["number"] == 1


def test_a_failed_deployment_says_in_json_that_the_change_is_saved(on_aws) -> None:
    on_aws.good("on", "plain", "--pace", "guarded")  # bakes
    done = on_aws("off", "plain", "--when-busy", "refuse", "--json")
    assert (done.code, done.json["error"]["code"]) == (4, "deployment_busy")
    assert done.json["error"]["details"] == ["Version 3 is saved but not deployed."]
    assert "Version 3 is saved but not deployed." in done.err


def test_a_condition_that_is_none_is_placed_in_json(on_file) -> None:
    error = on_file("rollout", "plain", "10", "--where", "country in US,,CA", "--json").json["error"]
    assert error["details"] == ["country in US,,CA", "              ^"]


def test_what_a_partial_import_leaves_out_is_in_json(on_file, tmp_path: Path) -> None:
    rule = {"when_match": True, "conditions": [{"action": "NOT_AN_ACTION", "key": "id", "value": 1}]}
    document = {"good": {"default": True}, "bad": {"default": False, "rules": {"r": rule}}}
    (tmp_path / "powertools.json").write_text(json.dumps(document))
    error = on_file("import", "powertools.json", "--json").json["error"]
    assert error["message"] == "1 flag can't be expressed"
    assert error["details"][0].startswith("Not imported: bad.")
    answer = on_file.good("import", "powertools.json", "--partial", "--json").json
    assert answer["changes"].keys() == {"good"}
    assert answer["remarks"][0].startswith("Not imported: bad.")


@pytest.mark.slow
@pytest.mark.parametrize("words", [("delete", "button"), ("show",), ("list",)])
def test_a_closed_stdin_still_gets_one_document(on_file, words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "flagkit", *words, "--json"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert json.loads(done.stdout)
    assert "Traceback" not in done.stderr
