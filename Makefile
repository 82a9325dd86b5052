# Every target sets up what it needs: a virtual environment per interpreter, nothing global.
#   make demo | test | check | docs | bench | examples            (make help lists them)
#   make test PYTHON=python3.13                                   another interpreter
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv-$(VERSION)
BIN := $(VENV)/bin
LOWEST := $(VENV)-lowest
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
ARGS ?=
# Bytecode is kept, whatever the environment says: a suite that starts hundreds of processes compiles once.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo sandbox rollout-demo console test e2e screenshots sweep test-lowest quick check types lint docs build wheel-smoke examples bench fuzz torture generate format lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; name one with PYTHON=..., e.g. make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@echo "Setting up $(VENV) ..." >&2
	@$(PYTHON) -m venv $(VENV)

# Locked versions with hashes first; then the package itself, which brings nothing along.
INSTALL := $(BIN)/python scripts/install.py $(BIN)/python
EDITABLE := --no-deps --no-build-isolation -e .
UV := $(PIP) install --require-hashes -r requirements/uv.txt || true

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml requirements/demo.txt requirements/uv.txt
	@$(UV)
	@$(INSTALL) --require-hashes -r requirements/demo.txt
	@$(INSTALL) $(EDITABLE)
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml requirements/dev.txt requirements/uv.txt
	@$(UV)
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) $(EDITABLE)
	@touch $@ $(VENV)/.demo

$(LOWEST)/.dev: pyproject.toml requirements/test.in scripts/lowest_versions.py
	@$(PYTHON) -m venv $(LOWEST)
	@$(PYTHON) scripts/lowest_versions.py > $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/python -m pip --quiet --disable-pip-version-check install -c $(LOWEST)/lowest.txt -r requirements/test.in -e '.[cli,testing,openfeature,otel,patterns,sandbox,ofrep,console]'
	@touch $@

demo: $(VENV)/.demo  ## toggles a flag, releases a good and two bad versions, writes a report (ARGS="--error-rate 0%")
	@$(BIN)/python -m canary demo $(ARGS)

sandbox: $(VENV)/.demo  ## a local AWS with functions, flags, alarms and traffic (ARGS="--speed 1")
	@$(BIN)/python -m canary sandbox $(ARGS)

rollout-demo: $(VENV)/.demo  ## a guarded rollout with real processes: two servers, users, a driver, and kills (2 minutes; ARGS="--users-per-second 100")
	@$(BIN)/python examples/rollout/run.py $(ARGS)

console: $(VENV)/.demo  ## flags and releases in a browser, on a sandbox that releases on and on (ARGS="--speed 1")
	@$(BIN)/python -m canary console --sandbox $(ARGS)

test: $(VENV)/.dev  ## the suite without sweeps, with the coverage floors (ARGS="-k name" runs a part without them)
ifeq ($(strip $(ARGS)),)
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m coverage run -m pytest -n auto -m "not sweep and not browser" tests
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report --include='flagkit/core/*,canary/core/*' --fail-under=100
	@$(BIN)/python -m coverage report --omit='flagkit/core/*,canary/core/*' --fail-under=90
	@$(BIN)/python -m pytest -q -n auto --dist loadfile README.md docs  # blocks of a page go on from each other
else
	@$(BIN)/python -m pytest $(ARGS)
endif

sweep: $(VENV)/.dev  ## the tests that repeat whole runs: kills at every call, days of faults, thousands of examples (3 minutes)
	@$(BIN)/python -m pytest -n auto -m "sweep and not browser" tests $(ARGS)  # the floors hold without them, and coverage would double their time

