# `make compare` and `make test` need python3 (3.11 or newer) with venv, make, and a package index. Nothing is done by hand.
PYTHON ?= python3
VENV ?= .venv
PYTEST ?= -n 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV := $(BIN)/uv
COMPILE := $(UV) pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" pyproject.toml --group pyproject.toml:build

.PHONY: help compare test check format fuzz bench bench-peers lock clean
.DELETE_ON_ERROR:

help:
	@echo "make compare   the same traders through a real crash under isolated, cross and hybrid margin"
	@echo "make test      all tests"
	@echo "make check     style, types, layers, sizes"
	@echo "make format    apply the style that check asks for"
	@echo "make fuzz      the random searches, long"
	@echo "make bench     every figure of bench/results, measured again"
	@echo "make bench-peers  the same work by other tools, each in an environment of its own"
	@echo "make lock      new requirements*.lock from pyproject.toml"
	@echo "make clean     remove what the above made, the environment included"

compare: $(VENV)/base.stamp
	@$(BIN)/ringfence compare $(ARGS)

test: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest $(PYTEST) $(ARGS)

check: $(VENV)/dev.stamp
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/python tools/tidy.py
	@$(BIN)/python tools/check_sources.py
	@$(BIN)/python tools/gen_rules.py --check
	@$(BIN)/python tools/build_chain_page.py --check

format: $(VENV)/dev.stamp
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

fuzz: $(VENV)/dev.stamp
	@HYPOTHESIS_PROFILE=fuzz RINGFENCE_FUZZ=1 $(BIN)/python -m pytest $(PYTEST) -m fuzz $(ARGS)

# One after the other, even under `make -j`: two measurements at a time measure each other.
bench: $(VENV)/dev.stamp
	@mkdir -p bench/results
	@$(BIN)/ringfence bench $(ARGS)

# Other tools contradict each other's dependencies, so each has an environment of its own.
PEERS := lrvx freqtrade nautilus driftpy
bench-peers: $(VENV)/dev.stamp $(PEERS:%=.venv-peers/%.stamp)
	@$(BIN)/ringfence bench peers

.venv-peers/%.stamp: bench/peers/%.lock
	@echo "setting up .venv-peers/$* (once)"
	@$(PYTHON) -m venv .venv-peers/$*
	@.venv-peers/$*/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

# One version of each library for every Python, so that a seed means the same numbers everywhere.
# The development lock is held to the versions of the base lock, so that both fit into one environment.
lock: $(UV)
	@$(COMPILE) --upgrade --output-file requirements.lock
	@$(COMPILE) --upgrade --extra dev --constraints requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) .venv-peers build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment: base first, dev on top of it, so that any order and any `make -j` ends with the same one.
$(VENV)/base.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("ringfence needs Python 3.11 or newer; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "the venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/base.stamp requirements-dev.lock
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(UV): | $(VENV)/base.stamp
	@$(PIP) install uv
