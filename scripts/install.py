"""`pip install` by uv, which takes a tenth of the time: `python scripts/install.py PYTHON [what follows pip install]`.

uv asks the indexes that pip is configured for. Where it is missing or fails, pip does the same.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

PIP = ("pip", "--quiet", "--disable-pip-version-check")
# What pip's configuration calls it, and uv's environment; and what stands between the parts of a list there.
SHARED = {
    "index-url": ("UV_DEFAULT_INDEX", None),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", None),
    "proxy": ("ALL_PROXY", None),
}


def pip_settings(listed: str) -> dict[str, str]:
    """What `pip config list` says, by name: the environment goes before a command's section, that before the rest."""
    rank = {"install": 1, ":env:": 2}
    lines = [line.partition("=") for line in listed.splitlines()]
    lines.sort(key=lambda line: rank.get(line[0].partition(".")[0], 0))
    return {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, _, value in lines}


def uv_environment(settings: dict[str, str]) -> dict[str, str]:
    """The same settings, for uv."""
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # of several indexes any may have a version, as pip has it
    for name, (variable, between) in SHARED.items():
        if name in settings:
            found[variable] = settings[name] if between is None else between.join(settings[name].split())
    return found


def run(words: list[str], **settings: Any) -> subprocess.CompletedProcess[str]:
    """What a program of this environment says and returns."""
    return subprocess.run([sys.executable, "-m", *words], check=False, text=True, encoding="utf-8", **settings)  # noqa: S603


def install(python: str, words: list[str]) -> int:
    """Installs in the environment of `python`, which needs no pip of its own."""
    settings = pip_settings(run([*PIP, "config", "list"], stdout=subprocess.PIPE).stdout)
    if find_spec("uv") and "no-index" not in settings:
        environment = {**uv_environment(settings), **os.environ}
        if run(["uv", "--quiet", "pip", "install", "--python", python, *words], env=environment).returncode == 0:
            return 0
        sys.stderr.write("uv could not: pip does it\n")
    return run([*PIP, "--python", python, "install", "--no-compile", *words]).returncode


if __name__ == "__main__":
    sys.exit(install(sys.argv[1], sys.argv[2:]))
