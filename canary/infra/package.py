"""The zip of the tick function: the same bytes for the same sources, whenever and wherever it is built.

canary and flagkit are taken from where they run, their dependencies as wheels for Lambda's platform. boto3 is among
them: the one of Lambda's runtime may be older than what canary needs.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Final

from canary.errors import CanaryError, UsageError

ARCHS: Final = ("arm64", "x86_64")
DISTRIBUTION: Final = "flagkit-canary"
SERVICES: Final = frozenset(
    {
        "appconfig",
        "appconfigdata",
        "cloudwatch",
        "dynamodb",
        "events",
        "lambda",
        "scheduler",
        "sns",
        "sqs",
        "stepfunctions",
        "sts",
    }
)
"""botocore has the data of every service of AWS, 20 times as much as all the rest; these are what a tick calls."""
LIMIT_BYTES: Final = 250 * 1024 * 1024
"""Lambda's limit of an unzipped package (docs.aws.amazon.com/lambda, "gettingstarted-limits")."""

_UNUSED: Final = {
    "canary": ("cli", "demo", "sandbox", "simulator", "testing", "view"),
    "flagkit": ("cli", "testing"),
}
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_GLIBC: Final = {(3, 11): 17}
"""Amazon Linux 2, under Python 3.11, has glibc 2.26; Amazon Linux 2023 has 2.34 and takes newer wheels."""


@dataclass(frozen=True, slots=True)
class Package:
    """A zip for Lambda.

    Attributes:
        content: the zip's bytes.
        unzipped_bytes: what Lambda limits.
        distributions: name and version of each wheel in it.
    """

    content: bytes
    unzipped_bytes: int
    distributions: tuple[str, ...]

    @property
    def code_sha256(self) -> str:
        """As Lambda has it of a function: `CodeSha256`."""
        return base64.b64encode(hashlib.sha256(self.content).digest()).decode()

    @property
    def key(self) -> str:
        """A key in S3 that changes with the content: CloudFormation updates a function only if its key changes."""
        return f"canary/tick-{hashlib.sha256(self.content).hexdigest()[:16]}.zip"


def build(plan: str, arch: str, python: str, *, wheels: Path | None = None) -> Package:
    """Builds the package.

    Args:
        plan: text of canary.toml.
        arch: of the function.
        python: version of the function's runtime, such as `3.13`.
        wheels: directory with the wheels of the dependencies; without it pip asks the package index.

    Raises:
        UsageError: no such architecture, or no such version of Python.
        CanaryError: pip finds no wheel for the platform, or the package is larger than Lambda allows.
    """
    if arch not in ARCHS:
        raise UsageError(f"{arch!r} is not an architecture of Lambda", hint=f"Use one of: {', '.join(ARCHS)}.")
    if not re.fullmatch(r"3\.\d{2}", python) or int(python[2:]) < 11:
        raise UsageError(f"{python!r} is not a Python version that canary supports", hint="Example: --python 3.13.")
    with tempfile.TemporaryDirectory() as folder:
        _download(Path(folder), arch, python, wheels)
        found = sorted(Path(folder).glob("*.whl"))
        files = {"canary.toml": plan.encode(), **_own_files()}
        for wheel in found:
            files |= _wheel_files(wheel)
    size = sum(map(len, files.values()))
    if size > LIMIT_BYTES:
        raise CanaryError(f"the package has {size / 1e6:.0f} MB unzipped; Lambda allows {LIMIT_BYTES / 1e6:.0f} MB")
    return Package(zipped(files), size, tuple(" ".join(wheel.name.split("-")[:2]) for wheel in found))


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip that depends on names and contents only."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16  # Unix, wherever this runs
            archive.writestr(info, files[name], zipfile.ZIP_DEFLATED, 9)
    return content.getvalue()


def _own_files() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for package, unused in _UNUSED.items():
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for path in root.rglob("*"):
            name = path.relative_to(root)
            if path.is_file() and name.parts[0] not in unused and "__pycache__" not in name.parts:
                files[f"{package}/{name.as_posix()}"] = path.read_bytes()
    # The version of the code is read from there.
    about = f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: {metadata.version(DISTRIBUTION)}\n"
    files[f"{DISTRIBUTION.replace('-', '_')}-{metadata.version(DISTRIBUTION)}.dist-info/METADATA"] = about.encode()
    return files


def _wheel_files(wheel: Path) -> dict[str, bytes]:
    files = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith("/") and (kept := _place(PurePosixPath(name))):
                files[kept] = archive.read(name)
    return files


def _place(name: PurePosixPath) -> str:
    """Where Python finds a file of a wheel; empty for what the function doesn't need."""
    parts = name.parts
    if parts[0].endswith(".data"):
        return "/".join(parts[2:]) if parts[1] in {"purelib", "platlib"} else ""
    if parts[:2] == ("botocore", "data") and len(parts) > 3 and parts[2] not in SERVICES:
        return ""
    if parts[0].endswith(".dist-info") and parts[-1] in {"RECORD", "INSTALLER", "direct_url.json"}:
        return ""
    return name.as_posix()


def _download(into: Path, arch: str, python: str, wheels: Path | None) -> None:
    machine = "aarch64" if arch == "arm64" else "x86_64"
    newest = _GLIBC.get((3, int(python[2:])), 34)
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 4, -1)] + [f"manylinux2014_{machine}"]
    pins = into / "constraints.txt"
    pins.write_text("".join(_pins()), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", python, "--dest", str(into)),
        *(word for platform in platforms for word in ("--platform", platform)),
        *("--constraint", str(pins)),
        *(() if wheels is None else ("--no-index", "--find-links", str(wheels))),
        *_requirements(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own words
    if done.returncode:
        raise CanaryError(
            f"pip found no packages for {arch} and Python {python}: {_last_error(done.stderr)}",
            hint="It needs pip, and the package index or --wheels DIR.",
        )


def _requirements() -> Sequence[str]:
    """What canary itself requires, without its extras."""
    return [one for one in metadata.requires(DISTRIBUTION) or () if "extra ==" not in one]


def _pins() -> Iterator[str]:
    """The versions that are installed here: the package has what was tried, and is the same tomorrow."""
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name and name != DISTRIBUTION:
            yield f"{name}=={distribution.version}\n"


def _last_error(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    return next(iter(errors or lines[-1:]), "pip failed")
