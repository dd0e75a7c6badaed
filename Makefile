# Thin on purpose: what a target does stands in scripts/, where it is checked and tested.

SHELL := /bin/sh
PYTHON = $$(scripts/find-python)
VENV := .venv/bin
WORKERS ?= 2
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help up down logs status environment assets test test-system test-interop bench bench-peers bundle lint format \
	docs lock wheel clean

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## Build what is missing, start the server in the background, print where it is (BUNDLE=FILE: without network)
	@python=$(PYTHON) && exec "$$python" scripts/bootstrap.py up $(if $(BUNDLE),--bundle '$(BUNDLE)')

down: ## Stop the server
	@[ ! -x $(VENV)/pratique ] || $(VENV)/pratique down

logs: ## Print the logs and follow them
	@$(VENV)/pratique logs --follow

status: ## Show the running processes
	@if [ ! -x $(VENV)/pratique ]; then echo 'Pratique is not set up here. Start it: make up'; \
	else $(VENV)/pratique ps || [ $$? -eq 1 ]; fi

environment: ## Build .venv for development and tests
	@python=$(PYTHON) && "$$python" scripts/bootstrap.py environment test

assets: environment ## Build the browser assets
	@python=$(PYTHON) && "$$python" scripts/bootstrap.py assets

test: assets ## Run all tests that this machine can run (TESTS=path, WORKERS=n)
	@$(VENV)/python scripts/tiers.py test --workers $(WORKERS) $(TESTS)

test-system: ## Install the Debian packages that tests use, then run all tests
	@scripts/system-packages
	@$(MAKE) --no-print-directory test

test-interop: assets ## Run clients built from pinned sources (needs Go) against a running server
	@$(VENV)/python scripts/tiers.py interop

bench: assets ## Print the figures of DESIGN's budgets that this machine can measure
	@$(VENV)/python scripts/tiers.py bench

bench-peers: assets ## Print the figures beside a peer's, where the peer is installed
	@$(VENV)/python scripts/tiers.py peers

bundle: ## Make one archive for `make up BUNDLE=FILE` on a machine without network (FILE=path)
	@python=$(PYTHON) && "$$python" scripts/bootstrap.py bundle $(FILE)

lint: environment ## Check style, types and the direction of imports
	@$(VENV)/python scripts/tiers.py lint

format: environment ## Write all code in the one style
	@$(VENV)/ruff format . && $(VENV)/ruff check --fix .

docs: environment ## Write the generated pages of docs/
	@$(VENV)/python scripts/write_docs.py

lock: environment ## Pin requirements anew (UPGRADE=1: newest versions) and check that every machine finds wheels
	@$(VENV)/python scripts/lock.py --check-wheels $(if $(UPGRADE),--upgrade)

wheel: assets ## Build the wheel into dist/
	@$(VENV)/python scripts/build_wheel.py

clean: ## Remove what was built here; state and data stay
	@rm -rf .venv build dist src/pratique/console/static console/node_modules .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
