# churnml. Every target sets itself up: nothing but make and Python >= 3.11 is needed.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
# Many tests start churnml anew; without byte code kept, each of them would compile it again.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run-installed
DEV := $(VENV)/.dev-installed
AUDIT := $(VENV)/audit
FUZZ := $(VENV)/fuzz

.PHONY: help demo install install-dev test journeys check format lint types contracts fuzz audit docs notebooks clean

help: ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(RUN) ## Simulate a company and run everything on it
	@$(BIN)/churnml demo

install: $(RUN) ## Set up .venv with the pinned dependencies

install-dev: $(DEV) ## Set up .venv with the pinned development dependencies

test: $(DEV) ## Run the tests and doctests, on up to four cores; last those that need the machine for themselves
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 -m "not alone and not slow and not browser" $(PYTEST_ARGS)
	$(BIN)/python -m pytest -m alone $(PYTEST_ARGS)

journeys: $(DEV) ## Run the slow tests: the notebooks, the pages in a browser and other whole journeys
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 -m "slow or browser" $(PYTEST_ARGS)

check: $(DEV) format-check lint types contracts test journeys ## What CI runs: format, lint, types, import contracts, all tests

format: $(DEV) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --quiet .

.PHONY: format-check
format-check: $(DEV)
	$(BIN)/ruff format --check .

lint: $(DEV) ## Lint
	$(BIN)/ruff check .

types: $(DEV) ## Check types (mypy strict on src)
	$(BIN)/mypy

contracts: $(DEV) ## Check that data flows one way (import-linter)
	$(BIN)/lint-imports

fuzz: $(DEV) $(FUZZ)/bin/schemathesis ## Fuzz the API of the demo over its whole OpenAPI (Schemathesis)
	$(BIN)/python benchmarks/fuzz.py --schemathesis $(FUZZ)/bin/schemathesis

audit: $(AUDIT)/bin/pip-audit ## Look the pinned dependencies up in the advisory database (pip-audit)
	@$(AUDIT)/bin/pip-audit -r requirements.lock --no-deps --disable-pip --strict --progress-spinner off || { \
	  echo "make audit: not passed. Either the lines above list a vulnerability, or the advisory database" >&2; \
	  echo "could not be asked about every package, and then nothing is known about any of them." >&2; \
	  exit 1; }

docs: $(DEV) ## Write the generated pages of docs/ anew
	$(BIN)/python docs/generate.py

notebooks: $(DEV) ## Run the notebooks and keep what they show
	$(BIN)/python docs/notebooks.py

clean: ## Remove .venv, caches and the workspace
	rm -rf $(VENV) workspace .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "churnml needs Python >= 3.11, but " + sys.executable + " is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)

# In venvs of their own, so that their dependencies do not move the pinned ones.
$(FUZZ)/bin/schemathesis: | $(VENV)/pyvenv.cfg
	$(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check 'schemathesis>=4'

$(AUDIT)/bin/pip-audit: | $(VENV)/pyvenv.cfg
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7'

# A stamp is made last, so an interrupted install is done again.
$(RUN): requirements.lock pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(RUN) $@
