# Everything a developer or operator types; `make` alone lists it.
# Needs git, make and Python 3.11 or newer; all else is installed into the checkout.

UV := .tools/bin/uv
BIN := .venv/bin
SYNC := $(UV) sync --quiet --locked --extra embedded --python .tools/bin/python
TOOLS := .tools/.uv-ready
RUNTIME := .venv/.runtime-ready
DEVELOPMENT := .venv/.development-ready
ASSETS := app/ui/static/vendor/manifest.json
AXE := .tools/axe/axe.min.js
PARALLEL := -n 2 --dist worksteal
SHELL := /bin/sh
# Processes that compile everything anew start at half the speed.
unexport PYTHONDONTWRITEBYTECODE
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup run worker beat demo doctor test test-all test-browser chaos mutations check check-migrations check-containers check-cloud scan lint rules scanners audit \
	format bench load load-containers soak scaling-model matching migrate migration assets hooks clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEVELOPMENT) $(ASSETS) $(AXE) hooks ## Install everything for developing into the checkout

run: $(RUNTIME) $(ASSETS) ## Start everything: databases, pages, worker, scheduler, bank simulator
	@exec $(BIN)/fintech up $(arguments)

worker: $(RUNTIME) ## Start one Celery worker (DATABASE_URL and REDIS_URL name the servers)
	@exec $(BIN)/celery -A app.tasks worker --loglevel=info --pool threads

beat: $(RUNTIME) ## Start the Celery scheduler (DATABASE_URL and REDIS_URL name the servers)
	@exec $(BIN)/celery -A app.tasks beat --loglevel=info

demo: $(RUNTIME) $(ASSETS) ## Start everything and fill it with the demo household
	@exec $(BIN)/fintech up --demo $(arguments)

doctor: $(RUNTIME) ## Check database, broker, migrations, keys, provider, disk and clock
	@exec $(BIN)/fintech doctor

migrate: $(RUNTIME) ## Bring the database of DATABASE_URL to the newest migration
	@exec $(BIN)/alembic upgrade head

migration: $(DEVELOPMENT) ## Write a migration from the models: make migration m="why"
	@test -n "$(m)" || { echo 'Say why: make migration m="remember the branch of an account"'; exit 2; }
	@exec $(BIN)/alembic revision --autogenerate -m "$(m)"

test: $(DEVELOPMENT) $(ASSETS) ## Run the tests, but the slow ones and those that need a browser
	@sh scripts/ensure_pgbouncer.sh
	$(BIN)/pytest -m "not browser and not slow" $(PARALLEL)

explore: $(DEVELOPMENT) $(ASSETS) ## Look for what is new: the same tests with examples nobody tried
	HYPOTHESIS_PROFILE=explore $(BIN)/pytest -m "not browser" $(PARALLEL)

test-all: $(DEVELOPMENT) $(ASSETS) ## Run all tests without a browser, slow ones too, with many examples
	@sh scripts/ensure_pgbouncer.sh
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -m "not browser" $(PARALLEL)

chaos: $(DEVELOPMENT) ## Kill workers at named places and check every invariant: make chaos SEED=7 N=1000
	@exec $(BIN)/python -m tests.faults.chaos $(if $(SEED),--seed $(SEED)) --kills $(or $(N),1000) $(arguments)

mutations: $(DEVELOPMENT) ## Break the program on purpose, place by place, and see that a test notices
	@exec $(BIN)/python scripts/mutation_check.py $(arguments)

test-browser: $(DEVELOPMENT) $(ASSETS) $(AXE) ## Run the tests that need Chromium
	@sh scripts/ensure_chromium.sh
	$(BIN)/pytest -m browser $(PARALLEL) --dist loadgroup tests/ui
	$(BIN)/pytest -m browser tests/browser

lint: $(DEVELOPMENT) rules scanners ## Check style, types, import contracts, templates and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint app --lint --quiet
	$(BIN)/codespell

rules: $(DEVELOPMENT) ## Check the rules of this house that no linter knows
	$(BIN)/python scripts/check_rules.py

scanners: $(DEVELOPMENT) ## Look for known weaknesses in the code, and for secrets in all files
	$(BIN)/bandit --quiet --recursive --severity-level medium --configfile pyproject.toml app migrations
	$(BIN)/python scripts/check_secrets.py

audit: $(DEVELOPMENT) ## Ask PyPI's list of weaknesses about all that is locked: needs the internet, fails without
	$(UV) export --quiet --locked --all-extras --no-emit-project --output-file .tools/audit.txt
	$(UV) run --quiet --no-project --with pip-audit==2.10.1 pip-audit --strict --disable-pip --require-hashes -r .tools/audit.txt

