# The two commands a newcomer needs: `make demo` and `make test`. Each installs what it needs first.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 10000
KILLS ?= 36
SEED ?= 1
DATA ?= ../shared/data
HOUSES := plumbline scoring storage worker monitoring training migrations

.PHONY: help setup demo test check chaos bench bench-drift lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.dev ## install everything, from pinned and hashed requirements

demo: $(VENV)/.demo ## watch texts travel from the client to a drift report
	@$(BIN)/plumbline demo

# Most tests wait for servers, so two at a time; those of one file share servers, and stay together.
test: $(VENV)/.dev ## all tests, on real servers they start themselves
	@$(BIN)/pytest -n 2 --dist loadfile

check: $(VENV)/.dev ## lint, types and unit tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest tests/unit

chaos: $(VENV)/.dev ## the promise, proved: 10,000 jobs while everything is killed (make chaos JOBS= KILLS= SEED=)
	@$(BIN)/python -m tests.chaos --jobs $(JOBS) --kills $(KILLS) --seed $(SEED)

bench: $(VENV)/.dev ## measure what docs/benchmarks.md tells
	@for name in latency throughput cost; do $(BIN)/python benchmarks/$$name.py || exit 1; done

bench-drift: $(VENV)/.dev ## drift alarms and estimated quality on real labelled texts (make bench-drift DATA=)
	@$(BIN)/python benchmarks/drift.py --data $(DATA)
	@$(BIN)/python benchmarks/estimates.py --data $(DATA)/sms_spam/data.csv.gz --shift $(DATA)/india_sms/data.csv.gz

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
