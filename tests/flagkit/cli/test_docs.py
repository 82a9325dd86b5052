"""The pages say what the commands do: the reference is generated, and every command on the others is run."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from commands import canary_exit_codes, lint_codes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "product-teams.md"
EXAMPLE = ROOT / "examples" / "flags_as_code"
# AWS's words, which the page for product people does without.
AWS_WORDS = re.compile(
    r"\bAWS|AppConfig|deploy|environment|profile|JSON|s-expression|variant|boto|\bARN\b|\bIAM\b", re.IGNORECASE
)


def console(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Each command on a page with what the page says it prints."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
        command: str | None = None
        shown: list[str] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command is not None:
                    yield command, shown
                command, shown = line.removeprefix("$ flagkit "), []
            else:
                shown.append(line)
        if command is not None:
            yield command, shown


def users() -> str:
    return "userId,country\n" + "".join(f"{user},{'US' if user % 4 else 'DE'}\n" for user in range(1000))


def wanted_code(command: str) -> int:
    return 3 if "chekout" in command or " 130" in command else 0


def test_the_reference_explains_every_finding_of_lint() -> None:
    found: set[str] = set()
    for path in (ROOT / "flagkit" / "core" / "lint").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Finding", "_warning", "_at"}:
                texts = [argument for argument in node.args[:3] if isinstance(argument, ast.Constant)]
                found |= {text.value for text in texts if isinstance(text.value, str) and text.value}
    assert {code for code in found if code[0].islower()} <= lint_codes()


@pytest.mark.sweep
def test_the_page_for_product_teams_is_true_on_appconfig(on_aws, tmp_path: Path) -> None:
    """On a file, tests/architecture/test_pages_run.py also compares what is printed."""
    (tmp_path / "users.csv").write_text(users())
    on_aws.good("delete", "button", "--pace", "immediate", "--yes")
    for command, _ in console(PAGE):
        on_aws.aws.clock.advance(700)  # the watch by alarms is over
        words = [on_aws.source if word == "flags.json" else word for word in shlex.split(command)]
        done = on_aws(*words)
        assert done.code == wanted_code(command), (command, done)


def test_the_page_for_product_teams_has_no_aws_words() -> None:
    prose = re.sub(r"```.*?```|`[^`]*`|\(reference/flagkit-commands\.md\)", "", PAGE.read_text(), flags=re.DOTALL)
    assert AWS_WORDS.findall(prose) == []


def test_the_example_of_flags_as_code_runs(terminal, tmp_path: Path) -> None:
    (tmp_path / "flags.toml").write_text((EXAMPLE / "flags.toml").read_text())
    for command, _ in console(EXAMPLE / "README.md"):
        words = shlex.split(command)
        if terminal.aws is not None:
            terminal.aws.clock.advance(700)
            words = [word for word in words if word != "flags.json"]
        terminal.good(*words)
    compile((tmp_path / "shop_flags.py").read_text(), "shop_flags.py", "exec")


def steps(event: str) -> list[str]:
    """The commands that the recipe for GitHub Actions runs for an event."""
    recipe = yaml.safe_load((EXAMPLE / "github-flags.yml").read_text("utf-8"))
    assert set(recipe[True]) == {"pull_request", "push"}  # YAML 1.1 reads `on` as true
    assert recipe[True]["push"]["branches"] == ["main"]
    (job,) = recipe["jobs"].values()
    wanted = f"github.event_name == '{event}'"
    return [
        step["run"] for step in job["steps"] if step.get("if", wanted) == wanted and "flagkit " in step.get("run", "")
    ]


def test_the_recipe_for_ci_plans_in_the_pull_request_and_applies_after_the_merge(terminal, tmp_path: Path) -> None:
    content = (EXAMPLE / "flags.toml").read_text()
    (tmp_path / "flags.toml").write_text(content)
    terminal.good("apply", "flags.toml", "--yes", "--pace", "immediate")
    (tmp_path / "flags.toml").write_text(f"{content}\n[flags.reviewed]\n")
    before = terminal.saved()
    for command in steps("pull_request"):
        assert "reviewed (new)" in terminal.good(*shlex.split(command)[1:]).out
    assert terminal.saved() == before
    for command in steps("push"):
        terminal.good(*shlex.split(command.replace("$GITHUB_SHA", "3f2c1aa"))[1:])
    assert terminal.good("history", "reviewed", "--json").json[0]["reason"] == "3f2c1aa"
    assert "No differences." in terminal.good("plan", "flags.toml", "--exit-code").out


def test_every_exit_code_of_canary_is_explained() -> None:
    possible, explained = canary_exit_codes()
    assert possible <= explained


def test_every_command_that_a_hint_names_exists() -> None:
    from flagkit.cli.app import program
    from flagkit.cli.arguments import command_of

    commands = {name: command_of(command) for name, command in program().commands.items()}
    wrong: list[str] = []
    for path in sorted((ROOT / "flagkit").rglob("*.py")):
        for arguments in re.findall(r"`flagkit ([a-z][^`\n]*)`", path.read_text()):
            name, *rest = arguments.split()
            command = commands.get(name)
            known = set() if command is None else {option for it in command.params for option in it.opts}
            used = {word.strip(".,;:()'\"").split("=")[0] for word in rest if word.startswith("-")}
            if command is None or (not hasattr(command, "list_commands") and not used <= known | {"--help"}):
                wrong.append(f"{path.relative_to(ROOT)}: {arguments}")
    assert wrong == []


@pytest.mark.parametrize("package", ["flagkit", "canary"])
def test_the_overview_says_of_each_command_what_its_help_says(package: str) -> None:
    from importlib import import_module

    from flagkit.cli.arguments import command_of

    program = import_module(f"{package}.cli.app").program()
    wrong = []
    for command in program.commands.values():
        first = " ".join((command_of(command).help or "").split("\n\n")[0].split())
        if not first.startswith(command.summary.rstrip(".")):
            wrong.append(f"{command.name}: {command.summary!r} in the overview, {first!r} in its help")
    assert wrong == []
