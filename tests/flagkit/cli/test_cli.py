"""`flagkit` reads flags from files and AppConfig, explains and checks them; errors are one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flagkit.cli import run
from flagkit.testing import AwsStandIn

RULE = '(and (eq $country "US") (split pct::25 by::$userId seed::"new_flow"))'
DOCUMENT = {
    "version": "1",
    "flags": {
        "new_flow": {"name": "New flow"},
        "button": {"name": "Button", "attributes": {"value": {"constraints": {"type": "string"}}}},
        "plain": {"name": "Plain"},
    },
    "values": {
        "new_flow": {
            "_variants": [
                {"name": "rollout", "enabled": True, "rule": RULE},
                {"name": "off", "enabled": False},
            ]
        },
        "button": {"enabled": True, "value": "green"},
        "plain": {"enabled": False},
    },
}


@pytest.fixture
def flags_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FLAGKIT_SOURCE", raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


def test_list_shows_every_flag_in_a_line(flags_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        'button    on value="green"',
        "new_flow  variants rollout, off (off)",
        "plain     off",
    ]


def test_a_broken_flag_is_listed_as_broken_beside_its_neighbours(
    flags_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values: dict[str, Any] = {**DOCUMENT["values"], "plain": {"enabled": "maybe"}}  # type: ignore[dict-item]
    flags_file.write_text(json.dumps({**DOCUMENT, "values": values}))
    assert run(["list", "--source", str(flags_file)]) == 0
    assert "plain     broken: " in capsys.readouterr().out
    assert run(["list", "--json"]) == 0
    assert [flag["key"] for flag in json.loads(capsys.readouterr().out)] == ["button", "new_flow"]


def test_show_prints_variants_with_their_rules(flags_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "new_flow"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "new_flow",
        "  rollout: on",
        f"    {RULE}",
        "  off: off",
        "    for everybody else",
    ]
    assert run(["show", "button", "--json", "-s", f"file:{flags_file}"]) == 0
    assert json.loads(capsys.readouterr().out)["attributes"] == {"value": "green"}
    assert run(["show", "plain"]) == 0
    assert capsys.readouterr().out == "plain\n  off\n"


def test_explain_says_which_rule_and_why(flags_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "new_flow", "--user", "7", "-c", "country=US"]) == 0
    text = capsys.readouterr().out
    assert "bucket" in text
    assert '$country is "US"' in text
    assert run(["explain", "new_flow", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_lint_is_content_with_a_good_document(flags_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint"]) == 0
    assert capsys.readouterr().out.endswith("ok\n")
    assert run(["lint", str(flags_file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_lint_names_every_break(flags_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags_file.write_text(json.dumps({**DOCUMENT, "values": {"new_flow": {"_variants": [{"name": "a"}]}, "button": 7}}))
    assert run(["lint"]) == 1
    out = capsys.readouterr().out
    assert "values." in out
    assert "broken" in out.splitlines()[-1]
    assert run(["lint", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["violations"]


def test_codegen_writes_a_module_that_compiles(
    flags_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["codegen", "-o", "my_flags.py"]) == 0
    source = (tmp_path / "my_flags.py").read_text()
    compile(source, "my_flags.py", "exec")
    assert "new_flow" in source
    assert run(["codegen", "--name", "my_flags"]) == 0
    assert capsys.readouterr().out == source


def test_appconfig_is_a_source_like_any_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with AwsStandIn() as aws:
        client: Any = aws.session().client("appconfig")
        application = client.create_application(Name="shop")["Id"]
        environment = client.create_environment(ApplicationId=application, Name="staging")["Id"]
        profile = client.create_configuration_profile(
            ApplicationId=application, Name="flags", LocationUri="hosted", Type="AWS.Freeform"
        )["Id"]
        client.create_hosted_configuration_version(
            ApplicationId=application,
            ConfigurationProfileId=profile,
            Content=json.dumps(DOCUMENT).encode(),
            ContentType="application/json",
        )
        client.start_deployment(
            ApplicationId=application,
            EnvironmentId=environment,
            ConfigurationProfileId=profile,
            ConfigurationVersion="1",
            DeploymentStrategyId="AppConfig.AllAtOnce",
        )
        aws.clock.advance(700)
        monkeypatch.setenv("FLAGKIT_SOURCE", "appconfig://shop/staging/flags")
        assert run(["list"]) == 0
    assert "new_flow  variants rollout" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "buton"], 1, "error[flag_unknown]: there is no flag buton; did you mean button?"),
        (["show", "zzz"], 1, "error[flag_unknown]: there is no flag zzz"),
        (["list", "-s", "nowhere.json"], 1, "error[source_"),
        (["list", "-s", "gopher://x"], 1, "error[source_url_invalid]: "),
        (["explain", "button", "-c", "country"], 2, "error[usage]: 'country' is no context entry"),
        (["codegen", "-o", "my-flags.py"], 2, "error[usage]: 'my-flags' is no name for a module"),
        (["codegen", "-o", "no/such/place.py"], 1, "error[edit_invalid]: no/such/place.py can't be written"),
        (["fly"], 2, "error[usage]: "),
        (["show"], 2, "error[usage]: "),
    ],
)
def test_errors_are_one_line_and_a_hint(
    flags_file: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert run(words) == code
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith(said)
    assert err[-1].startswith("hint: ")
    assert len(err) == 2


def test_no_source_at_all_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLAGKIT_SOURCE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert run(["list"]) == 1
    assert capsys.readouterr().err.startswith("error[source_url_invalid]: no flag source was given")


def test_a_document_that_is_none_is_said(flags_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags_file.write_text("not json")
    assert run(["list"]) == 1
    assert capsys.readouterr().err.startswith("error[document_invalid]: ")


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError, 1), (ZeroDivisionError, 1)])
def test_whatever_happens_there_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: type[BaseException], code: int
) -> None:
    def broken(*_: object) -> None:
        raise raised

    monkeypatch.setattr("flagkit.cli.app.fetch", broken)
    assert run(["list"]) == code
    assert "Traceback" not in capsys.readouterr().err
    if raised is ZeroDivisionError:
        monkeypatch.setenv("FLAGKIT_TRACEBACK", "1")
        with pytest.raises(ZeroDivisionError):
            run(["list"])


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "flagkit", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "explain" in done.stdout
