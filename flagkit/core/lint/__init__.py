"""Lint of flag documents: what AWS refuses, and likely mistakes that it accepts. Pure.

Authoring only: it reads documents through `flagkit.core.documents` and so imports pydantic (decision 0004).
"""

from flagkit.core.lint.document import lint
from flagkit.core.lint.findings import Finding, Severity

__all__ = ["Finding", "Severity", "lint"]
