# make demo                      the first minute, on sample photographs
# make demo PICTURES=~/Pictures  the same on your own (nothing of yours is changed)
# make test                      the whole default test suite
# make check                     lint, types and tests: what has to pass before a change lands

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: man demo test chaos test-models lint types check clean

demo: $(VENV)/.daemon
	@$(BIN)/python bench/demo.py $(if $(PICTURES),--pictures "$(PICTURES)")

# In two halves beside each other, since most tests wait for processes: 227 s instead of 428 on two cores. The second is all that the
# first is not, so nothing can be left out.
HALF = tests/daemon tests/transcripts tests/unit/client tests/unit/places
DEFAULT = $(BIN)/pytest -m "not torch and not slow"

test: $(VENV)/.dev
	@log=$$(mktemp); $(DEFAULT) -p no:cacheprovider $(HALF) > $$log 2>&1 & half=$$!; \
	$(DEFAULT) $(HALF:%=--ignore=%); code=$$?; \
	wait $$half || code=1; cat $$log; rm $$log; exit $$code

# The long tier of the same promises (docs/reliability.md): more seeds, more kills, every prefix, every byte. About an hour and a half.
chaos: $(VENV)/.dev
	$(BIN)/pytest -m "slow and not torch" --durations=20

# Adds torch and open_clip (about 1.3 GB): installing, converting and training models.
test-models: $(VENV)/.models
	$(BIN)/pytest -m torch

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types test

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.daemon: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[daemon]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.daemon

$(VENV)/.models: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[dev,models]'
	@touch $@ $(VENV)/.dev $(VENV)/.daemon

man: $(VENV)/.daemon
	$(BIN)/kadr manual > kadr.1

clean:
	rm -rf $(VENV) build dist
