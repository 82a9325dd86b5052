"""Whole releases while any answer may be odd, late or lost: each ends as its data say, or a person is told."""

from __future__ import annotations

import pytest

from benchmarks import fuzz_releases

pytestmark = pytest.mark.sweep


@pytest.mark.parametrize("seed", [3, 13, 18, 54, 59, 155])
def test_a_release_with_odd_answers_ends_right(seed: int) -> None:
    """Seeds that once ended without an end in the journal, or lost a description, and some that did not."""
    assert fuzz_releases.one(seed)