format: $(DEVELOPMENT) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

check-migrations: $(DEVELOPMENT) ## Try the migrations on an empty database, there and back
	$(BIN)/python scripts/check_migrations.py

check-containers: $(TOOLS) ## Build the image and run the deployment files for real: as root on Debian, in minutes
	@$(UV) run --quiet --no-project --with podman-compose==1.6.0 --with kubernetes-validate==1.37.0 \
		--with helm-python-sdk==0.2.2 python -m scripts.check_containers $(arguments)

check-cloud: $(TOOLS) ## Check the files for AWS with cfn-lint, and play them against moto
	@$(UV) run --quiet --no-project --with cfn-lint==1.58.0 --with 'moto[all]==5.2.1' --with pyyaml==6.0.3 \
		python -W ignore -m scripts.check_cloud

scan: $(DEVELOPMENT) $(ASSETS) ## Let semgrep read the program, and schemathesis and sqlmap attack it, in minutes
	@$(UV) run --quiet --no-project --with schemathesis==4.32.5 --with sqlmap==1.10.10 --with semgrep==1.185.0 \
		$(BIN)/python -m scripts.scan $(arguments)

check: lint check-migrations ## Everything that must pass before a commit counts
	$(MAKE) test-all
	$(MAKE) chaos N=1000 arguments=--no-write
	$(MAKE) test-browser

bench: $(DEVELOPMENT) $(ASSETS) ## Measure the budgets of the design: make bench ONLY=apply QUICK=1
	@exec $(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(arguments)

load: $(DEVELOPMENT) $(ASSETS) ## Send a crowd to one installation: make load PEOPLE=24 ROWS=5000 SECONDS=60
	@exec $(BIN)/python -m benchmarks.crowd load $(if $(PEOPLE),--people $(PEOPLE)) $(if $(ROWS),--rows $(ROWS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(arguments)

soak: $(DEVELOPMENT) $(ASSETS) ## Let a crowd stay and see whether memory grows: make soak MINUTES=120
	@exec $(BIN)/python -m benchmarks.crowd soak $(if $(PEOPLE),--people $(PEOPLE)) $(if $(ROWS),--rows $(ROWS)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(arguments)

load-containers: $(DEVELOPMENT) $(TOOLS) ## Send the same crowd to docker-compose.prod.yml through nginx: as root on Debian
	@$(UV) run --quiet --no-project --with podman-compose==1.6.0 --with kubernetes-validate==1.37.0 \
		--with helm-python-sdk==0.2.2 python -m scripts.check_containers $(arguments) --crowd \
		$(if $(PEOPLE),--people $(PEOPLE)) $(if $(ROWS),--rows $(ROWS)) $(if $(SECONDS),--seconds $(SECONDS))

scaling-model: $(DEVELOPMENT) ## Calculate from one person to a million Items; writes docs/scaling.md
	@$(BIN)/python -m benchmarks.scaling_page $(arguments)

matching: $(DEVELOPMENT) ## Measure how often duplicates are found rightly; writes docs/reference/matching.md
	$(BIN)/python -m benchmarks.matching

assets: $(RUNTIME) ## Fetch the client libraries of the pages again
	$(BIN)/python scripts/fetch_assets.py --force

hooks: $(DEVELOPMENT)
	@if [ -f .pre-commit-config.yaml ] && [ -e .git ]; then $(BIN)/pre-commit install >/dev/null; fi

clean: ## Remove all that was installed or made in the checkout; data in the home stays
	rm -rf .venv .tools app/ui/static/vendor dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find app tests scripts benchmarks migrations -name __pycache__ -type d -prune -exec rm -rf {} +

$(TOOLS): scripts/bootstrap.sh
	@echo "Installing uv into .tools ..."
	@PYTHON="$(PYTHON)" sh scripts/bootstrap.sh
	@touch $@

# Only what is needed to run; leaves developers' packages where they are installed already.
$(RUNTIME): $(TOOLS) pyproject.toml uv.lock
	@echo "Installing packages into .venv ..."
	@$(SYNC) --no-dev --inexact --compile-bytecode
	@$(BIN)/python -m compileall -q app
	@touch $@

$(DEVELOPMENT): $(TOOLS) pyproject.toml uv.lock
	@echo "Installing packages for development into .venv ..."
	@$(SYNC)
	@touch $(RUNTIME) $@

$(ASSETS): scripts/fetch_assets.py package.json package-lock.json | $(RUNTIME)
	@$(BIN)/python scripts/fetch_assets.py
	@touch $@

$(AXE): package-lock.json | $(RUNTIME)
	@$(BIN)/python scripts/fetch_assets.py --dev
	@touch $@
