"""The tags of the specification's scenarios are labels for people; pytest wants to know them beforehand."""

from __future__ import annotations

import re
from pathlib import Path

DATA = Path(__file__).parents[4] / "shared" / "data" / "openfeature-spec"


def pytest_configure(config):
    for feature in DATA.glob("*.feature"):
        for tag in set(re.findall(r"@([\w.-]+)", feature.read_text())):
            config.addinivalue_line("markers", f"{tag}: of the OpenFeature specification")
