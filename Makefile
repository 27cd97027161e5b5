# Everything a developer does here, one target each. It takes only make and Python 3.11 or newer: the first target that
# needs the environment builds it. `make` prints the list.

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
READY := .venv/.installed
PAGE := streamer/page/source
SHORT := not slow and not faults and not gpu
FAST := not kafka and not long and $(SHORT)
EXAMPLES := few

# Where images set it, every process of the tests would compile them and rewrite their assertions again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install lock format lint check test test-all faults mutants hostile recovery rolling soak coverage demo
.PHONY: replay report kafka page page-test schemas public site site-serve dashboards bench bench-step day alerts manifests sbom clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY) ## build the environment, .venv, with the versions that requirements.lock pins

lock: $(UV) ## pin the dependencies of pyproject.toml again; ARGS=--upgrade also upgrades those that still fit
	$(UV) pip compile --quiet --universal --generate-hashes --all-extras --group dev --group docs pyproject.toml \
		--output-file requirements.lock --custom-compile-command "make lock" $(ARGS)
	$(UV) pip compile --quiet --universal --generate-hashes --group bench pyproject.toml \
		--output-file requirements-bench.lock --custom-compile-command "make lock" $(ARGS)

format: $(READY) ## format the code and fix what ruff can fix
	$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

lint: $(READY) ## style, types and the arrows between rooms
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

check: lint ## lint, then the tests that need only Python and little time, with few examples (a minute)
	$(BIN)/pytest -m "$(FAST)" --hypothesis-profile $(EXAMPLES) --numprocesses auto --maxprocesses 4 --dist worksteal

test: EXAMPLES := all
test: check ## check with all examples, then the longer tests and those on a real Kafka (under 15 minutes)
	$(BIN)/pytest -m "(kafka or long) and $(SHORT)"

test-all: lint ## every test, including the slow ones and those that kill workers; ARGS=tests/faults for some
	$(BIN)/pytest $(ARGS)

faults: $(READY) ## kill and freeze workers, take their disks, count lost and repeated answers; QUICK=1: a part of it
	$(BIN)/python -m tests.faults $(if $(QUICK),--quick) $(ARGS)

mutants: $(READY) ## check that the fault suite fails on products without the safeguards of law 1 (15 minutes)
	$(BIN)/python -m tests.faults.mutants $(ARGS)

hostile: $(READY) ## other people's clusters, files and habits, and every alert: docs/cases.md, drills.md; ARGS=tests/hostile/x.py
	$(BIN)/pytest $(or $(ARGS),--cases --drills --numprocesses 2)

recovery: $(READY) ## how quickly a lost worker is replaced, with 100,000 listeners
	$(BIN)/python -m tests.faults.recovery $(ARGS)

rolling: $(READY) ## what a rolling restart of three workers under load costs, with and without handing over
	$(BIN)/python -m tests.faults.rolling $(ARGS)

soak: $(READY) ## half an hour of random faults under load: nothing lost, nothing grows; FOR=seconds
	$(BIN)/python -m tests.faults.soak $(if $(FOR),--for $(FOR)) $(ARGS)

coverage: $(READY) ## show which lines and branches the fast tests miss
	$(BIN)/coverage run -m pytest -m "$(FAST)" && $(BIN)/coverage report --skip-covered --show-missing

demo: $(READY) ## Kafka, listeners, trainer and workers on this machine; FOR=seconds ends it
	$(BIN)/refrain demo $(if $(FOR),--for $(FOR))

replay: $(READY) ## answer recorded plays through Kafka and score the answers: make replay DATA=path ARGS="..."
	@test -n "$(DATA)" || { echo "Which plays? make replay DATA=path" >&2; exit 2; }
	$(BIN)/refrain replay $(DATA) $(ARGS)

report: $(READY) ## compare every system on recorded plays: make report DATA=path; CHECK=1 reproduces one seed
	@test -n "$(DATA)" || { echo "Which plays? make report DATA=path" >&2; exit 2; }
	$(BIN)/refrain report $(DATA) $(if $(CHECK),--check) $(ARGS)

kafka: $(READY) ## run a real one-node Kafka in the foreground, until Ctrl-C; PORT=9092, data stay in kafka/
	$(BIN)/python -m streamer.local.devkafka --port $(or $(PORT),9092) --directory kafka $(ARGS)

