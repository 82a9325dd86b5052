"""`__all__` is the public surface: complete, sorted and importable."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize(
    "module_name", ["flagkit", "flagkit.testing", "flagkit.authoring", "canary", "canary.drivers", "canary.testing"]
)
def test_the_public_names_are_sorted_and_exist(module_name: str) -> None:
    module = importlib.import_module(module_name)
    assert list(module.__all__) == sorted(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
