"""The React example without a browser: what its page shows, and what its lock file must not hold."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
REACT = ROOT / "examples" / "react"


def test_the_page_shows_the_hook_as_it_is() -> None:
    assert (REACT / "src" / "useFeatureFlags.js").read_text("utf-8").strip() in (ROOT / "docs/react.md").read_text(
        "utf-8"
    )


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((REACT / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []
