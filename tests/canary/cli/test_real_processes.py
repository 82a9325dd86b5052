"""Releases as real processes against a real server, at 60 times real time: a part of `make torture`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.sweep, pytest.mark.skipif(os.name != "posix", reason="signals and limits")]


@pytest.mark.parametrize(
    ("seed", "hazard", "end"),
    [(3, "HUP", "interrupted"), (27, "closed streams", "rolled back")],
)
def test_a_release_of_a_real_process_ends_as_it_must(seed: int, hazard: str, end: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.torture", "work", str(seed)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert (result["hazard"], result.get("end")) == (hazard, end), result
