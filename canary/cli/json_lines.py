"""JSON lines on stdout, for programs."""

from __future__ import annotations

import json
import sys


def write_json(value: object) -> None:
    """One JSON value as one line on stdout."""
    from canary.view.model import data

    sys.stdout.write(json.dumps(data(value), ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()
