# Two commands on a fresh machine with Python 3.11 or newer: `make demo` and `make test`. `make help` lists the rest.

PYTHON   ?= python3
DURATION ?=
ARGS     ?=
VENV     := .venv
IN_VENV  := $(VENV)/bin/python
READY    := $(VENV)/.dependencies-installed
LOCKER   := build/locker
BENCH    := build/bench
PEERS    := $(BENCH)/.peers-installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint mutants bench fast lock clean

help: ## show this
	@echo "botpit: a local exchange for trading bots"
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s%s\n", $$1, $$2 }'
	@echo
	@echo "  DURATION=20 ends the demo after 20 seconds; ARGS=\"--order-port 7001\" gives it flags; PYTHON=python3.12 makes .venv with that one"

demo: $(READY) ## watch the bots of bots_config.json trade, until Ctrl-C or for DURATION=20 seconds
	@$(IN_VENV) -m botpit demo $(if $(DURATION),--duration $(DURATION)) $(ARGS)

test: $(READY) ## run the whole test suite
	@$(IN_VENV) -m pytest

lint: $(READY) ## run ruff and mypy --strict
	@$(IN_VENV) -m ruff check .
	@$(IN_VENV) -m ruff format --check --quiet .
	@$(IN_VENV) -m mypy --strict

mutants: $(READY) ## plant every seeded fault into the engine, by name, and see it caught
	@$(IN_VENV) -m tests.laws.mutants

bench: $(PEERS) ## measure speed beside its peers, judge the targets and write benchmarks/results.md
	@$(BENCH)/bin/python benchmarks/bench.py $(ARGS)

fast: $(READY) ## compile the engine in place: the same exchange, quicker (needs a C compiler)
	@$(IN_VENV) tools/fast.py

lock: ## make requirements.txt again from pyproject.toml, with the newest versions (asks the package index)
	@$(PYTHON) -m venv --clear $(LOCKER)
	@$(LOCKER)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(LOCKER)/bin/python -m uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
		--extra test --extra lint --extra fast --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --output-file requirements.txt

clean: ## remove .venv, builds, the compiled engine and caches; runs/ and CSV files stay
	@rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@rm -f *__mypyc.*.so *__mypyc.*.pyd botpit/*.so botpit/*/*.so botpit/*/*/*.so botpit/*.pyd botpit/*/*.pyd botpit/*/*/*.pyd botpit/compiled.stamp
	@find . -name __pycache__ -type d -not -path "./runs/*" -prune -exec rm -rf {} +

$(READY): requirements.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "error: $(PYTHON) is missing or too old: install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: $(PYTHON) has no venv module: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@test ! -L $(VENV) || { echo "error: $(VENV) is a link: what it leads to would be emptied; remove the link" >&2; exit 1; }
	@echo "installing the pinned dependencies into $(VENV) (once, up to a minute)"
	@"$(PYTHON)" -m venv --clear $(VENV)
	@PIP_USER=0 $(IN_VENV) -m pip install -qq --disable-pip-version-check --no-input -r requirements.txt
	@touch $@

$(PEERS): $(READY) requirements.txt benchmarks/requirements.txt
	@echo "installing the peers of the benchmarks into $(BENCH) (once, up to a minute)"
	@"$(PYTHON)" -m venv --clear $(BENCH)
	@PIP_USER=0 $(BENCH)/bin/python -m pip install -qq --disable-pip-version-check --no-input -r requirements.txt
	@PIP_USER=0 $(BENCH)/bin/python -m pip install -qq --disable-pip-version-check --no-input -r benchmarks/requirements.txt
	@touch $@
