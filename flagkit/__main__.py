"""`python -m flagkit` is the command `flagkit`."""

from __future__ import annotations

from flagkit.cli import main

main()
