"""Settings of the whole suite: Hypothesis profiles, how `slow` tests run, and the Python blocks of README and docs."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.hooks
import pytest
from hypothesis import HealthCheck, settings
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

# CI machines are slow and shared: a deadline would be a timing assertion.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("long", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Every stand-in begins with a new session of boto3, which looks at the same hundred handlers and names again.
botocore.hooks.accepts_kwargs = functools.lru_cache(4096)(botocore.hooks.accepts_kwargs)
_new_aliaser, _event_names = botocore.hooks.EventAliaser.__init__, {}


def _aliaser(self: botocore.hooks.EventAliaser, event_emitter: object, event_aliases: object = None) -> None:
    _new_aliaser(self, event_emitter, event_aliases)
    if event_aliases is None:
        self._alias_name_cache = _event_names


botocore.hooks.EventAliaser.__init__ = _aliaser

ROOT = Path(__file__).parent


@pytest.fixture(scope="module")
def documented_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with the files that the pages speak of (those of `examples/`)."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("flags.json", "flags.toml", "canary.toml"):
        if (ROOT / "examples" / name).exists():
            shutil.copy(ROOT / "examples" / name, folder / name)
    before = Path.cwd()
    os.chdir(folder)
    yield
    os.chdir(before)


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    excludes=["docs/reference/*.md"],  # generated: signatures, not programs
    fixtures=["documented_world"],
).pytest()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Makes every sweep slow."""
    if item.get_closest_marker("sweep"):
        item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Runs slow tests, and the programs that they start, without coverage: it makes them four times slower."""
    coverage = sys.modules.get("coverage") if item.get_closest_marker("slow") else None
    measured = coverage and coverage.Coverage.current()
    if measured is None:
        return (yield)
    programs = {name: os.environ.pop(name) for name in tuple(os.environ) if name.startswith("COVERAGE_")}
    measured.stop()
    try:
        return (yield)
    finally:
        os.environ.update(programs)
        measured.start()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the blocks of a page in their order, however the rest is shuffled: each goes on from the one before."""
    pages = (item for item in items if isinstance(item, SybilItem))
    in_order = iter(sorted(pages, key=lambda item: (str(item.path), item.example.start)))
    items[:] = [next(in_order) if isinstance(item, SybilItem) else item for item in items]
