"""The package of the tick function: equal bytes for equal content, complete, and without what Lambda has no use for."""

from __future__ import annotations

import io
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from canary.errors import CanaryError, UsageError
from canary.infra import package
from canary.infra.package import build, zipped

EXTRAS = ("click", "jinja2", "moto", "openfeature", "opentelemetry", "re2", "rich", "starlette", "typer", "uvicorn")
"""What extras need is not in the package."""

LOWER = """
from canary.adapters.flag_facts import flag_facts
from canary.adapters.flag_target import FlagAliases
from canary.core.alias import AliasSpec
from canary.core.plan import FlagTarget
from flagkit.admin.edits import add_rule, create
from flagkit.admin.stores import Note, open_store
from flagkit.admin.stores.appconfig import AppConfigStore
store = open_store("file:flags.json")
document = create(create(store.read(missing_ok=True).document, "new_checkout"), "other")
document = add_rule(document, "other", when='email matches "@shop[.]com$"')
store.save(store.read(missing_ok=True), document, Note())
flag = FlagTarget("file:flags.json", "new_checkout")
aliases, function = FlagAliases(flag, "on", None), flag.function("on")
aliases.function_facts(function)
for spec in (AliasSpec("1", "2", 2500, ""), AliasSpec("1", None, 0, "")):
    print(aliases.write(function, spec, aliases.read(function).revision_id).extra_bp)
"""
"""A flag is raised and lowered beside one whose pattern can't be read there."""


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """pip's calls; each leaves one wheel."""
    calls: list[list[str]] = []

    def download(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        content = {
            "botocore/data/lambda/service-2.json.gz": b"x",
            "botocore/data/ec2/service-2.json.gz": b"x",
            "botocore/data/endpoints.json": b"x",
            "botocore-1.0.data/purelib/botocore/extra.py": b"x",
            "botocore-1.0.data/scripts/run": b"x",
            "botocore-1.0.dist-info/RECORD": b"x",
        }
        folder = Path(command[command.index("--dest") + 1])
        (folder / "botocore-1.0-py3-none-any.whl").write_bytes(zipped(content))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(package, "subprocess", SimpleNamespace(run=download))
    return calls


def names(content: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(content)).namelist())


def test_the_same_sources_are_the_same_bytes(downloads: list[list[str]]) -> None:
    one, two = build("[stages]", "arm64", "3.13"), build("[stages]", "arm64", "3.13")
    assert (one.content, one.key, one.code_sha256) == (two.content, two.key, two.code_sha256)
    other = build("[stages.a]", "arm64", "3.13")
    assert other.key != one.key
    assert one.distributions == ("botocore 1.0",)


def test_it_has_what_a_tick_needs_and_nothing_else(downloads: list[list[str]]) -> None:
    found = names(build("[stages]", "arm64", "3.13").content)
    assert found >= {
        "canary.toml",
        "canary/drivers/lambda_handler.py",
        "flagkit/lazy.py",
        "botocore/extra.py",
        "botocore/data/endpoints.json",
        "botocore/data/lambda/service-2.json.gz",
    }
    unwanted = ("canary/cli/", "canary/testing/", "botocore/data/ec2/", "botocore-1.0", "flagkit/cli/")
    assert [name for name in found if name.startswith(unwanted) or "__pycache__" in name] == []


@pytest.mark.parametrize(("arch", "python", "platform"), [
    ("arm64", "3.13", "manylinux_2_34_aarch64"),
    ("x86_64", "3.11", "manylinux_2_17_x86_64"),
])  # fmt: skip
def test_wheels_are_for_the_platform_of_the_function(
    downloads: list[list[str]], arch: str, python: str, platform: str
) -> None:
    build("", arch, python, wheels=Path("wheels"))
    (command,) = downloads
    assert command[command.index("--platform") + 1] == platform
    assert command[command.index("--find-links") + 1] == "wheels"


@pytest.mark.parametrize(("arch", "python"), [("arm", "3.13"), ("arm64", "3.9"), ("arm64", "3")])
def test_an_architecture_or_python_that_lambda_does_not_have_is_refused(arch: str, python: str) -> None:
    with pytest.raises(UsageError):
        build("", arch, python)


def test_what_pip_says_is_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: No matching distribution found for mmh3\n")

    monkeypatch.setattr(package, "subprocess", SimpleNamespace(run=fail))
    with pytest.raises(CanaryError, match="No matching distribution found for mmh3"):
        build("", "arm64", "3.13")


def test_a_package_that_lambda_would_refuse_is_not_written(
    downloads: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "LIMIT_BYTES", 1000)
    with pytest.raises(CanaryError, match="Lambda allows"):
        build("", "arm64", "3.13")


@pytest.mark.slow
def test_the_handler_is_loaded_from_the_package_alone(downloads: list[list[str]], tmp_path: Path) -> None:
    content = build('[stages.prod]\nfunctions = ["api:live"]', "arm64", "3.13").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        own = [name for name in archive.namelist() if not name.startswith("botocore")]
        archive.extractall(tmp_path, own)
    # -S: without the path file of a development install; the dependencies come after the package.
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; sys.path.append({sysconfig.get_path('purelib')!r})\n"
        f"sys.modules.update(dict.fromkeys({EXTRAS!r}))\n"
        "from canary.drivers.lambda_handler import handler\n"
        "print(sys.modules['canary'].__file__)\n"
        "print(handler({'stage': 'prod', 'action': 'check'}, None)['stage'])\n"
        f"{LOWER}\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert not done.stderr, done.stderr
    assert done.stdout.split() == [str(tmp_path / "canary" / "__init__.py"), "prod", "2500", "0"]
