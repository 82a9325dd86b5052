"""Names of a package that are imported when they are asked for, so that importing the package stays cheap.

A package lists its names three times, because people, type checkers and the loader read different places: `__all__`,
the imports under `TYPE_CHECKING`, and the homes given here. tests/architecture/test_public_names.py compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

DISTRIBUTION = "flagkit-canary"


def lazy_names(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package.

    Args:
        package: the package's `__name__`.
        homes: its names by the module that defines them, as in `{"flagkit.client": ("Flags",)}`. A module that is a
            name itself stands under its package.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def load(name: str) -> object:
        if name == "__version__":
            value: object = version()
        elif name not in home_of:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message)
        elif home_of[name] == package:
            return import_module(f"{package}.{name}")  # the import sets the attribute
        else:
            value = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)  # asked once
        return value

    return load


def version() -> str:
    """Return the version of the installed distribution; pyproject.toml is its only source."""
    from importlib import metadata

    return metadata.version(DISTRIBUTION)
