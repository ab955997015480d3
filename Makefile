# FlowQL: one command for each thing a person, or CI, does here. `make help` lists them.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
UV := $(BIN)/uv

RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed
GRAPHIQL := gql/explorer/vendor/sums.txt

CLIENTS := $(addprefix tests/clients/,authentik-2024.2 authentik-2026.8 ariadne-codegen gql schemathesis)
APART := $(CLIENTS) gql/explorer/node
LOCKS := requirements.lock requirements-dev.lock $(APART:=.lock)
SCRATCH := build/drift

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

##@ Use

.PHONY: help
help: ## Say what can be made
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: install
install: $(RUNTIME) ## Set up .venv, with the command at .venv/bin/flowql
	@$(MAKE) $(GRAPHIQL) || echo "== going on without GraphiQL: its page will say how to get it"

.PHONY: run
run: install ## Install, then run `flowql demo` on the sample flows
	@$(BIN)/flowql demo $(ARGS)

.PHONY: test
test: $(DEVELOPMENT) $(GRAPHIQL) chromium ## Install, then run every test with coverage (ARGS="-k search" for some)
	@echo "== tests"
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

##@ Check

.PHONY: check
check: lint types layers drift smoke test ## Everything that CI asks for

.PHONY: check-all
check-all: check fuzz npm ## check, and what takes longer

.PHONY: lint
lint: $(DEVELOPMENT) ## Style of the code, by ruff
	@echo "== lint"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

.PHONY: types
types: $(DEVELOPMENT) ## Types, by pyright in its strict mode
	@echo "== types"
	@$(BIN)/basedpyright

.PHONY: layers
layers: $(DEVELOPMENT) ## Which package may import which
	@echo "== layers"
	@$(BIN)/lint-imports

.PHONY: drift
drift: $(DEVELOPMENT) ## Generated files are what they are generated from
	@echo "== drift: schema.graphql"
	@$(BIN)/flowql schema --check
	@echo "== drift: locks"
	@rm -rf $(SCRATCH) && mkdir -p $(SCRATCH)
	@tar cf - pyproject.toml $(APART:=.in) $(LOCKS) | tar xf - -C $(SCRATCH)
	@$(MAKE) -C $(SCRATCH) -f $(CURDIR)/Makefile UV=$(CURDIR)/$(UV) compile
	@for lock in $(LOCKS); do \
	  diff -u $$lock $(SCRATCH)/$$lock || { echo "$$lock is behind its source: make lock"; exit 1; }; \
	done

.PHONY: smoke
smoke: $(DEVELOPMENT) $(GRAPHIQL) ## The wheel, in an empty environment, from /
	@echo "== wheel smoke test"
	@$(BIN)/python tests/packaging/wheel_smoke.py

.PHONY: fuzz
fuzz: $(DEVELOPMENT) $(GRAPHIQL) chromium ## Every test again, with the full number of fuzz examples
	@echo "== fuzz"
	@$(BIN)/pytest --hypothesis-profile=full $(ARGS)

.PHONY: npm
npm: $(DEVELOPMENT) $(GRAPHIQL) ## The tests that take packages from npm
	@echo "== npm"
	@$(BIN)/pytest -m npm $(ARGS)

.PHONY: bench
bench: $(DEVELOPMENT) ## Race FlowQL against its peers (needs wrk, npm and two quiet cores; ARGS="--rounds 1")
	@$(BIN)/python tests/benchmarks/run.py $(ARGS)

##@ Change

.PHONY: format
format: $(DEVELOPMENT) ## Let ruff lay out the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: lock
lock: $(DEVELOPMENT) compile ## Bring the locks up to pyproject.toml

.PHONY: upgrade
upgrade: COMPILING := --upgrade
upgrade: lock ## Bring the locks up to the newest releases

.PHONY: released
released: ## Keep schema.graphql as the released one, which later ones may not break
	@cp schema.graphql tests/released/schema.graphql

.PHONY: screenshot
screenshot: ## Let README's picture of GraphiQL be the one that the tests have taken
	@cp build/screenshots/graphiql-result.png tests/gql/explorer/graphiql.png

.PHONY: clean
clean: ## Remove what was made, the environments too
	@rm -rf $(VENV) .venv-clients build dist .coverage .coverage.* htmlcov \
	  gql/explorer/vendor gql/explorer/vendor.new .hypothesis .pytest_cache .ruff_cache .import_linter_cache

# Pins that are locked stay as they are, unless pyproject.toml no longer allows them.
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" $(COMPILING)

.PHONY: compile
compile: # a client may be PyPI's gql, which pyproject.toml keeps out of our own environment: --no-config
	@$(COMPILE) pyproject.toml --group build --output-file requirements.lock
	@$(COMPILE) pyproject.toml --group dev --constraints requirements.lock --output-file requirements-dev.lock
	@for client in $(APART); do \
	  $(COMPILE) --no-config --python-version 3.11 $$client.in --output-file $$client.lock || exit 1; \
	done

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FlowQL needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
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

# Older than packages.py does not mean that its files are: the command knows by their sums.
$(GRAPHIQL): gql/explorer/packages.py | $(RUNTIME)
	@echo "== GraphiQL"
	@$(BIN)/flowql explorer install
	@touch $@

.PHONY: chromium
chromium: # which shows our pages to the tests
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit; done; \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  || { echo "The tests need Chromium. On Debian, as root: apt-get install chromium"; exit 1; }; \
	  echo "== installing Chromium"; apt-get update --quiet=2 \
	  && apt-get install --quiet=2 --yes --no-install-recommends chromium
