# samestep: `make setup` sets up the command, `make bench` and `make test` everything they need; `make help` lists the rest.
#
# .venv holds the harness; each framework's own environment is made under .envs when it is first used.

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
LOCKS := images/locks
DOCS ?= localhost:8000
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(if $(shell $(name) -I -c \
	'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null),$(name))))

# Like pip, curl and git, trust the authorities that this machine trusts (a company's own, too).
export UV_SYSTEM_CERTS ?= true
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
IN_TWO := --numprocesses 2 --dist loadgroup
# What would take Python, git or packages from elsewhere, or put packages elsewhere, stays out of the recipes. The
# caller's index, mirror and certificates stay in.
MISLEADING := PYTHON% GIT_% CONDA_% VIRTUAL_ENV PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_CONSTRAINT \
	PIP_NO_BINARY UV_TARGET UV_PREFIX UV_PYTHON UV_SYSTEM_PYTHON UV_PROJECT UV_PROJECT_ENVIRONMENT UV_WORKING_DIRECTORY \
	UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE UV_NO_BINARY UV_NO_BINARY_PACKAGE UV_NO_DEPS UV_DRY_RUN
MISLEADING := $(filter-out PYTHON,$(filter $(MISLEADING),$(.VARIABLES)))
ifneq ($(MISLEADING),)
unexport $(MISLEADING)
endif

.PHONY: help setup bench test test-frameworks test-frameworks-all test-engine test-slurm test-browser standalone peers faults \
	faults-short pictures docs docs-build lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 21

setup: $(BIN)/.harness ## set up the command alone, .venv/bin/samestep; run nothing
	@echo "Ready: $(BIN)/samestep doctor says what this host can run"

bench: $(BIN)/.harness ## set up what the look profile needs, run it in five minutes, print the tables and the report's path
	$(BIN)/samestep run --profile look

# All of them run, whatever one has found; the type checker beside the tests, and speaks after them.
test: $(BIN)/.dev ## set up, then lint, types and the fast tests
	@failed=; said=$$(mktemp); $(BIN)/mypy >$$said 2>&1 & types=$$!; \
	$(BIN)/ruff check || failed+=', ruff check'; \
	$(BIN)/ruff format --check || failed+=', ruff format'; \
	$(BIN)/pytest -m "not frameworks and not engine and not browser and not slurm" $(IN_TWO) || failed+=', pytest'; \
	wait $$types || failed+=', mypy'; \
	cat $$said; rm $$said; \
	[ -z "$$failed" ] || { echo "make test failed: $${failed#, }" >&2; exit 1; }

test-frameworks: $(BIN)/.dev ## every real framework, in a sample of its modes and faults (ten minutes)
	$(BIN)/pytest -m "frameworks and not whole" $(IN_TWO) --durations 20

test-frameworks-all: $(BIN)/.dev ## every mode and every planted fault of the real frameworks (half an hour)
	$(BIN)/pytest -m frameworks $(IN_TWO) --durations 20

test-engine: $(BIN)/.dev ## the tests that need a Docker engine
	$(BIN)/pytest -m "engine and not slurm"

test-slurm: $(BIN)/.dev ## the tests of a fleet on a Slurm of two hosts, which they start here (as root); some need an engine
	$(BIN)/pytest -m slurm --durations 10

test-browser: $(BIN)/.dev ## the tests that look at the report in a Chromium
	$(BIN)/pytest -m browser

standalone: $(BIN)/.harness ## every mode against a stand-alone script of the same mode, alternating (some 45 minutes)
	$(BIN)/python -m harness.standalone.compare

peers: $(BIN)/.harness ## samestep beside pyperf, pytest-benchmark, torch's Timer and hyperfine (some two hours)
	$(BIN)/python -m harness.peers

faults: $(BIN)/.dev ## plant 12 000 faults and a hundred kills, print what samestep did not stand (some hours; goes on where it was)
	$(BIN)/python -m tests.faults

faults-short: $(BIN)/.dev ## a sample of the same faults (three minutes)
	$(BIN)/python -m tests.faults --short --anew

pictures: $(BIN)/.dev ## make the pictures of README.md and docs/ and the list of published runs anew, from those runs
	$(BIN)/python -m tests.pictures

docs: $(BIN)/.docs ## set up, then serve the pages of docs/ on this host, new with every edit (DOCS=localhost:8000)
	$(BIN)/mkdocs serve --strict --dev-addr $(DOCS)

docs-build: $(BIN)/.docs ## set up, then build the pages into build/site; a broken link or anchor fails
	$(BIN)/mkdocs build --strict

lock: $(BIN)/.harness ## resolve every lock file anew
	$(BIN)/python -m harness.environments.locks

clean: ## remove what make made; runs under results/ stay
	rm -rf .venv .envs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks

# Stamp files: an environment is brought up to date only when its lock or pyproject.toml is newer.
$(BIN)/.harness: $(LOCKS)/harness.txt pyproject.toml | $(BIN)/uv
	@echo "Installing the harness into .venv"
	@$(UV_INSTALL) --require-hashes -r $<
	@$(UV_INSTALL) --no-deps --no-build-isolation --editable .
	@[ -x $(BIN)/samestep ] || { echo "uv put the packages elsewhere: a uv.toml of yours names a target or a prefix under [pip]; take it out" >&2; exit 1; }
	@sed -i '1s|^#!/[^ ]*python[^ ]*$$|& -I|' $(BIN)/samestep # whatever PYTHONHOME and PYTHONPATH say
	@touch $@

$(BIN)/.dev: $(LOCKS)/dev.txt $(BIN)/.harness
	@echo "Installing the tools of the tests into .venv"
	@$(UV_INSTALL) --require-hashes -r $<
	@touch $@

# The site needs nothing of the harness: only uv, to be installed.
$(BIN)/.docs: $(LOCKS)/docs.txt | $(BIN)/uv
	@echo "Installing what makes the pages of docs/ into .venv"
	@$(UV_INSTALL) --require-hashes -r $<
	@touch $@

# pip installs uv, from the same lock; uv installs all else, in parallel. pip fetches it as the caller's settings say, and
# installs it without them: they may name another place to install to.
$(BIN)/uv:
	@[ -n "$(PYTHON)" ] || { echo "samestep needs Python 3.11 or newer: install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -I -m venv --clear .venv || { rm -rf .venv; echo "$(PYTHON) cannot make an environment: install its venv package (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@sed -n '/^uv==/,/[^\\]$$/p' $(LOCKS)/harness.txt >.venv/uv.txt
	@$(BIN)/python -I -m pip download --quiet --require-hashes --no-deps --only-binary=:all: --dest .venv/uv -r .venv/uv.txt
	@PIP_CONFIG_FILE=/dev/null $(BIN)/python -I -m pip install --isolated --quiet --no-index --no-deps .venv/uv/*.whl
	@rm -r .venv/uv
