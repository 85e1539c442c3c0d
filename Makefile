# Everything a person does with this project, by name: `make help`. Needs Python 3.11 or newer, make and git.
#
#   make run ARGS="--data ./elsewhere"      options of the command behind a target
#   make run PYTHON=/path/to/python3        another Python than the one found

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What is installed is the lock and nothing else, however this machine's pip is set up. pip fetches uv, which does in
# seconds what pip takes a minute for; uv asks where pip would ask, and where that is not enough for it, pip goes on.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
UV := UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$($(BIN)/python -m pip config list | LC_ALL=C sort | \
	sed -n "s/^[^ ]*\.index-url='\(.*\)'$$/\1/p" | head -n 1)}" $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'
ARGS ?=
# Hundreds of processes start in the tests: what was compiled for one is read by the next.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check lint format types bench chaos tour migrate seed lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(STAMP) ## start everything on this machine: servers, services, workers, mail and SMS sink; Ctrl-C stops it all
	@exec $(BIN)/yuyue up $(ARGS)

tour: $(STAMP) ## against a running system, book each of the city's five services through the public API
	@exec $(BIN)/yuyue tour $(ARGS)

test: $(STAMP) lint types ## lint, types, then every test but those of `chaos` and `bench`
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: test ## the same as `test`

lint: $(STAMP) ## style and likely mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## put the code into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(STAMP) ## check the types, strictly
	$(BIN)/mypy --num-workers auto

chaos: $(STAMP) ## play the engine against its model, kill processes under load and at every step, and count what was lost
	$(BIN)/python -m pytest -m chaos -v -n auto --maxprocesses 4 tests/model tests/notify $(ARGS)
	$(BIN)/python -m pytest -m chaos -v -s --ignore tests/model --ignore tests/notify $(ARGS)

bench: $(STAMP) ## measure against a stub, pgbench and a naive version (13 minutes), and print each promise with its ratio
	$(BIN)/python -m pytest -m bench -s $(ARGS)

migrate: $(STAMP) ## bring the databases of BOOKING_DATABASE_URL and NOTIFY_DATABASE_URL to the newest schema
	@exec $(BIN)/yuyue migrate $(ARGS)

seed: $(STAMP) ## load the city's venues, services and policies into BOOKING_DATABASE_URL
	@exec $(BIN)/yuyue seed $(ARGS)

lock: $(STAMP) ## resolve the dependencies anew and lock them with hashes, for Linux and macOS, Python 3.11 and newer
	$(COMPILE) --output-file requirements/runtime.txt pyproject.toml
	$(COMPILE) --output-file requirements/build.txt --group build
	$(COMPILE) --output-file requirements/installer.txt --group installer
	$(COMPILE) --output-file requirements/development.txt --group development pyproject.toml

clean: ## remove what was made here, but not the data in ./var
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find shared services migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements/development.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Yuyue needs Python 3.11 or newer, and none was found. Install one from your system's" \
		"packages, then run this again; or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; } >&2
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than Python 3.11. Name a newer one: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; } >&2
	@test -x $(BIN)/python || { echo "Making the virtual environment with $(PYTHON)"; "$(PYTHON)" -m venv $(VENV); } || { \
		rm -rf $(VENV); echo "That Python cannot make virtual environments: install your system's package for it" \
		"(python3-venv on Debian and Ubuntu)"; exit 1; } >&2
	@echo "Installing the locked dependencies (once; some seconds)"
	@$(PIP) install --require-hashes -r requirements/installer.txt
	@$(UV) --require-hashes -r requirements/development.txt || { \
		echo "pip takes over (about a minute)"; $(PIP) install --require-hashes -r requirements/development.txt; }
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(STAMP)
