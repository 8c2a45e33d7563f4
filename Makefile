# Sapwood's commands. Each is a line or two: what it does is in scripts/ and in
# tests/report.

SHELL := /bin/bash
# Where rustup puts cargo, also for shells that never read a profile.
export PATH := $(PATH):$(HOME)/.cargo/bin
REPORT := cargo run --quiet --locked --package sapwood-report --
# Only these packages: make test PACKAGES="sapwood-kit sapwood-vm"
PACKAGES ?=
ONLY := $(addprefix --package ,$(PACKAGES))
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sapwood

.DEFAULT_GOAL := help
.PHONY: help run test lint bench setup clean

help: ## Show this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: ## Build, make a busybox image, load it, run it on overlay2 and on vfs
	@scripts/setup.sh run
	@scripts/run.sh

test: ## Run everything that this machine can run; say what ran and what did not
	@scripts/setup.sh test
	@$(REPORT) $(ONLY) test

lint: ## Check formatting, lints, documentation, licences
	@$(REPORT) $(ONLY) lint

bench: ## Measure container starts and loads beside runc, podman and docker
	@scripts/setup.sh bench
	@scripts/bench.sh start
	@scripts/bench.sh load

setup: ## Install what is missing to build, run and test
	@scripts/setup.sh test

clean: ## Remove build output and caches
	cargo clean
	rm -rf $(CACHE)
