# make demo: from a bare clone to an index, a question and its answer.   make test: the tests.   make help: the rest.

.DELETE_ON_ERROR:
.PHONY: help demo install test test-services test-oldest lint types imports check format bench fuzz clean distclean

VENV = .venv
BIN = $(VENV)/bin
DEMO = .demo
FUZZ_SECONDS = 600
BENCH_ARGS =

# wheels only, for what is installed and for what builds psalab itself
export PIP_ONLY_BINARY = :all:
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1
export PIP_QUIET = 1

# The first Python from 3.11 to 3.13 that runs (a shim of a version manager may be there and not run). make PYTHON=...
# takes any other one.
PYTHON = $$(for python in python3 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 \
	&& { command -v "$$python"; break; }; done)

help:
	@echo 'make demo           a demonstration volume, its index, a question, the answer'
	@echo 'make test           the tests (uses ../shared, or PSALAB_SHARED, where it is there)'
	@echo 'make test-services  tests with mounts that fail and disks that fill up (as root: installs what is missing by apt)'
	@echo 'make test-oldest    the tests with the oldest dependencies that pyproject.toml allows'
	@echo 'make lint types imports   one gate each; make check: every gate'
	@echo 'make format         put the code into its form'
	@echo 'make bench          figures on real labels;  make fuzz: FUZZ_SECONDS=$(FUZZ_SECONDS) of random input'
	@echo 'make clean          removes what make made, but the environment;  make distclean: that too'

# ------------------------------------------------------------------------------------------------------- environment

$(BIN)/.made:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
		echo 'psalab needs Python 3.11, 3.12 or 3.13; none of python3, python3.13, python3.12, python3.11 is one.' >&2; \
		echo 'Install one, or name it: make PYTHON=/path/to/python' >&2; exit 1; \
	fi; \
	"$$python" -m venv $(VENV) || { \
		echo "$$python cannot make an environment (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --upgrade 'pip>=25.1'  # the first that knows dependency groups
	@touch $@

$(BIN)/.psalab: $(BIN)/.made pyproject.toml
	$(BIN)/python -m pip install --editable .
	@touch $@

$(BIN)/.test: $(BIN)/.psalab
	$(BIN)/python -m pip install --group test --editable .
	@touch $@

$(BIN)/.services: $(BIN)/.test
	$(BIN)/python -m pip install --group services --editable .
	@touch $@

$(BIN)/.lint: $(BIN)/.psalab
	$(BIN)/python -m pip install --group lint --editable .
	@touch $@

$(BIN)/.bench: $(BIN)/.test
	$(BIN)/python -m pip install --group bench --editable .
	@touch $@

install: $(BIN)/.test $(BIN)/.services $(BIN)/.lint

# --------------------------------------------------------------------------------------------------------------- demo

demo: $(BIN)/.psalab
	@rm -rf $(DEMO)
	$(BIN)/psalab demo $(DEMO)/volume
	$(BIN)/psalab index build $(DEMO)/volume --index $(DEMO)/index.duckdb
	@echo 'What is there?'
	$(BIN)/psalab index sql --index $(DEMO)/index.duckdb \
		"select standard, mission, instrument, level, count(*) as products from products where latest group by all order by all"
	@echo 'Which images of the comet were taken with the Sun behind us (phase angle, deg), and from how far (km)?'
	$(BIN)/psalab index sql --index $(DEMO)/index.duckdb \
		"select id, start_time, PHASE_ANGLE, SPACECRAFT_ALTITUDE from OSINAC where latest and PHASE_ANGLE < 40 order by start_time limit 8"

# -------------------------------------------------------------------------------------------------------------- gates

test: $(BIN)/.test
	$(BIN)/python -m pytest -n auto --dist loadfile -m 'not services' $(PYTEST_ARGS)

test-services: $(BIN)/.services
	@sh tests/services/prepare.sh
	$(BIN)/python -m pytest tests/services $(PYTEST_ARGS)

# an environment of its own, from the lower bounds; not part of `check`: it is for whoever changes a bound
test-oldest: $(BIN)/.made
	$(MAKE) VENV=$(VENV)-oldest $(VENV)-oldest/bin/.made
	$(BIN)/python tools/oldest.py pyproject.toml > $(VENV)-oldest/oldest.txt
	$(VENV)-oldest/bin/python -m pip install --group test --editable . --constraint $(VENV)-oldest/oldest.txt
	$(VENV)-oldest/bin/python -m pytest -n auto --dist loadfile -m 'not services' $(PYTEST_ARGS)

lint: $(BIN)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .

types: $(BIN)/.lint
	$(BIN)/mypy

imports: $(BIN)/.lint
	$(BIN)/lint-imports --no-logo --no-cache  # its cache does not see that a module was added

check: lint types imports test test-services

format: $(BIN)/.lint
	$(BIN)/ruff format .

bench: $(BIN)/.bench
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

fuzz: $(BIN)/.test
	PSALAB_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest -n auto --timeout 0 tests/fuzz $(PYTEST_ARGS)

clean:
	rm -rf $(DEMO) .bench build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find psalab tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	rm -rf $(VENV) $(VENV)-oldest .data
