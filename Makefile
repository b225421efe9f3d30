# Every target prepares what it needs: with Python 3.11 and make, `make demo` is the first command.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
# The copy in the environment is left alone by an activated environment elsewhere.
UV     := VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
READY  := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest

.PHONY: help env demo test test-chaos test-fast chaos soak lint types check format fuzz bench bench-detection lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(READY) ## create .venv with exactly the locked versions
	@:

# The installer itself comes from the lock, with its hash, so the first download is checked as well.
$(READY): pyproject.toml requirements-dev.lock
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo 'Python 3.11 is needed: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	@echo '[1/4] virtual environment in $(VENV)'
	@"$(PYTHON)" -m venv $(VENV)
	@echo '[2/4] installer (pinned, hash checked)'
	@awk '/^uv==/ {on=1} on {print} on && !/\\$$/ {exit}' requirements-dev.lock > $(VENV)/installer.lock
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --disable-pip-version-check -r $(VENV)/installer.lock
	@echo '[3/4] locked dependencies'
	@$(UV) pip sync --quiet --require-hashes requirements-dev.lock
	@echo '[4/4] backontrack'
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## run the whole product on this machine, no Kafka needed
	@$(BIN)/backontrack demo

test: $(READY) ## lint, types and every test
	@$(MAKE) lint
	@$(MAKE) types
	@$(PYTEST) -m 'not chaos'

test-chaos: $(READY) ## the long tests of faults and security, about forty minutes
	@$(PYTEST) -m chaos

test-fast: $(READY) ## the tests that need neither Kafka nor a browser nor patience
	@$(PYTEST) -m 'not kafka and not browser and not slow and not chaos'

# ROW, SEED, SEEDS, VARIANT, TIER choose; JOBS runs at a time; BACKLOG records wait in row 27. JSON=FILE and KEEP=DIR keep
# the report and the evidence.
upper = $(shell echo $(1) | tr a-z A-Z)
option = $(if $($(call upper,$(1))),--$(1) $($(call upper,$(1))))
CHAOS = $(strip $(foreach name,row seed seeds variant tier backlog jobs json keep,$(call option,$(name))))
chaos: $(READY) ## break workers and brokers under load, prove that nothing is lost; ROW=7 SEED=3 for one run
	@$(BIN)/python -m tests.faults $(CHAOS)

soak: $(READY) ## random faults for MINUTES=60, with memory and descriptors watched
	@$(BIN)/python -m tests.faults --row 32 --minutes $(or $(MINUTES),60) $(filter-out --row%,$(CHAOS))

lint: $(READY) ## style and common mistakes
	@echo 'ruff'
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .

types: $(READY) ## strict type check
	@echo 'mypy'
	@$(BIN)/mypy --no-error-summary

check: lint types ## lint and types

format: $(READY) ## rewrite the sources in the project's style
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

fuzz: $(READY) ## a million mutated records through the codec and the fold; FUZZ="--guided 300" for more
	@$(BIN)/python -m tests.fuzz $(FUZZ)

bench: $(READY) ## measure throughput and latency
	@$(BIN)/python -m tests.bench

bench-detection: $(READY) ## score the detectors on open data, when the data are there
	@$(BIN)/python -m tests.bench.detection $(SETS)

# --no-annotate and --no-emit-index-url keep file paths and host names out of the locks.
LOCK := pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate $(LOCK_ARGS)
lock: $(READY) ## resolve again; LOCK_ARGS=--upgrade takes the newest versions
	@$(UV) $(LOCK) pyproject.toml --output-file requirements.lock
	@$(UV) $(LOCK) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove the environment and every cache
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
