# A fresh machine needs Python 3.11 or later with venv, and this file: `make search`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install -qq --disable-pip-version-check

.PHONY: search test slow check clean

search: .venv/installed
	$(BIN)/formulanas search search_spaces/recursion.yaml

test: .venv/installed-dev
	$(BIN)/pytest -n auto -m "not slow"

slow: .venv/installed-dev
	$(BIN)/pytest -n auto --dist loadfile -m slow

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv

.venv/installed: pyproject.toml
	@echo "setting up .venv (PyTorch is large; this is done once)"
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP) --editable '.[dev]'
	@touch $@
