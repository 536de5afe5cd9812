# Two targets do all the set-up on a fresh Debian or Ubuntu machine, as root: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help demo demo-down install check lint test e2e chaos bench docs requirements clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: $(INSTALLED) ## start a cluster, install the chart, run CronJobs and follow what Cronitor's stand-in hears
	$(BIN)/python -m tests.demo up

demo-down: $(INSTALLED) ## remove the demo and its cluster
	$(BIN)/python -m tests.demo down

install: $(INSTALLED) ## install or upgrade the chart in the running cluster: CRONITOR_URL=… CRONITOR_API_KEY=…
	$(BIN)/python -m tests.installation install $(if $(CRONITOR_URL),--cronitor-url "$(CRONITOR_URL)") \
	  $(if $(CRONITOR_CA),--ca-file "$(CRONITOR_CA)")

check: lint ## formatter, linter, types, import contracts, unit and contract tests; offline, no root
	$(BIN)/python -m pytest --numprocesses auto tests/unit tests/contract

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## check, then the chart, the images and the whole path on a real cluster
	$(BIN)/python -m tests.cluster up
	$(BIN)/python -m tests.images build
	$(BIN)/python -m tests.cluster exec -- $(abspath $(BIN))/python -m pytest tests/chart tests/integration tests/e2e tests/chaos \
	  -m "not endurance"

e2e: $(INSTALLED) ## every shape of Job on a real cluster, and what is heard of it: a line for each; SHAPES=… for some
	$(BIN)/python -m tests.cluster up
	$(BIN)/python -m tests.images build
	$(BIN)/python -m tests.cluster exec -- $(abspath $(BIN))/python -m pytest tests/e2e/test_scenarios.py $(if $(SHAPES),-k "$(SHAPES)")

MINUTES ?= 20
chaos: $(INSTALLED) ## a stream of Jobs while things fail, counting what is harmed, lost or told twice: MINUTES=20 SEED=…
	$(BIN)/python -m tests.cluster up
	$(BIN)/python -m tests.images build
	$(BIN)/python -m tests.cluster exec -- $(abspath $(BIN))/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

bench: $(INSTALLED) ## measure what is promised (docs/performance.md): a table, and build/bench.json; ONLY=burst,herd for some
	$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

docs: $(INSTALLED) ## write the tables of docs/annotations.md anew from webhook/annotation_table.py
	$(BIN)/python -m tools.annotations_doc

requirements: $(INSTALLED) ## pin anew what requirements/*.in ask for
	cd requirements && for set in webhook sidecar dev; do \
	  ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --upgrade --output-file $$set.txt $$set.in || exit 1; done

$(INSTALLED): requirements/dev.txt
	$(PYTHON) -m venv --clear $(VENV) || { apt-get update && apt-get install --yes python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	touch $@

clean: ## remove what was made in the checkout; the cache of binaries and images stays
	rm -rf $(VENV) build .mypy_cache .ruff_cache
