"""Runs the console blocks of pages in an empty directory, and writes into the pages what the commands print.

python scripts/console_blocks.py [--check] [PAGE ...]

A line `$ flagkit …` or `$ canary …` is run in process, on a clock that stands still; what follows it is its output.
A block whose first line is `# canary.toml` or the name of another file of `FILES` is written to that file, and Python
blocks run in between, as a reader would do it. Pages of `AWS_PAGES` have a stand-in for AWS, whose function `api` is
used by 300 requests a minute once it has an alias `live`; on them `$ aws …`, `$ git …` and `$ python …` are run, too.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from flagkit import Flags
from flagkit.testing import VirtualClock

ROOT = Path(__file__).parents[1]
AWS_PAGES = ("docs/canary/first-release.md",)
PAGES = ("README.md", "docs/product-teams.md", *AWS_PAGES)
FILES = ("canary.toml", "app.py", ".gitignore")
BLOCK = re.compile(r"```(console|python|toml|text)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.+)$", re.MULTILINE)
USERS = "userId,country\n" + "".join(f"{user},{'US' if user % 4 else 'DE'}\n" for user in range(1000))
GIT = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "alice"), ("EMAIL", "alice@example.com"), ("DATE", "2026-01-05T12:00:00Z"))
}
ENVIRONMENT = {
    "LOGNAME": "alice",
    "USER": "alice",
    "COLUMNS": "80",
    "NO_COLOR": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    **GIT,
}
OF_THE_MACHINE = re.compile(r"(FLAGKIT|CANARY|GITHUB|CI|GITLAB|CODEBUILD|BUILD|BITBUCKET|CIRCLE|GIT)(_|$)")


@contextmanager
def empty_directory() -> Iterator[Path]:
    """An empty directory, and an environment without settings of flagkit or of a CI system."""
    before, kept = Path.cwd(), dict(os.environ)
    for name in [name for name in os.environ if OF_THE_MACHINE.match(name)]:
        os.environ.pop(name)
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(kept)


class Shell:
    """Runs the commands of one page.

    Args:
        aws: the stand-in; None where a page has none.
    """

    def __init__(self, aws: Any = None) -> None:
        self.aws = aws
        self.clock: VirtualClock = VirtualClock() if aws is None else aws.clock
        self.code = 0
        self.has_users = False
        self.programs = {"flagkit": self.flagkit, "canary": self.canary}
        if aws is not None:
            self.programs |= {"aws": self.aws_cli, "git": self.process, "python": self.process}

    def output(self, line: str) -> str:
        """What a command prints, its errors last, and `echo $?` its exit code."""
        if line == "echo $?":
            return f"{self.code}\n"
        program, *arguments = shlex.split(line.replace("\\\n", ""))
        if program not in self.programs:
            raise LookupError(f"console blocks hold commands of {', '.join(self.programs)} only; this one is {program}")
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            self.code = self.programs[program]([program, *arguments])
        return out.getvalue() + err.getvalue()

    def flagkit(self, words: list[str]) -> int:
        """A command of flagkit."""
        from flagkit.cli import run
        from flagkit.cli.context import CliContext

        return run(words[1:], CliContext(self.clock))

    def canary(self, words: list[str]) -> int:
        """A command of canary, ten minutes after the one before where there are users."""
        from canary.cli import run
        from canary.cli.session import CliContext

        if self.has_users:
            self.clock.advance(600)
        return run(words[1:], CliContext(clock=self.clock))

    def aws_cli(self, words: list[str]) -> int:
        """`aws SERVICE OPERATION --parameter value … --query KEY --output text`: the value of one key."""
        from botocore import xform_name

        _, service, operation, *rest = words
        given = dict(zip(rest[::2], rest[1::2], strict=True))
        key = given.pop("--query")
        assert given.pop("--output") == "text"
        client = self.aws.session().client(service)
        names = client.meta.method_to_api_mapping[operation.replace("-", "_")]
        members = client.meta.service_model.operation_model(names).input_shape.members
        spelt = {"--" + xform_name(name, "-"): name for name in members}
        values: dict[str, Any] = {}
        for option, value in given.items():
            if option == "--zip-file" and "ZipFile" not in members:
                values["Code"] = {"ZipFile": Path(value.removeprefix("fileb://")).read_bytes()}
            else:
                read = value.startswith("fileb://")
                values[spelt[option]] = Path(value.removeprefix("fileb://")).read_bytes() if read else value
        print(getattr(client, operation.replace("-", "_"))(**values)[key])
        return 0

    def process(self, words: list[str]) -> int:
        """A program of its own."""
        program = sys.executable if words[0] == "python" else words[0]
        done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)  # noqa: S603
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        return done.returncode

    def let_users_in(self) -> None:
        """Starts the requests of users once the alias exists."""
        if self.aws is None or self.has_users:
            return
        client = self.aws.session().client("lambda")
        try:
            client.get_alias(FunctionName="api", Name="live")
        except client.exceptions.ResourceNotFoundException:
            return
        self.aws.traffic.steady("api", "live", requests_per_minute=300)
        self.has_users = True


@contextmanager
def shell(page: str) -> Iterator[Shell]:
    """The shell and the files that a page's commands are typed in; ids of canaries are the same in each run."""
    if page not in AWS_PAGES:
        Path("users.csv").write_text(USERS, "utf-8")
        yield Shell()
        return
    import rich.style  # noqa: F401  it draws a random number when it is imported, which would be one of the handlers'

    from canary.testing import AwsStandIn

    ids = iter(("k3f9a2c1", "w7hn4m2p", "d5tz8x6r", "b2q9v3ke", "y4j6f8gs"))
    with AwsStandIn(seed=1) as aws, mock.patch("canary.runner.start.new_id", side_effect=ids):
        yield Shell(aws)


def executed(text: str, page: str = "README.md") -> str:
    """The page with the output of today's commands."""
    namespace: dict[str, object] = {}

    def replaced(block: re.Match[str]) -> str:
        language, body = block.groups()
        name = body.partition("\n")[0].removeprefix("# ")
        if language != "console" and body.startswith("# ") and name in FILES:
            Path(name).write_text(body, "utf-8")
        elif language == "python":
            with redirect_stdout(io.StringIO()):
                exec(body, namespace)  # noqa: S102  (the pages are ours)
        if language != "console":
            return block[0]
        lines = []
        for line in COMMAND.findall(body):
            lines.append(f"$ {line}\n{prompt.output(line)}")
            prompt.let_users_in()
        return "```console\n" + "".join(lines) + "```"

    with ExitStack() as stack:
        stack.enter_context(empty_directory())
        prompt = stack.enter_context(shell(page))
        done = BLOCK.sub(replaced, text)
        for value in namespace.values():
            if isinstance(value, Flags):  # its thread would look for the file when the directory is gone
                value.close()
    return done


def main(arguments: list[str]) -> int:
    """Writes or compares the pages; returns the exit code."""
    stale = []
    for name in [argument for argument in arguments if argument != "--check"] or PAGES:
        path = ROOT / name
        present = path.read_text("utf-8")
        wanted = executed(present, name)
        if wanted == present:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(wanted, "utf-8")
    for name in stale:
        print(
            f"{name} " + ("shows other output: run scripts/console_blocks.py" if "--check" in arguments else "written")
        )
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
