"""Runs the console blocks of pages in an empty directory, and writes into the pages what the commands print.

python scripts/console_blocks.py [--check] [PAGE ...]

A line `$ flagkit …` or `$ canary …` is run in process, on a clock that stands still; what follows it is its output.
A TOML block that starts with `# canary.toml` is written to that file, and Python blocks run in between, as a reader
would do it.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from flagkit import Flags
from flagkit.testing import VirtualClock

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/product-teams.md")
BLOCK = re.compile(r"```(console|python|toml)\n(.*?)```", re.DOTALL)
USERS = "userId,country\n" + "".join(f"{user},{'US' if user % 4 else 'DE'}\n" for user in range(1000))
ENVIRONMENT = {"LOGNAME": "alice", "COLUMNS": "80", "NO_COLOR": "1"}


@contextmanager
def empty_directory() -> Iterator[Path]:
    """A directory with nothing but a list of users, and an environment without settings of flagkit."""
    before, names = Path.cwd(), [name for name in os.environ if name.startswith("FLAGKIT_")]
    kept = {name: os.environ.pop(name) for name in names}
    kept |= {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "users.csv").write_text(USERS, "utf-8")
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            for name in ENVIRONMENT:
                os.environ.pop(name)
            os.environ.update(kept)


def output(line: str, clock: VirtualClock) -> str:
    """What a command prints, its errors last."""
    program, *arguments = shlex.split(line)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        if program == "flagkit":
            from flagkit.cli import run
            from flagkit.cli.context import CliContext

            run(arguments, CliContext(clock))
        elif program == "canary":
            from canary.cli import run as run_canary
            from canary.cli.session import CliContext as CanaryContext

            run_canary(arguments, CanaryContext(clock=clock))
        else:
            raise LookupError(f"console blocks hold commands of flagkit and canary only; this one is {program}")
    return out.getvalue() + err.getvalue()


def executed(text: str) -> str:
    """The page with the output of today's commands."""
    clock = VirtualClock()
    namespace: dict[str, object] = {}

    def replaced(block: re.Match[str]) -> str:
        language, body = block.groups()
        if language == "toml" and body.startswith("# canary.toml"):
            Path("canary.toml").write_text(body, "utf-8")
        if language == "python":
            with redirect_stdout(io.StringIO()):
                exec(body, namespace)  # noqa: S102  (the pages are ours)
        if language != "console":
            return block[0]
        lines = [f"$ {line}\n{output(line, clock)}" for line in re.findall(r"^\$ (.+)$", body, re.MULTILINE)]
        return "```console\n" + "".join(lines) + "```"

    with empty_directory():
        page = BLOCK.sub(replaced, text)
        for value in namespace.values():
            if isinstance(value, Flags):  # its thread would look for the file when the directory is gone
                value.close()
    return page


def main(arguments: list[str]) -> int:
    """Writes or compares the pages; returns the exit code."""
    stale = []
    for name in [argument for argument in arguments if argument != "--check"] or PAGES:
        path = ROOT / name
        present = path.read_text("utf-8")
        wanted = executed(present)
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
