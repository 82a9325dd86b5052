"""Settings of the whole suite: Hypothesis profiles, what coverage measures, and the Python blocks of the pages."""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

# A shell starts a job in the background with SIGINT ignored, and so do the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


class Measurement:
    """Coverage of the packages' imports, and of their own tests that aren't slow.

    All else runs without it, and so do the programs that those tests start: it makes everything three times slower.
    """

    _FOLDERS = tuple(ROOT / "tests" / name for name in ("flagkit", "canary", "contracts"))

    def __init__(self) -> None:
        coverage = sys.modules.get("coverage")
        self._coverage: Any = coverage and coverage.Coverage.current()
        self._programs = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        self._on = True

    def begin(self) -> None:
        """Imports the packages, whose first lines would be missed later, and pauses."""
        if self._coverage is not None:
            for package in map(importlib.import_module, ("flagkit", "canary")):
                for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                    if not module.name.endswith("__main__"):
                        importlib.import_module(module.name)
            self._switch(on=False)

    def pause(self) -> None:
        """Leaves measuring to the processes that this one starts."""
        if self._coverage is not None:
            self._coverage.stop()

    def of(self, item: pytest.Item) -> None:
        """Measures the test, or doesn't."""
        own = any(folder in item.path.parents for folder in self._FOLDERS)
        self._switch(on=own and not item.get_closest_marker("slow"))

    def _switch(self, *, on: bool) -> None:
        if self._coverage is None or on == self._on:
            return
        self._on = on
        if on:
            os.environ.update(self._programs)
            self._coverage.start()
        else:
            self._coverage.stop()
            for name in self._programs:
                os.environ.pop(name, None)


measurement = Measurement()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Collects without coverage, and hands tests to workers without it."""
    if session.config.getoption("dist", "no") == "no":
        measurement.begin()
    else:
        measurement.pause()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Runs each test as it is measured."""
    measurement.of(item)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the blocks of a page in their order, however the rest is shuffled: each goes on from the one before."""
    pages = (item for item in items if isinstance(item, SybilItem))
    in_order = iter(sorted(pages, key=lambda item: (str(item.path), item.example.start)))
    items[:] = [next(in_order) if isinstance(item, SybilItem) else item for item in items]
