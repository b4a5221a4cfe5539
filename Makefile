# `make demo` shows the main job on real data; `make test` proves that all is well.
# Needs Python 3.11 or newer, git and make; everything else is fetched into .venv and .cache.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv/bin
# More than a machine of two cores has: tests wait for programs and servers half of their time.
PYTEST_JOBS ?= 3
CHAOS_ROUNDS ?= 200
SERVER_ROUNDS ?= 100
# Tests start hundreds of programs, each of which would compile its modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: forms whole pictures help setup demo test check bench chaos docs ui ui-check clean

help:
	@echo "make demo    move real data into demo/demo.duckdb and show the proof"
	@echo "make test    set up, then lint, types, import rules and all tests"
	@echo "make check   only lint, types and import rules"
	@echo "make bench   measure against the peers (long)"
	@echo "make chaos   kill syncs, servers and databases at random, and compare (long)"
	@echo "make whole   run whole the suites that make test runs by chosen cases (long)"
	@echo "make docs    write the generated pages anew"
	@echo "make ui      build the pages that penstock up serves"
	@echo "make pictures  take the pictures of the docs anew, in a real browser"
	@echo "make forms   draw and save the forms of a dozen real connectors in a browser (long)"
	@echo "make ui-check  types, lint, tests and size of the pages"
	@echo "make setup   only .venv"

setup:
	@scripts/setup.sh

demo: setup
	@PATH="$(CURDIR)/$(VENV):$$PATH" examples/demo.sh

check: setup
	$(VENV)/ruff check src tests examples scripts
	$(VENV)/ruff format --check src tests examples scripts
	$(VENV)/mypy
	$(VENV)/lint-imports

test: check ui-check
	$(VENV)/pytest -n $(PYTEST_JOBS) $(PYTEST_ARGS)

bench: setup
	$(VENV)/python -m benchmarks

chaos: setup
	$(VENV)/pytest -n $(PYTEST_JOBS) tests/chaos --ignore tests/chaos/test_servers.py \
		--penstock-rounds $(CHAOS_ROUNDS) --penstock-seed $$RANDOM
	$(VENV)/pytest -n $(PYTEST_JOBS) tests/conformance -m "" -k killed \
		--penstock-rounds $(CHAOS_ROUNDS) --penstock-seed $$RANDOM
	$(VENV)/pytest -n $(PYTEST_JOBS) tests/chaos/test_servers.py \
		--penstock-rounds $(SERVER_ROUNDS) --penstock-seed $$RANDOM

whole: setup
	$(VENV)/pytest -n $(PYTEST_JOBS) -m whole tests/conformance

docs: setup
	$(VENV)/python scripts/generate_docs.py

ui-check: setup
	@$(VENV)/python scripts/build_ui.py --check
	@$(VENV)/python scripts/ui_budget.py

ui: setup
	@$(VENV)/python scripts/build_ui.py

forms: ui
	$(VENV)/pytest -n 0 -q tests/e2e/test_forms.py --penstock-rounds 100

pictures: ui
	PENSTOCK_PICTURES=docs/pictures $(VENV)/pytest -n 0 -q tests/e2e/test_first_sync.py

clean:
	rm -rf .venv .cache demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
