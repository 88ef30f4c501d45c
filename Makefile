# The one vocabulary of tasks, for people and for CI. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

DATASET ?= movielens_100k
DATA ?=
ARGS ?=
OPTIONS ?=
SERVICE ?=
BACKUP ?=
RECSTACK_HOME ?= $(CURDIR)/.recstack
BIN := .venv/bin
# Optimized bytecode leaves out Feast's run-time type checks, 3 s of each start.
QUICK = PYTHONOPTIMIZE=1
SOURCE = --dataset $(DATASET) $(if $(DATA),--data "$(DATA)") $(OPTIONS:%=--option %)

export RECSTACK_HOME
# Nothing here reports to anybody, and all state stays in RECSTACK_HOME.
export PREFECT_HOME := $(abspath $(RECSTACK_HOME))/prefect
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL := WARNING
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export FEAST_USAGE := False
export HYPOTHESIS_STORAGE_DIRECTORY := $(RECSTACK_HOME)/hypothesis

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'
	@echo "  Options: DATASET=$(DATASET)  DATA=folder of your own copy  TORCH_INDEX=index with a torch for your machine"

.PHONY: venv
venv: ## make .venv from requirements.lock, or do nothing if it stands
	@infra/bootstrap.sh

.PHONY: java
java:
	@infra/require_java.sh

.PHONY: redis
redis:
	@infra/require_redis.sh

.PHONY: demo
demo: java venv ## ratings in, recommendations out: the whole pipeline, served by TorchServe
	@$(QUICK) $(BIN)/recstack demo $(SOURCE)

.PHONY: stop
stop: ## end every server that demo and ui started
	@if [ -x $(BIN)/recstack ]; then $(BIN)/recstack stop; fi

.PHONY: ui
ui: venv ## start the web pages of Prefect and MLflow on the demo's data
	@$(BIN)/recstack ui

.PHONY: evaluate
evaluate: java venv ## compare all models on a dataset; more options in ARGS="--protocol … --seeds 3"
	@$(QUICK) $(BIN)/recstack evaluate $(SOURCE) $(ARGS)

.PHONY: deploy
deploy: ## the whole stack under Docker, with a first model; LOCAL_IMAGES=1 where no registry is reachable
	@DATASET="$(DATASET)" DATA="$(DATA)" infra/deploy.sh

.PHONY: status
status: ## the services of the deployment and their health
	@infra/compose.sh ps --all --format 'table {{.Service}}\t{{.Status}}' && infra/urls.sh

.PHONY: logs
logs: ## follow the logs; SERVICE=torchserve picks one
	@infra/compose.sh logs --follow --tail 100 $(SERVICE)

.PHONY: token
token: ## print TorchServe's inference token, for the header Authorization: Bearer
	@infra/compose.sh exec -T torchserve python -m serving.container token

.PHONY: images
images: ## the deployment's images and their sizes
	@infra/compose.sh images

.PHONY: undeploy
undeploy: ## end the deployment and keep its data
	@infra/compose.sh down --remove-orphans

.PHONY: destroy
destroy: ## end the deployment and remove its data and images; asks first (YES=1 does not)
	@YES="$(YES)" infra/destroy.sh

.PHONY: backup
backup: ## write Postgres, the object store and Redis to BACKUP=backups/<time>
	@infra/backup.sh $(BACKUP)

.PHONY: check
check: ## ask a running deployment whether it keeps its promises
	@python3 -m infra.check

.PHONY: drill
drill: ## break a running deployment on purpose: restarts, Redis, worker, volumes, backup; ARGS="redis worker" picks
	@python3 -m infra.drill $(ARGS)

.PHONY: restore
restore: ## put back what backup wrote; BACKUP=folder
	@infra/restore.sh $(BACKUP)

.PHONY: bench
bench: java redis venv ## compare every hot path with the stock way, in some 30 minutes; writes benchmarks/RESULTS.md
	@$(BIN)/python benchmarks/run.py

.PHONY: bench-scale
bench-scale: java redis venv ## the same at full size, 38.6 million ratings; writes benchmarks/RESULTS-scale.md
	@$(BIN)/python benchmarks/run.py scale

.PHONY: test
test: java redis lint ## lint, then run every test; ARGS="tests/unit -k profile" picks some
	@$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: lint
lint: venv ## format, rules, types, and the layers between modules
	@$(BIN)/ruff format --check --quiet . || { echo "make format mends this"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

.PHONY: format
format: venv ## format the code and mend what ruff can mend
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

.PHONY: lock
lock: venv ## choose versions for pyproject.toml anew; UPGRADE=1 takes the newest
	@infra/lock.sh

.PHONY: clean
clean: ## remove the caches of tools; downloads, results and .venv stay
	@rm -rf build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	@echo "To begin from nothing: make stop, then remove .recstack (downloads, results) and .venv."
