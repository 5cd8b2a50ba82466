# The workflow, for people and for CI. Needs only git, make, python3 (>= 3.11) and python3-venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO ?=
BENCH ?=
OLD ?=
READERS ?=
TESTS ?=
KILLS ?= 20
SEED ?=

.PHONY: help setup demo run test slow soak gates golden screenshots thunderbird lint format lock wheelhouse bench compare clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

setup: $(VENV)/.ok ## create the virtual environment (every target that needs it does this)

# --no-deps: the lock file is complete, and pip's own resolver fails on extras once a newer version is out.
$(VENV)/.ok: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "python3-venv is missing: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q --require-hashes --no-deps $(if $(wildcard wheelhouse),--no-index --find-links wheelhouse) -r requirements.lock
	$(PIP) install -q --no-deps --no-build-isolation --no-index -e .
	@$(PIP) check
	@$(BIN)/python -m compileall -q mailer
	@touch $@

demo: setup ## the whole main job with sample articles: make demo DEMO="--once --out DIR"
	$(BIN)/mailer demo $(DEMO)

run: setup ## run the service with ./config.toml
	$(BIN)/mailer run

test: setup ## the tests, in about five minutes (COVERAGE=1 prints the coverage, in about ten)
	$(BIN)/python -m pytest -q -n auto -m "not slow and not gates" $(if $(COVERAGE),--cov --cov-report=term) $(TESTS)

slow: setup ## tests that take minutes: crashes, weeks of a fake clock, several processes, large inputs
	$(BIN)/python -m pytest -q -n auto -m "slow and not gates" $(TESTS)

soak: setup ## crashes with twenty kills each, two to four senders: a quarter of an hour (SEED=n repeats a run)
	KHABARNAMEH_KILLS=$(KILLS) KHABARNAMEH_SEED=$(SEED) $(BIN)/python -m pytest -v tests/flow/test_crash_matrix.py \
		tests/flow/test_crash_freezing.py tests/flow/test_several_senders.py tests/flow/test_database_fails.py $(TESTS)

gates: setup ## judge the mails in Chromium, with SpamAssassin and caniemail; the findings are in build/gates.txt
	@rm -f build/gates.txt
	$(BIN)/python -m pytest -q -m gates -rs tests/gates; status=$$?; cat build/gates.txt; exit $$status

golden: setup ## write the mails of tests/golden again; look at the difference before you commit it
	$(BIN)/python tests/mail/golden_mails.py
	@git --no-pager diff --stat -- tests/golden

screenshots: setup ## make the pictures of the mails in docs/screens
	$(BIN)/python docs/screenshots.py

thunderbird: setup ## open a mail in Debian's Thunderbird, and leave pictures in build/thunderbird
	PATH="$(CURDIR)/$(BIN):$$PATH" docs/thunderbird.sh

bench: setup ## how fast, beside a C client and two libraries: writes docs/performance.md (BENCH="--count 5000")
	eval "$$(bench/postfix-tools.sh $(VENV)/postfix)" && $(BIN)/python -m bench $(BENCH)

compare: setup ## the bench in an older checkout and in this one, in turn: make compare OLD=DIR
	eval "$$(bench/postfix-tools.sh $(VENV)/postfix)" && $(BIN)/python -m bench.compare $(OLD) $(BENCH)

lint: setup ## ruff, mypy --strict, the import contracts, and the wording
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/house/prose.py

format: setup
	$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

lock: ## lock the newest allowed versions (requirements.lock has versions and hashes, no URL)
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip --disable-pip-version-check install -q pip-tools
	$(VENV)/lock/bin/pip-compile -q --upgrade --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra dev -o requirements.lock pyproject.toml
	$(VENV)/lock/bin/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links -c requirements.lock --extra mysql \
		-o requirements-run.lock pyproject.toml

wheelhouse: setup ## fetch all wheels for an install without the network
	$(PIP) download -q --no-deps -d wheelhouse -r requirements.lock

clean: ## remove what setup and tests created
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
