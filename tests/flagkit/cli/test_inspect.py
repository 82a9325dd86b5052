"""Looking changes nothing: list, show, explain over one user or many, what-if, lint, codegen, completion."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from flagkit.cli import run
from flagkit.cli.output import shortened


def test_list_shows_every_flag_with_state_and_audience(terminal) -> None:
    lines = terminal.good("list").out.splitlines()
    assert lines[0].split()[:3] == ["FLAG", "STATE", "AUDIENCE"]
    assert [line.split()[:2] for line in lines[1:]] == [["button", "on"], ["new_flow", "25"], ["plain", "off"]]
    assert "all users" in lines[1]
    assert "25 % of users" in lines[2]


def test_list_searches_key_name_and_description(terminal) -> None:
    for text in ("new_f", "New fl", "instead of FOUR"):
        assert [row["key"] for row in terminal.good("list", text, "--json").json] == ["new_flow"]
    assert "No matching flags." in terminal.good("list", "nothing").out


def test_list_filters_by_state(terminal) -> None:
    for state, key in (("on", "button"), ("partial", "new_flow"), ("off", "plain")):
        assert [row["key"] for row in terminal.good("list", "--state", state, "--json").json] == [key]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [80, 160])
def test_tables_are_as_wide_as_the_terminal(on_file, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    on_file.good("create", "a" + "b" * 63)
    on_file.good("segment", "put", "s" * 60, *(word for i in range(40) for word in ("--user", str(i))))
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    for words in (["list"], ["segment"], ["history"], ["diff"]):
        screen = Screen()
        with redirect_stdout(screen):
            assert run(words, on_file.cli) == 0
        assert max(len(line) for line in screen.getvalue().splitlines()) <= columns, words
    assert shortened("abc", 2) == "a…"


def test_a_pipe_gets_everything(on_file, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    countries = [f"C{number}" for number in range(60)]
    on_file.good("create", "a" + "b" * 63)
    on_file.good("rollout", "plain", "12.5", "--where", "country in " + ",".join(countries))
    shown = on_file.good("list").out
    assert "a" + "b" * 63 in shown
    assert all(country in shown for country in countries)
    assert "…" not in shown


def test_characters_that_steer_the_terminal_are_escaped(on_file) -> None:
    name = "\x1b]0;owned\x07\u202egnp.exe\x9b31m"
    on_file.good("describe", "plain", "--name", name, "--description", name)
    for words in (
        ["show", "plain"],
        ["list"],
        ["history"],
        ["diff"],
        ["segment"],
        ["list", "--json"],
        ["history", "--json"],
    ):
        out = on_file.good(*words).out
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(out), words
    assert on_file.good("show", "plain", "--json").json["name"] == name


def test_a_broken_flag_is_listed_beside_its_neighbours(on_file) -> None:
    content = json.loads(on_file.file.read_text())
    content["values"]["plain"] = {"enabled": "maybe"}
    on_file.file.write_text(json.dumps(content))
    out = on_file.good("list").out
    assert "plain     broken" in out
    assert "button    on" in out
    assert [row["key"] for row in on_file.good("list", "--json").json] == ["button", "new_flow", "plain"]
    assert "values.plain.enabled" in on_file.good("show", "plain").out


def test_an_empty_document_has_no_flags(on_file) -> None:
    on_file.file.write_text('{"version": "1"}')
    assert on_file.good("list").out == "No flags.\n"
    on_file.file.write_text('{"version": "1", "flags": {"g": {}}}')
    assert "g     off    no value in the document" in on_file.good("list").out


def test_show_says_what_it_is_for_and_who_gets_it(terminal) -> None:
    lines = terminal.good("show", "new_flow").out.splitlines()
    assert lines[:3] == ["new_flow (New flow)", "  One page instead of four", "  State: 25 %"]
    assert lines[3:4] == ["  Audience: 25 % of users (where country = US)"]
    assert terminal.good("show", "new_flow", "--json").json["description"] == "One page instead of four"


def test_a_flag_profile_without_its_rules_is_shown_with_a_warning(on_aws, monkeypatch: pytest.MonkeyPatch) -> None:
    from flagkit.testing import AppConfigFlags

    document = json.loads(json.dumps(on_aws.good("list", "--json").json))
    assert document
    profile = AppConfigFlags(on_aws.aws.session(), application="other", feature_flags=True)
    ruled = {"_variants": [{"name": "a", "enabled": True, "rule": '(eq $x "1")'}, {"name": "b", "enabled": False}]}
    profile.deploy({"version": "1", "flags": {"f": {"name": "F"}}, "values": {"f": ruled}})
    on_aws.aws.clock.advance(700)
    monkeypatch.setenv("FLAGKIT_SOURCE", profile.url)
    listed = on_aws.good("list")
    assert "warning: " in listed.err
    assert on_aws("lint").code == 2
    assert on_aws.good("lint", "--saved").out.endswith("No findings.\n")
    assert "f     off" in listed.out


def test_what_is_saved_and_old_versions_can_be_shown(terminal) -> None:
    terminal.good("on", "plain", "--save-only")
    terminal.good("on", "plain", "--save-only")
    assert terminal.good("show", "plain", "--saved", "--json").json["enabled"] is True
    number = terminal.good("off", "plain", "--save-only", "--json").json["version"]
    assert terminal.good("show", "plain", "--version", str(number - 1), "--json").json["enabled"] is True


def test_explain_says_the_reason_first_and_the_rules_with_verbose(terminal) -> None:
    asked = ("explain", "new_flow", "--user", "7", "-c", "country=US")
    out = terminal.good(*asked).out
    assert out == "new_flow is on for user 7: country = US, bucket 20.85 % is below 25 %.\n"
    assert '$country is "US"' in terminal.good(*asked, "--verbose").out
    assert terminal.good("explain", "new_flow", "--json").json["key"] == "new_flow"


@pytest.mark.parametrize(
    ("edits", "asked", "sentence"),
    [
        ([], ("plain",), "plain is off: it is switched off."),
        ([("on", "plain")], ("plain",), "plain is on: all users get it."),
        ([], ("new_flow", "-u", "7"), "new_flow is off for user 7: country is not given."),
        (
            [],
            ("new_flow", "-u", "1", "-c", "country=US"),
            "new_flow is off for user 1: bucket 67.73 % is not below 25 %.",
        ),
        ([("off", "new_flow")], ("new_flow", "-u", "7"), "new_flow is off for user 7: it is switched off."),
        (
            [("target", "plain", "-u", "42,43"), ("on", "plain")],
            ("plain", "-u", "43"),
            "plain is on for user 43: in the list of users.",
        ),
        (
            [("target", "plain", "-u", "42"), ("on", "plain")],
            ("plain", "-u", "7"),
            "plain is off for user 7: not in the list of users.",
        ),
        (
            [("segment", "put", "qa", "-u", "9"), ("target", "plain", "--segment", "qa"), ("on", "plain")],
            ("plain", "-u", "9"),
            "plain is on for user 9: in segment qa.",
        ),
        (
            [("split", "plain", "red=100"), ("on", "plain"), ("target", "plain", "-u", "5", "--variant", "red")],
            ("plain", "-u", "5"),
            "plain is on for user 5, variant red: in the list of users.",
        ),
    ],
)
def test_the_reason_of_an_answer_is_one_sentence(on_file, edits: list[tuple[str, ...]], asked, sentence: str) -> None:
    for edit in edits:
        on_file.good(*edit, "--yes")
    assert on_file.good("explain", *asked).out == sentence + "\n"


def test_the_json_of_a_flag_is_complete_and_typed(terminal) -> None:
    terminal.good("target", "new_flow", "--user", "42", "--group", "beta")
    found = terminal.good("show", "new_flow", "--saved", "--json").json
    expected = {
        "key": "new_flow",
        "name": "New flow",
        "description": "One page instead of four",
        "state": "partial",
        "percent": 25.0,
        "users": ["42"],
        "groups": ["beta"],
        "segments": [],
        "starts": None,
        "problem": None,
    }
    assert {name: found[name] for name in expected} == expected
    (listed,) = [row for row in terminal.good("list", "--saved", "--json").json if row["key"] == "new_flow"]
    assert listed == found


def test_explain_shows_the_generated_function(terminal, on_file) -> None:
    out = terminal.good("explain", "new_flow", "--code").out
    assert "def flag(user_id, context):" in out
    assert "# key_1 = " in out
    assert "plain has no rules" in on_file("explain", "plain", "--code").out


def test_explain_counts_the_answers_of_many_users(terminal, tmp_path: Path) -> None:
    rows = ["userId,country", *(f"{user},{'US' if user % 2 else 'DE'}" for user in range(200))]
    (tmp_path / "users.csv").write_text("\n".join(rows))
    answers = terminal.good("explain", "new_flow", "--users", "users.csv", "--json").json["answers"]
    assert answers["off"] + answers["on"] == 200
    assert 10 < answers["on"] < 40
    assert "ANSWER" in terminal.good("explain", "new_flow", "--users", "users.csv").out
    (tmp_path / "ids.txt").write_text("1\n2\n3\n\n")
    everybody = terminal.good("explain", "button", "--users", "ids.txt", "-c", "country=US").out
    assert everybody.splitlines()[1].split() == ["3", "100.0", "%", "on"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "contains no users"),
        ("name,country\nx,y\n", "no column userId"),
        (None, "cannot be read"),
        (b"\xff", "UTF-8"),
    ],
)
def test_a_file_of_users_that_is_none_is_said(on_file, tmp_path: Path, text: str | bytes | None, said: str) -> None:
    if text is not None:
        (tmp_path / "u.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = on_file("explain", "new_flow", "--users", "u.csv")
    assert (done.code, said in done.err) == (2, True)


def test_one_user_or_many_not_both(on_file) -> None:
    assert on_file("explain", "plain", "--user", "1", "--users", "u.csv").code == 2


@pytest.mark.parametrize(
    ("text", "users", "context"),
    [
        ("1\n2\n", 2, ""),
        ("userId,country\n1,US\n2,DE\n", 2, ", with context country"),
        ("User ID;country\n1;US\n2;DE\n", 2, ", with context country"),
        ("user_id\tcountry\tplan\n1\tUS\tpro\n", 1, ", with context country, plan"),
        ('userId,name\n1,"a, b"\n', 1, ", with context name"),
    ],
)
def test_a_file_of_users_is_read_in_every_usual_form_and_echoed(
    on_file, tmp_path: Path, text: str, users: int, context: str
) -> None:
    (tmp_path / "u.csv").write_text(text)
    done = on_file.good("explain", "new_flow", "--users", "u.csv", "--json")
    assert done.json["users"] == users
    assert done.err == f"{users} user{'' if users == 1 else 's'} in u.csv{context}\n"


def test_what_if_names_who_would_get_another_answer(terminal, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("userId,country\n" + "".join(f"{user},US\n" for user in range(400)))
    draft = json.loads(json.dumps(DRAFT))
    (tmp_path / "draft.json").write_text(json.dumps(draft))
    same = terminal.good("what-if", "draft.json", "--users", "users.csv")
    assert "button" not in same.out
    found = terminal.good("what-if", "draft.json", "new_flow", "--users", "users.csv", "--json").json
    assert [move["before"] for move in found["moves"]] == ["off"]
    assert 20 < found["moves"][0]["users"] < 100
    assert "off → on" in same.out


DRAFT = {
    "version": "1",
    "values": {
        "new_flow": {
            "_variants": [
                {
                    "name": "on",
                    "enabled": True,
                    "rule": '(and (eq $country "US") (split pct::40 by::$userId seed::"new_flow"))',
                },
                {"name": "off", "enabled": False},
            ]
        },
        "button": {"enabled": True},
        "plain": {"enabled": False},
    },
}


def test_what_if_takes_a_version_and_says_when_nobody_moves(terminal, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("1\n2\n")
    number = terminal.good("describe", "plain", "--name", "P", "--json").json["version"]
    assert "No answer differs for 2 users." in terminal.good("what-if", str(number), "--users", "ids", "--saved").out
    assert terminal("what-if", str(number)).code == 2
    assert terminal("what-if", str(number), "nope", "--users", "ids").code == 3


# Lint


def test_lint_is_content_with_a_good_document(terminal) -> None:
    assert terminal.good("lint").out == "No findings.\n"
    assert terminal.good("lint", "--json", "--strict").json == {"ok": True, "findings": []}


def test_lint_points_at_the_place_and_fails(on_file) -> None:
    content = json.loads(on_file.file.read_text())
    content["values"]["new_flow"]["_variants"][0]["rule"] = "(eq $country)"
    on_file.file.write_text(json.dumps(content, indent=2))
    done = on_file("lint", "flags.json")
    assert done.code == 1
    assert "error[RuleIsValid]: values.new_flow._variants.0.rule" in done.out
    assert done.out.startswith("flags.json:")
    assert "\n    (eq $country)\n" in done.out
    assert done.out.endswith("1 error\n")
    assert on_file("lint", "--json").json["findings"][0]["severity"] == "error"


def test_warnings_fail_only_where_it_is_strict(on_file, tmp_path: Path) -> None:
    half = '(split pct::20 by::$userId seed::"f")'
    variants = [{"name": "a", "enabled": True, "rule": half}, {"name": "b", "enabled": True, "rule": half}]
    value = {"_variants": [*variants, {"name": "c", "enabled": False}]}
    old = {"version": "1", "flags": {"f": {}}, "values": {"f": value}}
    Path("old.json").write_text(json.dumps(old))
    done = on_file("lint", "old.json")
    assert (done.code, "shadowed-split" in done.out, done.out.endswith("1 warning\n")) == (0, True, True)
    assert on_file("lint", "old.json", "--strict").code == 1
    Path("new.json").write_text(json.dumps(old).replace('seed::\\"f\\"', 'seed::\\"g\\"'))
    assert "reshuffle" in on_file("lint", "new.json", "--against", "old.json").out
    assert "unknown-key" in on_file("lint", "--context-key", "plan").out


def test_many_findings_of_one_kind_are_three_and_a_number_unless_all_are_asked_for(on_file) -> None:
    rule = '(split pct::20 by::$userId seed::"f")'
    variants = [{"name": f"v{number}", "enabled": True, "rule": rule} for number in range(9)]
    value = {"_variants": [*variants, {"name": "default", "enabled": False}]}
    Path("many.json").write_text(json.dumps({"version": "1", "flags": {"f": {}}, "values": {"f": value}}))
    short = on_file.good("lint", "many.json").out
    assert short.count("those users already get") == 3
    assert "5 more findings of this kind; --verbose shows them" in short
    assert on_file.good("lint", "many.json", "--verbose").out.count("those users already get") == 8
    assert len(on_file.good("lint", "many.json", "--json").json["findings"]) >= 8


# The rest


def test_codegen_writes_a_module_that_compiles(terminal, tmp_path: Path) -> None:
    terminal.good("codegen", "-o", "my_flags.py")
    source = (tmp_path / "my_flags.py").read_text()
    compile(source, "my_flags.py", "exec")
    assert "new_flow" in source
    assert terminal.good("codegen", "--name", "my_flags").out == source
    assert terminal("codegen", "-o", "my-flags.py").code == 2
    assert terminal("codegen", "-o", "no/such/place.py").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(on_file, shell: str) -> None:
    assert "_FLAGKIT_COMPLETE" in on_file.good("completion", shell).out


def test_commands_and_flags_complete(
    on_file, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def completed(typed: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
        assert run((), on_file.cli) == 0
        return capfd.readouterr().out.split()

    monkeypatch.setenv("_FLAGKIT_COMPLETE", "bash_complete")
    assert completed("flagkit ro") == ["plain,rollout", "plain,rollback"]
    assert completed("flagkit show ne") == ["plain,new_flow"]
    monkeypatch.setenv("FLAGKIT_SOURCE", "nowhere.json")
    assert completed("flagkit show ne") == []


def test_every_command_has_help_with_an_example() -> None:
    from flagkit.cli.app import program
    from flagkit.cli.arguments import command_of

    for name, command in program().commands.items():
        assert name == "completion" or "Example: " in (command_of(command).help or ""), name
