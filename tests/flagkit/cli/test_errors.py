"""Every wrong word or failing call: one line, one hint, its own exit code, no traceback, and nothing changed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flagkit.cli import main
from flagkit.cli.errors import EXIT_CODE_MEANINGS, EXIT_CODES, exit_code_of
from flagkit.errors import FlagkitError
from flagkit.testing import Fault


def refused(done, code: int, kind: str) -> str:
    """Checks the form of an error and returns its two lines."""
    assert done.code == code, done
    lines = done.err.splitlines()
    (at,) = [index for index, line in enumerate(lines) if line.startswith("error[")]
    assert lines[at].startswith(f"error[{kind}]: "), done
    assert next(line for line in lines[at + 1 :] if not line.startswith("  ")).startswith("hint: "), done
    assert "Traceback" not in done.err
    return "\n".join(lines[at : at + 2])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("on", "new_folw"), "Did you mean new_flow?"),
        (("off", "zzz"), "`flagkit list`"),
        (("rollout", "new_folw", "40"), "Did you mean new_flow?"),
        (("show", "buton", "--saved"), "Did you mean button?"),
        (("explain", "buton"), "Did you mean button?"),
        (("revert", "never", "--to", "1"), "there is no flag never"),
        (("kill", "buton", "--yes"), "Did you mean button?"),
    ],
)
def test_an_unknown_flag_names_the_nearest(terminal, words: tuple[str, ...], said: str) -> None:
    terminal.good("describe", "plain", "--name", "P", "--save-only")
    before = terminal.saved()
    assert said in refused(terminal(*words), 3, "flag_unknown")
    assert terminal.saved() == before


@pytest.mark.parametrize("share", ["140", "-1", "abc", "12.34567", "nan", "", "٣٠", "1_0"])
def test_an_invalid_percentage_changes_nothing(terminal, share: str) -> None:
    before = terminal.saved()
    refused(terminal("rollout", "new_flow", "--", share), 3, "edit_invalid")
    refused(terminal("split", "plain", f"red={share}", "blue=1"), 3, "edit_invalid")
    assert terminal.saved() == before


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("attr", "button", "size=large"), "edit_invalid"),
        (("attr", "button", "size=٣"), "edit_invalid"),
        (("attr", "button", "size=NaN"), "edit_invalid"),
        (("attr", "button", "size=1e400"), "edit_invalid"),
        (("ramp", "plain", "٥@2027-01-01"), "edit_invalid"),
        (("holdout", "plain", "q3", "--percent", "٥"), "edit_invalid"),
        (("attr", "button", "size=12"), "document_invalid"),
        (("attr", "button", "color=green"), "document_invalid"),
        (("create", "Bad-Key"), "document_invalid"),
        (("create", "plain"), "edit_invalid"),
        (("split", "plain", "red=70", "blue=70"), "edit_invalid"),
        (("target", "button", "--user", "1"), "edit_invalid"),
        (("target", "plain", "--user", "1", "--remove"), "edit_invalid"),
        (("target", "plain", "--segment", "nobody"), "edit_invalid"),
        (("rollout", "plain", "10", "--where", "country inside US"), "edit_invalid"),
        (("schedule", "plain", "--until", "2001-01-01"), "edit_invalid"),
        (("schedule", "plain"), "edit_invalid"),
        (("segment", "put", "empty"), "edit_invalid"),
        (("segment", "delete", "nothing"), "edit_invalid"),
        (("create", "long", "--description", "x" * 2000), "document_invalid"),
        (("target", "plain", *(word for i in range(3000) for word in ("--user", f"user-{i:06}"))), "document_invalid"),
    ],
)
def test_a_change_that_aws_or_sense_refuses_changes_nothing(terminal, words: tuple[str, ...], kind: str) -> None:
    before = terminal.saved()
    refused(terminal(*words, "--yes"), 3, kind)
    assert terminal.saved() == before


@pytest.mark.parametrize(
    "words",
    [
        ("fly",),
        ("show",),
        ("rollout", "plain"),
        ("list", "--nonsense"),
        ("history", "--limit", "٣"),
        ("history", "--limit", "1_0"),
        ("rule", "move", "plain", "1", "٢"),
        ("revert", "plain", "--to", "１"),
        ("schedule", "plain", "--from", "٢٠٢٧-٠١-٠١"),
        ("list", "--state", "perhaps"),
        ("target", "plain"),
        ("split", "plain", "red"),
        ("attr", "button", "size=1", "size=2"),
        ("describe", "plain"),
        ("describe", "plain", "--remove-by", "tomorrow"),
        ("schedule", "plain", "--from", "soon"),
        ("explain", "button", "-c", "country"),
        ("what-if", "1"),
        ("codegen", "-o", "my-flags.py"),
        ("history", "--limit", "0"),
        ("list", "-s", "gopher://x"),
        ("on", "plain", "-s", "agent://a/b/c"),
        ("on", "plain", "-s", "/"),
        ("list", "-s", "a\0b"),
        ("list", "-s", "\ud800"),
    ],
)
def test_words_that_do_not_fit_change_nothing(terminal, words: tuple[str, ...]) -> None:
    before = terminal.saved()
    done = terminal(*words)
    kind = "source_url_invalid" if "-s" in words else "usage"
    refused(done, 2, kind)
    assert terminal.saved() == before


@pytest.mark.parametrize("content", ["not json", "[]", '{"version": "2"}', b"\xff"])
def test_a_document_that_is_none_is_said_and_left_alone(on_file, content: str | bytes) -> None:
    on_file.file.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = on_file.saved()
    for words in (("on", "plain"), ("status",), ("pull",), ("diff",)):
        refused(on_file(*words), 3, "document_invalid")
    assert on_file.saved() == before


@pytest.mark.parametrize("side", ["flags", "values"])
def test_a_flag_that_is_there_twice_is_refused_with_both_lines(on_file, side: str) -> None:
    other = {"flags": "values", "values": "flags"}[side]
    texts = {side: '{\n"a": {},\n"b": {},\n"a": {}\n}', other: '{"a": {}, "b": {}}'}
    on_file.file.write_text(f'{{"version": "1",\n"{side}": {texts[side]},\n"{other}": {texts[other]}}}')
    before = on_file.saved()
    for words in (("on", "b"), ("delete", "a", "--yes"), ("copy", "b", "--from", "flags.json", "--to", "other.json")):
        said = refused(on_file(*words), 3, "document_invalid")
        assert f"{side}.a: is in the document twice, in lines 3 and 5" in said
    powertools = Path("features.json")
    powertools.write_text('{"f": {"default": true},\n"f": {"default": false}}')
    done = on_file("import", str(powertools), "--yes")
    assert (done.code, "f: is in the document twice, in lines 1 and 2" in done.err) == (2, True)
    assert on_file.saved() == before


def test_a_flag_that_breaks_the_format_is_named_with_its_place(on_file) -> None:
    content = json.loads(on_file.file.read_text())
    content["values"]["new_flow"]["_variants"][0]["rule"] = "(eq $country)"
    on_file.file.write_text(json.dumps(content))
    said = refused(on_file("on", "plain"), 3, "document_invalid")
    assert "values.new_flow._variants.0.rule" in said
    assert "flagkit lint" in said


def test_no_source_at_all_is_said(on_file, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLAGKIT_SOURCE")
    assert on_file.file is not None
    on_file.file.unlink()
    assert "no flag source is given" in refused(on_file("list"), 2, "source_url_invalid")
    refused(on_file("list", "-s", "nowhere.json"), 6, "source_not_found")
    refused(on_file("on", "plain", "-s", "nowhere.json"), 6, "source_not_found")
    refused(on_file("list", "--saved", "-s", "nowhere.json"), 6, "source_not_found")


def test_a_version_that_never_was_is_said(terminal) -> None:
    terminal.good("describe", "plain", "--name", "P")
    refused(terminal("show", "plain", "--version", "99"), 6, "source_not_found")
    refused(terminal("revert", "--to", "99"), 6, "source_not_found")


# AppConfig


@pytest.mark.parametrize(
    ("operation", "saves"),
    [
        ("ListApplications", False),
        ("ListHostedConfigurationVersions", False),
        ("GetHostedConfigurationVersion", False),
        ("CreateHostedConfigurationVersion", False),
        ("StartDeployment", True),
    ],
)
def test_a_missing_right_is_named_with_what_it_is_missing_on(on_aws, operation: str, saves: bool) -> None:
    versions, deployments = on_aws.saved()
    rule = on_aws.aws.faults.add(Fault.DENIED, f"appconfig.{operation}")
    done = on_aws("on", "plain")
    said = refused(done, 6, "source_access_denied")
    assert ("Version 2 is saved but not deployed" in done.err) == saves
    assert f"appconfig:{operation}" in said
    assert "arn:aws:appconfig:" in said
    on_aws.aws.faults.remove(rule)
    assert on_aws.saved() == (versions + saves, deployments)
    if saves:
        assert on_aws("status").code == 8
        on_aws.good("deploy")


def test_without_a_network_nothing_is_changed_and_it_is_said(on_aws) -> None:
    before = on_aws.saved()
    on_aws.aws.faults.add(Fault.UNREACHABLE, "*")
    refused(on_aws("on", "plain"), 7, "source_unavailable")
    refused(on_aws("list"), 7, "source_unavailable")
    on_aws.aws.faults.clear()
    assert on_aws.saved() == before


@pytest.mark.parametrize(
    "url", ["appconfig://nope/test/flags", "appconfig://shop/nope/flags", "appconfig://shop/test/x"]
)
def test_a_place_that_does_not_exist_is_named(on_aws, url: str) -> None:
    assert "There are: " in refused(on_aws("on", "plain", "-s", url), 6, "source_not_found")


def test_a_profile_that_was_never_deployed_is_said(on_aws) -> None:
    url = "appconfig://new/staging/flags"
    on_aws.good("init", "-s", url)
    refused(on_aws("list", "-s", url), 6, "source_not_deployed")
    on_aws.good("create", "first", "-s", url)
    assert "first" in on_aws.good("list", "-s", url).out


def test_a_conflict_on_the_same_flag_is_said_and_on_another_one_is_merged(terminal) -> None:
    from dataclasses import replace

    def meanwhile(*words: str):
        def ask(_: str) -> str:
            terminal.good(*words, "--save-only")
            return "test"

        return ask

    if terminal.aws is None:
        return
    os.environ["FLAGKIT_PROTECTED"] = "test"
    try:
        terminal.cli = replace(terminal.cli, ask=meanwhile("rollout", "new_flow", "30", "--yes"))
        refused(terminal("rollout", "new_flow", "40"), 4, "edit_conflict")
        assert "pct::30" in str(terminal.flag("new_flow"))
        terminal.cli = replace(terminal.cli, ask=meanwhile("attr", "button", "size=1", "--yes"))
        terminal.good("on", "plain")
    finally:
        del os.environ["FLAGKIT_PROTECTED"]
    assert terminal.flag("plain")["enabled"] is True
    assert terminal.flag("button")["attributes"]["size"] == 1


# The command itself


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt, 130), (ZeroDivisionError, 70)])
def test_whatever_happens_there_is_no_traceback(
    on_file, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], code: int
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("flagkit.cli.inspect.fetch", broken)
    done = on_file("list")
    assert (done.code, "Traceback" in done.err) == (code, False)
    if raised is ZeroDivisionError:
        monkeypatch.setenv("FLAGKIT_TRACEBACK", "1")
        with pytest.raises(ZeroDivisionError):
            on_file("list")


def test_every_error_has_an_exit_code_that_is_explained() -> None:
    def tree(cls: type[FlagkitError]) -> list[type[FlagkitError]]:
        return [cls, *(found for child in cls.__subclasses__() for found in tree(child))]

    assert {exit_code_of(kind) for kind in tree(FlagkitError)} <= set(EXIT_CODE_MEANINGS)
    assert {code for _, code in EXIT_CODES} <= set(EXIT_CODE_MEANINGS)


def test_a_rule_that_is_none_is_shown_with_a_caret(on_file) -> None:
    done = on_file("rollout", "plain", "10", "--where", "(eq $a)")
    assert done.code == 3
    assert "(eq $a)" in done.err


def test_a_condition_that_is_none_is_shown_with_a_caret_under_the_place(on_file) -> None:
    done = on_file("rollout", "plain", "10", "--where", "country in US,,CA")
    assert done.code == 3
    assert done.err.splitlines()[:3] == [
        "error[edit_invalid]: the condition is not valid: "
        "expected a value after ',', not ',' (put it in quotes if it is the value)",
        "  country in US,,CA",
        "                ^",
    ]


def test_main_ends_the_process_with_the_exit_code(on_file, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["show"])
    assert ended.value.code == 2
    assert "Missing argument" in capsys.readouterr().err


def test_a_terminal_without_arrows_gets_question_marks(on_file) -> None:
    words = [sys.executable, "-m", "flagkit", "rollout", "new_flow", "40", "--dry-run"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, "25 % ? 40 %" in done.stdout) == (0, True), done


def test_a_closed_pipe_does_not_stop_a_change(on_file) -> None:
    words = f"{sys.executable} -m flagkit off new_flow --yes | true; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "version 2" in on_file.good("history").out


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "flagkit", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "rollout" in done.stdout
    assert Path(sys.executable).exists()


def test_no_words_at_all_are_answered_with_help(on_file) -> None:
    assert on_file.good().out.startswith("Usage: flagkit ")


def test_help_fits_80_columns_and_shows_examples(on_file, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = on_file("rollout", "--help").out
    assert "Example: flagkit rollout new_checkout 12.5" in " ".join(shown.split())
    assert all(len(line) <= 80 for line in shown.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        ("show", "nope"),
        ("on", "nope"),
        ("create", "plain"),
        ("history", "nope"),
        ("revert", "plain"),
        ("target", "button", "--user", "1"),
        ("segment", "delete", "qa"),
        ("rule", "remove", "plain", "7"),
        ("require", "plain", "--flag", "button", "--remove"),
        ("archive", "button"),
        ("on", "old"),
        ("show", "plain", "--version", "99"),
        ("status", "-s", "missing.json"),
        ("list", "-s", "broken.json"),
        ("diff", "-s", "missing.json"),
        ("on", "plain", "-smissing.json"),
        ("lint", "broken.json"),
        ("rule", "add", "button", "--when", "country = US", "--percent", "50"),
        ("rollback",),
        ("deploy", "--version", "1"),
        ("revert",),
        ("copy", "nope", "--from", "my flags.json", "--to", "other.json"),
        ("copy", "plain", "--from", "missing.json", "--to", "other.json"),
    ],
)
def test_every_command_of_a_hint_runs_as_it_is_printed(on_file, words: tuple[str, ...], tmp_path: Path) -> None:
    """With a source that was given by an option, the command names it, too."""
    source = "my flags.json"
    (tmp_path / source).write_bytes(on_file.file.read_bytes())
    (tmp_path / "broken.json").write_text("{")
    for made in (
        ("segment", "put", "qa", "--user", "1"),
        ("target", "plain", "--segment", "qa"),
        ("create", "old"),
        ("archive", "old"),
        ("on", "plain"),
    ):
        on_file.good(*made, "-s", source)
    names_source = any(".json" in word for word in words)
    done = on_file(*words, *(() if names_source else ("-s", source)))
    assert done.code, done
    for command in re.findall("`flagkit ([^`]*)`", done.err):
        assert "KEY" not in command
        typed = shlex.split(command)
        files = (source, "missing.json", "broken.json", "other.json")
        assert "--help" in typed or any(name in command for name in files), command
        assert on_file(*typed, "--yes" if typed[0] == "target" else "--help").code == 0, command


def test_what_is_no_json_is_corrected_as_text(on_file) -> None:
    on_file.file.write_text("{")
    assert "hint: Correct the text; `flagkit lint` shows the line." in on_file("list").err


@pytest.mark.parametrize(
    "words",
    [
        ("off", "plain", "--save-only"),
        ("on", "plain", "--save-only"),
        ("on", "plain"),
        ("status",),
        ("deploy", "--when-busy", "queue"),
        ("kill", "button", "--when-busy", "queue"),
    ],
)
def test_every_command_of_a_note_runs_as_it_is_printed(on_aws, words: tuple[str, ...], monkeypatch) -> None:
    source = on_aws.source
    on_aws.good("on", "button", "--pace", "immediate")
    on_aws.good("rollout", "new_flow", "40")  # bakes
    on_aws.good("on", "plain", "--save-only")
    on_aws.good("rollout", "new_flow", "50", "--save-only")
    monkeypatch.delenv("FLAGKIT_SOURCE")
    done = on_aws(*words, "--source", source)
    commands = re.findall("`flagkit ([^`]*)`", done.out + done.err)
    assert commands, done
    on_aws.aws.clock.advance(700)
    for command in commands:
        assert on_aws(*shlex.split(command)).code == 0, command


def test_what_was_rolled_back_is_not_said_to_be_deployed_by_a_command_that_refuses_it(on_aws) -> None:
    on_aws.good("off", "button", "--pace", "immediate")
    on_aws.good("rollback")
    said = on_aws.good("revert", "--last", "--dry-run").err
    assert "was deployed and rolled back" in said
    assert "`flagkit deploy`" not in said
    for command in re.findall("`flagkit ([^`]*)`", on_aws("status").err):
        assert on_aws(*shlex.split(command), "--help").code == 0


def test_an_option_before_a_command_of_a_group_is_refused_not_lost(on_file, tmp_path: Path) -> None:
    before = on_file.saved()
    said = refused(on_file("segment", "-s", "other.json", "put", "qa", "--user", "1"), 2, "usage")
    assert "flagkit segment put --source" in said
    refused(on_file("segment", "--json", "put", "qa", "--user", "1"), 2, "usage")
    assert on_file.saved() == before
    assert not (tmp_path / "other.json").exists()


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\x1b]0;x\x07", "a\u202eb", "a\x9b31m", "a\u2066b"])
@pytest.mark.parametrize("words", [("show",), ("on",), ("create",), ("segment", "delete"), ("list", "-s"), ("fly",)])
def test_an_error_steers_no_terminal(on_file, words: tuple[str, ...], name: str) -> None:
    for more in ((), ("--json",)):
        done = on_file(*words, name, *more)
        assert done.code
        assert not set("\x1b\x07\x9b\u202e\u2066") & set(done.out + done.err), done


def test_a_strategy_that_does_not_exist_is_said_before_anything_is_saved(on_aws) -> None:
    before = on_aws.saved()
    said = refused(on_aws("on", "plain", "--pace", "slowly"), 6, "source_not_found")
    assert "flagkit-guarded" in said
    assert "AppConfig.AllAtOnce" in said
    assert on_aws.saved() == before
    on_aws.good("on", "plain", "--pace", "AppConfig.AllAtOnce")


def test_a_version_that_never_was_is_not_said_to_be_saved(on_aws) -> None:
    for words in (("deploy", "--version", "99"), ("pull", "--version", "99")):
        done = on_aws(*words)
        assert "has no version 99" in refused(done, 6, "source_not_found")
        assert "is saved" not in done.err


def test_a_version_of_a_file_is_not_deployed_but_restored(on_file) -> None:
    on_file.good("on", "plain")
    said = refused(on_file("deploy", "--version", "1"), 2, "usage")
    assert "`flagkit revert --to 1`" in said


def test_an_empty_kind_is_not_listed_as_one(on_file) -> None:
    said = refused(on_file("describe", "plain", "--kind", "foo"), 2, "usage")
    assert "release, experiment, ops, permission, or empty to remove it" in said
    on_file.good("describe", "plain", "--kind", "ops")
    on_file.good("describe", "plain", "--kind", "")
    assert on_file.flag("plain")["kind"] is None


def test_lint_takes_a_source_as_every_command_does(on_file) -> None:
    source = on_file.source
    assert on_file.good("lint", "-s", source).out == on_file.good("lint", source).out
    refused(on_file("lint", source, "-s", source), 2, "usage")


def test_the_hints_of_lint_run_as_they_are_printed(on_file, tmp_path: Path) -> None:
    content = json.loads(on_file.file.read_text())
    del content["values"]["plain"]
    (tmp_path / "other.json").write_text(json.dumps(content))
    commands = re.findall("`flagkit ([^`]*)`", on_file("lint", "other.json").out)
    assert commands == ["off plain --source other.json"]
    on_file.good(*shlex.split(commands[0]))


@pytest.mark.parametrize(
    "operation",
    [
        "ListApplications",
        "ListEnvironments",
        "ListConfigurationProfiles",
        "ListHostedConfigurationVersions",
        "GetHostedConfigurationVersion",
        "CreateHostedConfigurationVersion",
        "ListDeploymentStrategies",
        "ListDeployments",
        "StartDeployment",
        "StopDeployment",
        "*",
    ],
)
def test_an_answer_that_is_cut_stops_no_kill(on_aws, operation: str) -> None:
    """botocore answers a cut list with no list at all, as if there were nothing."""
    on_aws.good("on", "button", "--pace", "immediate")
    on_aws.good("rollout", "new_flow", "40")  # bakes, so that it has to be stopped
    rule = on_aws.aws.faults.add(Fault.CUT, f"appconfig.{operation}", times=1)
    on_aws.good("kill", "button", "--yes")
    assert rule.times == 0
    assert on_aws.good("show", "button", "--json").json["state"] == "off"


def test_a_kill_goes_live_when_switching_off_was_rolled_back(on_aws) -> None:
    on_aws.good("off", "button", "--pace", "immediate")
    on_aws.good("rollback")
    assert on_aws.good("show", "button", "--json").json["state"] == "on"
    assert on_aws("off", "button").code == 8  # what was rolled back isn't deployed again by the way
    assert "Version 2 is live." in on_aws.good("kill", "button", "--yes").out
    assert on_aws.good("show", "button", "--json").json["state"] == "off"


def test_a_change_that_aws_would_refuse_is_said_in_words_and_points_at_no_document(on_file) -> None:
    before = on_file.saved()
    done = on_file("describe", "plain", "--name", "x" * 65)
    assert "plain.name: must be one line of at most 64 characters" in refused(done, 3, "document_invalid")
    assert "hint: Nothing was changed." in done.err
    assert "lint" not in done.err
    assert on_file.saved() == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("list",), 0),
        (("lint", "broken.json"), 1),
        (("stale", "code.py"), 1),
        (("notify",), 1),
        (("diff", "broken.json", "--exit-code"), 3),
        (("diff", "other.json", "--exit-code"), 1),
        (("plan", "flags.toml", "--exit-code"), 1),
        (("plan", "flags.toml"), 0),
        (("list", "--bogus"), 2),
        (("rollback",), 2),
        (("list", "-s", "gopher://x"), 2),
        (("show", "nope"), 3),
        (("rollout", "plain", "140"), 3),
        (("list", "-s", "broken.json"), 3),
        (("delete", "button"), 5),
        (("apply", "flags.toml"), 5),
        (("revert", "--to", "9"), 6),
        (("list", "-s", "missing.json"), 6),
    ],
)
def test_an_exit_code_means_what_the_table_says(on_file, tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    """4, 7 and 8 need AppConfig: a conflict, no network and a deployment that was rolled back are above."""
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"version": "1", "flags": {}, "values": {}}')
    (tmp_path / "flags.toml").write_text("[flags.new_flow]\n")
    (tmp_path / "code.py").write_text("flags.is_enabled('gone')\n")
    (tmp_path / "flagkit.toml").write_text("")
    before = on_file.saved()
    done = on_file(*words)
    assert done.code == code, done
    assert code in EXIT_CODE_MEANINGS
    assert on_file.saved() == before
    if code not in {0, 1}:
        refused(done, code, re.findall(r"error\[(\w+)\]", done.err)[0])
