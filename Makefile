# The two commands of the README are `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# A file's tests stay together, each process calculates with one thread.
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test quick check bench soak docs clean
help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

setup: $(READY)  ## make .venv and install everything in it

$(READY): pyproject.toml constraints.txt
	@echo "setting up .venv (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)  ## the whole ring on bundled examples, in minutes
	@$(BIN)/tunesmith demo

test: $(READY)  ## every test but the long ones
	@$(PARALLEL)

quick: $(READY)  ## unit and property tests alone, under two minutes
	@$(PARALLEL) -m "not slow and not soak"

check: $(READY)  ## style, types, layers, documentation
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/mkdocs build --strict --quiet

bench: $(READY)  ## measure; writes benchmarks/results
	@for script in benchmarks/*.py; do echo "$$script"; $(BIN)/python $$script || exit 1; done

soak: $(READY)  ## long fault tests
	@$(BIN)/python -m pytest -m soak -o addopts="" --timeout=7200

docs: $(READY)  ## build the documentation into site/
	@$(BIN)/mkdocs build --strict

clean:  ## delete the virtual environment and caches
	@rm -rf .venv site .pytest_cache .mypy_cache .ruff_cache .hypothesis