page: $(PAGE)/node_modules/.installed ## check the types of the web page, test its logic and build it: streamer/page/built; takes Node 20 or newer
	npm run --silent --prefix $(PAGE) check && npm test --silent --prefix $(PAGE) && npm run --silent --prefix $(PAGE) build

page-test: $(READY) $(PAGE)/node_modules/.installed ## drive the page in Chromium, on a live stream: docs/page/*.png
	$(BIN)/pytest tests/page $(ARGS)

schemas: $(READY) ## write docs/asyncapi.json, the JSON schemas of the topics, and docs/openapi.json, from the code
	$(BIN)/python -m streamer.wire.asyncapi && $(BIN)/python -m tests.openapi

public: $(READY) ## docs/public.md, commands.md, messages.md, settings.md, metrics.md, events.md, from the code
	$(BIN)/python -m tests.public && $(BIN)/python -m tests.metrics_page && $(BIN)/python -m tests.events
	$(BIN)/python -m tests.docs.commands_page && $(BIN)/python -m tests.docs.messages_page

site: $(READY) ## the documentation as a site, warnings are errors: site/html/index.html
	$(BIN)/python -m tests.docs.site

site-serve: site ## build the site and serve it on this machine; PORT=8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site/html $(or $(PORT),8000)

dashboards: $(READY) ## k8s/dashboards from the register of metrics, and the alerts for Prometheus Operator
	$(BIN)/python -m tests.k8s.dashboards && $(BIN)/python -m tests.k8s.prometheus_rule

bench: $(READY) .venv-bench/.installed ## every benchmark, in half an hour and 16 GB of disk: bench/bench.json, bench.html; docs/benchmarks.md
	$(BIN)/python -m tests.bench --document docs/benchmarks.md $(ARGS)

bench-step: $(READY) ## microseconds an answer at 10,000 to 1,000,000 tracks, on one thread; the last line is JSON
	@$(BIN)/python -m tests.bench.step $(ARGS)

day: $(READY) ## six weeks of listening in minutes, with an unattended trainer: docs/day.html and .json
	$(BIN)/python -m tests.bench.day $(ARGS)

alerts: $(READY) ## put the address of your runbooks into the alerts: make alerts URL=https://docs.example/runbooks.html
	@test -n "$(URL)" || { echo "Where are the runbooks? make alerts URL=address" >&2; exit 2; }
	$(BIN)/python -m tests.k8s.runbook_urls "$(URL)" && $(BIN)/python -m tests.k8s.prometheus_rule

manifests: $(READY) ## render the Kubernetes manifests and validate them against the schemas of Kubernetes
	kubectl kustomize k8s/overlays/production && $(BIN)/pytest tests/k8s

sbom: $(READY) ## bom.json: what an environment holds, as CycloneDX; ENVIRONMENT=path for another than .venv
	$(BIN)/cyclonedx-py environment --no-validate --pyproject pyproject.toml --output-file bom.json $(or $(ENVIRONMENT),.venv)

clean: ## remove what make and the tools built, including .venv
	rm -rf .venv .venv-bench bench site .tools $(PAGE)/node_modules .report .coverage htmlcov build dist *.egg-info .hypothesis .*_cache
	find models streamer tests -name __pycache__ -prune -exec rm -rf {} +

# The project's own build needs setuptools, which the lock pins too: hence no isolated build, which would fetch another.
# Compiled once here, torch and the rest need not be compiled by each process that starts before they are cached.
$(READY): $(UV) pyproject.toml requirements.lock
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv-bench/.installed: $(UV) requirements-bench.lock
	$(PYTHON) -m venv .venv-bench
	$(UV) pip install --quiet --compile-bytecode --python .venv-bench/bin/python --require-hashes -r requirements-bench.lock
	@touch $@

# Its versions are exact, so that the page is built from the same bytes everywhere; no script of theirs is run.
$(PAGE)/node_modules/.installed: $(PAGE)/package.json
	npm install --prefix $(PAGE) --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel error
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Refrain needs Python 3.11 or newer: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) cannot make environments: install its venv package (Debian: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet uv
