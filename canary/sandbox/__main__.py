"""`python -m canary.sandbox` is the command `canary sandbox`."""

from __future__ import annotations

import sys

from canary.cli import main

sys.argv[1:1] = ["sandbox"]
main()
