# The two commands a newcomer needs: `make demo` and `make test`. Each installs what it needs first.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 10000
KILLS ?= 36
SEED ?= 1
HOUSES := plumbline scoring storage worker monitoring training migrations

.PHONY: help setup demo test check chaos bench lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-7s %s\n", $$1, $$2}'

setup: $(VENV)/.dev ## install everything, from pinned and hashed requirements

demo: $(VENV)/.demo ## watch texts travel from the client to a drift report
	@$(BIN)/plumbline demo

test: $(VENV)/.dev ## all tests, on real servers they start themselves
	@$(BIN)/pytest

check: $(VENV)/.dev ## lint, types and unit tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest tests/unit

chaos: $(VENV)/.dev ## the promise, proved: 10,000 jobs while everything is killed (make chaos JOBS= KILLS= SEED=)
	@$(BIN)/python -m tests.chaos --jobs $(JOBS) --kills $(KILLS) --seed $(SEED)

bench: $(VENV)/.dev ## measure what docs/benchmarks.md tells
	@for name in latency throughput cost; do $(BIN)/python benchmarks/$$name.py || exit 1; done

lock: ## write requirements/*.txt anew (needs uv)
	@requirements/lock

clean: ## remove the environment and the state of local servers
	rm -rf $(VENV) .plumbline .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The demo needs no TensorFlow, which is most of the download; a full environment serves it too.
$(VENV)/.demo: requirements/demo.txt pyproject.toml requirements/install
	@PYTHON=$(PYTHON) requirements/install demo
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml requirements/install
	@PYTHON=$(PYTHON) requirements/install dev
	@touch $@ $(VENV)/.demo
