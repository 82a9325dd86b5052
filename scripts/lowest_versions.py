"""Prints the lowest version that pyproject.toml allows of each direct dependency, extras included: pip constraints."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
FLOOR = re.compile(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)$")


def lowest_versions() -> list[str]:
    """Each dependency pinned to its floor; a dependency without a floor is an error."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    found = []
    for requirement in sum(project["optional-dependencies"].values(), project["dependencies"]):
        match = FLOOR.match(requirement.partition(";")[0].replace(" ", ""))
        if match is None:
            raise SystemExit(f"{requirement!r} in pyproject.toml has no lowest version: write name>=version")
        name, version = match.groups()
        found.append(f"{name}=={version}")
        if name == "boto3":  # botocore holds the models; it is released with boto3, under the same number
            found.append(f"botocore=={version}")
    return sorted(set(found))


if __name__ == "__main__":
    print("\n".join(lowest_versions()))