REACT := examples/react
$(REACT)/dist/index.html: $(REACT)/package-lock.json $(REACT)/index.html $(REACT)/vite.config.js $(wildcard $(REACT)/src/*)
	@cd $(REACT) && npm ci --silent && npm run --silent build

e2e: $(VENV)/.dev  ## the browser tests, in 90 s; needs the programs chromium and npm, and names what is missing
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	  { echo "error: no Chromium; install it, e.g. apt-get install chromium" >&2; exit 2; }
	@command -v npm >/dev/null || { echo "error: no npm for the React page; install it, e.g. apt-get install npm" >&2; exit 2; }
	@$(MAKE) --no-print-directory $(REACT)/dist/index.html
	@$(BIN)/python -m pytest -n auto -m browser tests/browser $(ARGS)

screenshots: $(VENV)/.dev  ## the pictures of the console in docs/assets/console, by the tests of the pages that have them
	@SCREENSHOTS=1 $(BIN)/python -m pytest -q -m browser tests/browser/test_morning.py tests/browser/test_releases.py

test-lowest: $(LOWEST)/.dev  ## the tests against the lowest versions that pyproject.toml allows
	@$(LOWEST)/bin/python -m pytest -n auto -W ignore::DeprecationWarning -m "not sweep and not browser" $(or $(ARGS),tests/canary tests/contracts tests/flagkit)

quick: $(VENV)/.dev  ## the quick loop: what takes less than a second a test (under a fifth of the whole)
	@$(BIN)/python -m pytest -n auto -m "not slow" tests $(ARGS)

check: $(VENV)/.dev  ## the gates: format, lint, types, layers, dependencies, public API, docs, wheel
	@$(MAKE) --no-print-directory --jobs=2 types lint docs wheel-smoke

types: $(VENV)/.dev
	@$(BIN)/mypy

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/deptry flagkit canary
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/zizmor --offline --quiet .github examples/pipelines/github-*.yml

docs: $(VENV)/.dev  ## the documentation site, warnings as errors, into site/
	@$(BIN)/zensical build --clean --strict

build: $(VENV)/.dev  ## sdist and wheel into dist/, checked
	@rm -rf dist build
	@$(BIN)/python -m build --no-isolation --outdir dist . >/dev/null
	@$(BIN)/twine check --strict dist/*
	@$(BIN)/check-wheel-contents dist/*.whl --toplevel flagkit,canary

wheel-smoke: build  ## tries the built wheel in a clean environment
	@PYTHON=$(PYTHON) TOOLS=$(abspath $(BIN))/python scripts/wheel-smoke dist

examples: $(VENV)/.dev  ## runs every example
	@$(BIN)/python -m pytest -q tests/examples

bench: $(VENV)/.dev  ## every measurement, tables written to docs/benchmarks (under 10 minutes)
	@$(BIN)/python -m benchmarks $(ARGS)

fuzz: $(VENV)/.dev  ## a million hostile inputs, two million questions to the evaluators, 400 releases with odd answers (minutes; goes on where it was interrupted)
	@$(BIN)/python benchmarks/fuzz.py $(ARGS)
	@$(BIN)/python benchmarks/differential.py $(ARGS)
	@$(BIN)/python -m benchmarks.fuzz_adapters $(ARGS)
	@$(BIN)/python -m benchmarks.fuzz_releases

torture: $(VENV)/.dev  ## 63 releases of real processes on a real clock, something going wrong with each (under 10 minutes)
	@$(BIN)/python -m benchmarks.torture $(ARGS)

generate: $(VENV)/.dev  ## writes the generated pages again: public API, errors, commands, decisions, architecture
	@$(BIN)/python docs/generate.py
	@$(BIN)/python scripts/decisions_index.py
	@$(BIN)/python scripts/architecture_picture.py
	@$(BIN)/python scripts/console_blocks.py

format: $(VENV)/.dev  ## formats and mends what can be mended
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11
lock: $(VENV)/.dev  ## locks the versions again, with hashes, for every Python and system (ARGS=--upgrade takes newer ones)
	@$(UV)
	@$(LOCK) $(ARGS) requirements/uv.in -o requirements/uv.txt
	@$(LOCK) $(ARGS) --extra cli --extra console --extra testing pyproject.toml requirements/demo.in -o requirements/demo.txt
	@$(LOCK) $(ARGS) --all-extras -c requirements/demo.txt pyproject.toml requirements/dev.in -o requirements/dev.txt

clean:  ## removes what was built
	@rm -rf .venv-* build dist site .coverage* .mypy_cache .ruff_cache .pytest_cache
