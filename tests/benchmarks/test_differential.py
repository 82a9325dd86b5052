"""The differential run goes on where it was interrupted, and stops at the first difference."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def differential():
    spec = importlib.util.spec_from_file_location("differential", ROOT / "benchmarks" / "differential.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_portions_have_all_pairs_and_a_seed_each(differential):
    portions = differential.portions(50_001, 3)
    assert [pairs for _, pairs in portions] == [20_000, 20_000, 10_001]
    assert len({seed for seed, _ in portions}) == 3
    assert not {seed for seed, _ in portions} & {seed for seed, _ in differential.portions(50_001, 4)}


def test_what_agreed_is_noted_and_a_line_that_was_cut_is_asked_again(differential, tmp_path):
    notes = differential.Notes(tmp_path)
    notes.add((1, 20_000))
    with notes.path.open("a") as file:
        file.write("[2, 20")
    assert differential.Notes(tmp_path).read() == {(1, 20_000)}


def test_a_flag_that_can_not_be_compiled_is_a_difference(differential, monkeypatch):
    monkeypatch.setattr("flagkit.core.rules.generator.MAX_TESTS", 0)
    assert "could not be compiled" in next(differential.differences(2_000, seed=1))


def test_a_wrong_answer_is_a_difference(differential, monkeypatch):
    monkeypatch.setattr(differential, "select", lambda rules, _question: len(rules))
    assert "expected v" in next(differential.differences(20, seed=1))
