"""`python -m canary` is the command `canary`."""

from __future__ import annotations

from canary.cli import main

main()
