# Sluice. Every target sets up what it needs on a bare Debian 12 (git and make), says what it does, and skips
# what is done already. `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= /usr/bin/python3
export JOBS

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Builds build/sluice
	@.ci/setup build swagger
	@.ci/build release sluice

.PHONY: run
run: ## Builds, and serves config/demo.yaml on 127.0.0.1:8080 with the parts behind it; Ctrl-C ends it
	@.ci/setup build run swagger
	@.ci/build release sluice
	@exec $(PYTHON) config/demo/launch.py

.PHONY: test
test: ## Runs all tests: release, sanitizers, fuzzing, lint of what changed (about 20 minutes on 2 cores)
	@.ci/setup build test lint fuzz npm swagger
	@$(PYTHON) .ci/check.py test $(if $(ONLY),--only $(ONLY))

.PHONY: verify
verify: ## Runs all tests, all of clang-tidy, longer fuzzing, coverage and the soak (over an hour)
	@.ci/setup build test lint fuzz npm swagger
	@$(PYTHON) .ci/check.py verify $(if $(ONLY),--only $(ONLY))

.PHONY: bench
bench: ## Measures beside nginx and HAProxy: ONLY=static,proxy ROUNDS=5
	@.ci/setup build bench
	@.ci/build release sluice bench
	@$(PYTHON) tests/bench/run.py $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: fuzz
fuzz: ## Fuzzes: TIME=60 (seconds a target), TARGET=all or a name
	@.ci/setup build fuzz
	@$(PYTHON) .ci/check.py fuzz --time $(or $(TIME),60) --target $(or $(TARGET),all)

.PHONY: lint
lint: ## Checks format, layers and all of clang-tidy
	@.ci/setup build lint
	@$(PYTHON) .ci/check.py lint

.PHONY: format
format: ## Formats all C++ files
	@.ci/setup lint
	@git ls-files -z '*.cpp' '*.hpp' | xargs -0r clang-format-19 -i

.PHONY: install
install: build ## Installs under PREFIX=/usr/local (DESTDIR for packagers)
	@DESTDIR='$(DESTDIR)' cmake --install build --prefix '$(PREFIX)' --strip

.PHONY: clean
clean: ## Removes what was built; packages stay
	@rm -rf build
