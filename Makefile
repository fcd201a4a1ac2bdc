# What a developer does with a checkout. Every target sets up what it needs first (tools/setup) and says so.

BIN := .venv/bin
# Tests and benchmarks log users in to real servers, which takes root; files in the checkout stay the developer's.
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo -n env PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/tmp/mprouter-hypothesis)

.PHONY: help demo test bench lint format lock

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## Show the main job: a network drive, and notifyees told before and after
	@tools/setup demo
	@$(BIN)/python examples/demo.py

test: ## Check format, lint and types, then run the tests against real servers on loopback
	@tools/setup test
	@$(MAKE) --no-print-directory lint
	@echo "== tests: pytest"
	@$(ROOT) $(BIN)/pytest -n 2

bench: ## Measure against what people use today: all (20 to 40 minutes), or ROW=name; takes root, or sudo that asks for no password
	$(if $(filter undefined,$(origin ROW)),,$(if $(strip $(ROW)),,$(error ROW is empty: name a row, or leave it out for all of them)))
	@tools/setup bench
	@$(ROOT) $(BIN)/python bench/run.py $(ROW)

lint: ## Check format, lint and types
	@tools/setup lint
	@echo "== format: ruff format"
	@$(BIN)/ruff format --check
	@echo "== lint: ruff check"
	@$(BIN)/ruff check
	@echo "== types: mypy"
	@$(BIN)/mypy

format: ## Put the code into its format, and mend what ruff can mend
	@tools/setup lint
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

lock: ## Renew requirements.lock: the newest releases that pyproject.toml admits
	@tools/setup lint
	@$(BIN)/python tools/lock.py
