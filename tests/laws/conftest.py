"""Makes the naive evaluator and the rule generator importable for the laws."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
