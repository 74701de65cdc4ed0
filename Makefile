# The two commands a newcomer needs: `make demo` and `make test`. Each installs what it needs first.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 10000
ROWS ?= 200000
KILLS ?= 36
SEED ?= 1
DATA ?= ../shared/data
# Where the drift benchmark trains a version if it is missing there.
MODELS ?= /tmp/plumbline
# The Python of an environment with the extra `bench`; without it, LiteRT is measured alone.
PEERS ?= $(BIN)/python

.PHONY: help setup demo test check chaos bench bench-latency bench-pipeline bench-scale bench-start bench-drift lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.dev ## install everything from pinned, hashed requirements

demo: $(VENV)/.demo ## watch texts travel from the client to a drift report
	@$(BIN)/plumbline demo

# Many tests wait for servers, so several run at a time; the tests of one file stay together. In the
# order of the files the short unit tests come last, and the processes end together.
test: $(VENV)/.dev ## run all tests, on real servers that they start themselves
	@$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev ## lint, check types and run the unit tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest -n 2 tests/unit clients/python/tests

chaos: $(VENV)/.dev ## prove the promise: 10,000 jobs while everything is killed (make chaos JOBS= KILLS= SEED=)
	@$(BIN)/python -m tests.chaos --jobs $(JOBS) --kills $(KILLS) --seed $(SEED)

bench: $(VENV)/.dev ## measure the figures of docs/benchmarks.md
	@$(MAKE) --no-print-directory bench-latency bench-pipeline

bench-latency: $(VENV)/.dev ## measure one text beside other runtimes, from the extra bench (make bench-latency PEERS=PYTHON)
	@$(BIN)/python benchmarks/latency.py --peers $(PEERS)

bench-pipeline: $(VENV)/.dev ## measure bulk, single jobs, the ledger alone, more workers and a long run (make bench-pipeline PARTS=)
	@$(BIN)/python -m benchmarks.pipeline $(PARTS)

bench-start: $(VENV)/.dev ## measure the start of every command (make bench-start)
	@$(BIN)/python benchmarks/start.py

bench-drift: $(VENV)/.dev ## measure drift detection and estimated quality on real labelled texts (make bench-drift DATA=)
	@$(BIN)/python benchmarks/drift.py --data $(DATA) --models $(MODELS)
	@$(BIN)/python benchmarks/estimates.py --data $(DATA)/sms_spam/data.csv.gz --shift $(DATA)/india_sms/data.csv.gz
	@$(BIN)/python benchmarks/estimates.py --data $(DATA)/clickbait/data.csv.gz \
		--shift $(DATA)/clickbait_other/data.csv.gz --model $(MODELS)/clickbait/1.0.0 --most 2500

bench-scale: $(VENV)/.dev ## measure every query with many finished jobs (make bench-scale ROWS=10000000)
	@$(BIN)/python -m benchmarks.scale --rows $(ROWS) $(if $(OUTPUT),--output $(OUTPUT))

lock: ## regenerate requirements/*.txt (needs uv)
	@requirements/lock

clean: ## remove the environment and the state of local servers
	rm -rf $(VENV) .plumbline .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The demo does not need TensorFlow, which is most of the download; a full environment serves it too.
$(VENV)/.demo: requirements/demo.txt pyproject.toml clients/python/pyproject.toml requirements/install
	@PYTHON=$(PYTHON) requirements/install demo
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml clients/python/pyproject.toml requirements/install
	@PYTHON=$(PYTHON) requirements/install dev
	@touch $@ $(VENV)/.demo
