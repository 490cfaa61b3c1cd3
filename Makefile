# Each word does one thing and prints where the result is. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
SHORT := "not long and not soak and not llamacpp"
LLAMACPP := "llamacpp"
# What only computes: it starts no stack and measures no time, so it runs beside the others, at what they leave free.
COMPUTING := tests/test_architecture.py tests/dashboard tests/governance/test_audit_chain.py \
  tests/governance/test_audit_damage.py tests/governance/test_desk.py tests/governance/test_store.py \
  $(addprefix tests/aggregator/,energy test_chunks.py test_column_codec.py test_drift.py test_history.py test_inbox.py \
    test_keeper.py test_raw_query.py test_standing.py test_steps.py test_store.py test_table.py test_windows.py) \
  $(addprefix tests/bus/,test_catalogue.py test_database.py test_forking.py test_journal.py test_ring_file.py \
    test_settings_catalogue.py test_topics_and_series.py) \
  $(addprefix tests/cli/,test_clients.py test_top.py test_words.py) tests/gateway/otlp tests/gateway/test_ingest.py \
  $(addprefix tests/tap/,test_disagreement.py test_entropy.py test_reading.py test_structured.py)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help setup dev up down demo test test-long test-llamacpp test-soak test-attacks test-faults bench lint fix proto lock docs browser llamacpp

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.installed ## make .venv and install from the lock

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "The venv module is missing; on Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "Installing into $(VENV) (once, about half a minute)"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

dev: $(VENV)/.dev ## add what the tests, lint and generators need

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	@echo "Installing the tools of the tests into $(VENV)"
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

up: $(VENV)/.installed ## start the monitor and open the dashboard
	@$(BIN)/wfmon up --detach

down: ## stop it
	@$(BIN)/wfmon down

demo: $(VENV)/.installed ## real tokens without a model: tiny ones, served by a real llama.cpp (built once)
	@$(BIN)/python -m demo

browser: # the tests' Chromium: the system's package
	@command -v chromium chromium-browser google-chrome >/dev/null || tests/install-browser

test: $(VENV)/.dev browser ## the tests: units, integration, real browser (under 10 minutes)
	@computing=$$(mktemp); nice -n 19 $(PYTEST) -o cache_dir=.pytest_cache/computing $(COMPUTING) -m $(SHORT) \
	    >"$$computing" 2>&1 & other=$$!; \
	  trap 'kill "$$other" 2>/dev/null; rm -f "$$computing"' EXIT; code=0; \
	  $(PYTEST) tests --ignore=tests/attacks --ignore=tests/faults --ignore=tests/e2e \
	    $(addprefix --ignore=,$(COMPUTING)) -m $(SHORT) || code=$$?; \
	  wait "$$other" || code=$$?; echo "Beside them, what only computes:"; cat "$$computing"; exit $$code
	$(PYTEST) tests/e2e -m $(SHORT) # apart: the browser's driver keeps an event loop running

test-attacks: $(VENV)/.dev browser ## the attacks of docs/security.md, each with its number and count
	$(PYTEST) tests/attacks -rA -m $(SHORT)

test-faults: $(VENV)/.dev ## kills, full disks, broken files, clock steps
	$(PYTEST) tests/faults -rA -m $(SHORT)

test-long: $(VENV)/.dev browser ## what takes minutes each: full counts of kills of everything and of messages (about twenty minutes)
	$(PYTEST) tests --ignore=tests/e2e -rA -m "long and not soak"
	$(PYTEST) tests/e2e -rA -m "long and not soak"

llamacpp: $(VENV)/.installed # built once, in the user's cache
	@$(BIN)/python -m demo --only-build

test-llamacpp: $(VENV)/.dev browser ## the tap, the samplers and make demo with real llama.cpp (builds it once, some minutes)
	$(PYTEST) tests/llamacpp tests/collector/runtime -rA -m $(LLAMACPP)

test-soak: $(VENV)/.dev browser ## hundreds of kills, ten minutes of standing still, a thousand steps of the clock (about 80 minutes)
	$(PYTEST) tests -rA -m soak

bench: $(VENV)/.dev browser ## measure; writes bench-result.json and prints the table
	$(BIN)/python -m tests.bench

lint: $(VENV)/.dev ## ruff, mypy, generated files, the page's types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python proto/generate.py --check
	@if command -v npm >/dev/null; then cd dashboard && npm ci --silent --no-fund --no-audit && npm run --silent check; \
	  else echo "the page's types were not checked: npm is not installed"; test -z "$$CI"; fi

fix: $(VENV)/.dev ## format, and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(VENV)/.dev ## write the generated readers of proto/
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python proto/generate.py

docs: $(VENV)/.dev ## write the tables of metrics and settings from the catalogues
	$(BIN)/python docs/generate.py

lock: ## renew the locks (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra build pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
