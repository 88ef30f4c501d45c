# Every task, for people and for CI; `make help` lists them.
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
SOURCE = --dataset $(DATASET) $(if $(DATA),--data "$(DATA)") $(OPTIONS:%=--option %)

export RECSTACK_HOME
# No telemetry, and all state stays in RECSTACK_HOME.
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
	@echo "  Options: DATASET=$(DATASET)  DATA=folder of your own copy  TORCH_BACKEND=cpu for a torch without CUDA"

.PHONY: venv
venv: ## make .venv from requirements.lock; does nothing if it is up to date
	@infra/bootstrap.sh

.PHONY: java
java:
	@infra/require_java.sh

.PHONY: redis
redis:
	@infra/require_redis.sh

.PHONY: demo
demo: java venv ## the whole pipeline, from ratings to recommendations served by TorchServe; more options in ARGS
	@$(BIN)/recstack demo $(SOURCE) $(ARGS)

.PHONY: stop
stop: ## end every server that make demo and make ui started
	@if [ -x $(BIN)/recstack ]; then $(BIN)/recstack stop; fi

.PHONY: ui
ui: venv ## start the web pages of Prefect and MLflow on the demo's data
	@$(BIN)/recstack ui

.PHONY: evaluate
evaluate: java venv ## compare all models on a dataset; more options in ARGS="--protocol … --seeds 3"
	@$(BIN)/recstack evaluate $(SOURCE) $(ARGS)

.PHONY: check-data
check-data: venv ## what is in the files of DATA, how they are read, what is wrong; ARGS=--whole reads every row
	@$(BIN)/recstack check --data "$(DATA)" $(ARGS)

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
destroy: ## end the deployment and remove its data and images, after a prompt (YES=1 skips it)
	@YES="$(YES)" infra/destroy.sh

.PHONY: backup
backup: ## back up the deployment's data to BACKUP=backups/<time>
	@infra/backup.sh $(BACKUP)

.PHONY: check
check: ## check that a running deployment keeps its promises
	@python3 -m infra.check

.PHONY: drill
drill: ## break a running deployment on purpose and check that it recovers; ARGS="redis worker" picks
	@python3 -m infra.drill $(ARGS)

.PHONY: restore
restore: ## restore a backup; BACKUP=folder
	@infra/restore.sh $(BACKUP)

.PHONY: bench
bench: java redis venv ## compare hot paths with the usual way, some 30 minutes; writes benchmarks/RESULTS.md
	@$(BIN)/python benchmarks/run.py

.PHONY: bench-scale
bench-scale: java redis venv ## the same at full size, 38.6 million ratings; writes benchmarks/RESULTS-scale.md
	@$(BIN)/python benchmarks/run.py scale

.PHONY: check-gpu
check-gpu: venv ## train on the GPU and on the CPU and compare, at most 8 minutes; without a GPU on the CPU alone
	@$(BIN)/python benchmarks/check_gpu.py

.PHONY: test
test: java redis lint ## lint, then run every test; ARGS="tests/unit -k profile" picks some
	@$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --ignore=tests/day_two $(ARGS)

.PHONY: day-two
day-two: java redis venv ## the tests of a second day (changed logs, kills, expired tokens), some 15 minutes; ARGS picks
	@$(BIN)/pytest --numprocesses 2 --dist loadgroup tests/day_two $(ARGS)

.PHONY: lint
lint: venv ## format, rules, types, and the layers of modules
	@$(BIN)/ruff format --check --quiet . || { echo "run make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

.PHONY: format
format: venv ## format the code and fix what ruff can fix
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

.PHONY: lock
lock: venv ## write requirements.lock again from pyproject.toml; UPGRADE=1 takes the newest versions
	@infra/lock.sh

.PHONY: clean
clean: ## remove caches of tools; downloads, results and .venv stay
	@rm -rf build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	@echo "To start from nothing: make stop, then remove .recstack (downloads, results) and .venv."
