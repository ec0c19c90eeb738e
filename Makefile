# The only entry points a newcomer needs; each does the set-up it needs itself.
#
# Everything is built in the release profile, so that dependencies are built
# once, and goes to $CARGO_TARGET_DIR when that is set.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

INSTALL := tests/systems/install.sh
TARGET := $(or $(CARGO_TARGET_DIR),target)
LONGSHORE := $(TARGET)/release/longshore
PLUGIN_BUILD := $(TARGET)/release/longshore-plugin-build

# The SDK is named so that cargo chooses the same features of shared
# dependencies here as for the whole workspace, and none is built twice.
HOST_PACKAGES := -p longshore -p longshore-plugin-build -p longshore-sdk
WORD_COUNT_PLUGINS := connectors/file plugins/examples/wordcount

# The text to count (default: this repository's documents) and the result's folder.
FILE ?=
OUT ?=
# How often `bench-kafka` and `bench-connect` measure.
RUNS ?= 5

.PHONY: help
help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install all that building and testing need
	@$(INSTALL) all

.PHONY: setup-build
setup-build:
	@$(INSTALL) build wasm

.PHONY: build
build: setup-build ## Build the longshore binary and the plugin builder
	cargo build --release $(HOST_PACKAGES)

.PHONY: plugins
plugins: build ## Build the plugins into WASM components
	$(PLUGIN_BUILD)

# Takes the binary's place in tests that must fail. It need not be fast, and in one
# command with the workspace's other packages no dependency is built twice.
.PHONY: sabotaged
sabotaged: setup-build
	cargo build --release --config profile.release.package.longshore.opt-level=1 \
		--config profile.release.package.longshore-broker.opt-level=1 \
		$(HOST_PACKAGES) -p longshore-broker \
		--features longshore/sabotage,longshore-broker/sabotage \
		--example sabotaged --example sabotaged-worker

# Built without the features that bring a cloud's SDK along.
.PHONY: quickstart
quickstart: setup-build ## Count words through the log: make quickstart [FILE=some.txt] [OUT=folder]
	cargo build --release $(HOST_PACKAGES) --no-default-features
	$(PLUGIN_BUILD) $(WORD_COUNT_PLUGINS)
	@tests/systems/quickstart.sh '$(LONGSHORE)' '$(FILE)' '$(OUT)'

.PHONY: test
test: setup plugins sabotaged ## First tier: unit, property and end-to-end tests with real clients
	cargo test --release --workspace

.PHONY: test-slice
test-slice: setup plugins sabotaged ## A slice of the second tier, chosen by commit, at most 15 minutes
	@tests/second-tier.sh slice

.PHONY: test-all
test-all: test ## Both tiers, whole
	@tests/second-tier.sh all

.PHONY: conformance
conformance: build ## Run the test suites of others against the broker, as tests/conformance/expected says
	@$(INSTALL) suites
	LONGSHORE_BIN='$(LONGSHORE)' tests/conformance/run.py

.PHONY: conformance-slice
conformance-slice: build ## A slice of one of those suites, chosen by commit, at most 6 minutes with its set-up
	LONGSHORE_BIN='$(LONGSHORE)' tests/conformance/slice.sh

.PHONY: conformance-report
conformance-report: build
	@$(INSTALL) suites
	LONGSHORE_BIN='$(LONGSHORE)' tests/conformance/run.py --report

.PHONY: lint
lint: setup-build ## Formatting, clippy, configs, and what the binary may link
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	@$(MAKE) plugins
	@tests/lint.sh

.PHONY: bench
bench: plugins ## Measure, and print as ratios of one run
	cargo build --release --workspace
	$(TARGET)/release/longshore-bench

.PHONY: bench-kafka
bench-kafka: build ## The broker beside Apache Kafka's: make bench-kafka [RUNS=5]
	@$(INSTALL) java kcat
	cargo build --release $(HOST_PACKAGES) -p longshore-bench
	$(TARGET)/release/longshore-bench kafka --runs $(RUNS) --json $(TARGET)/bench-kafka.json

.PHONY: bench-connect
bench-connect: plugins ## The worker beside Kafka Connect's: make bench-connect [RUNS=5]
	@$(INSTALL) java
	cargo build --release $(HOST_PACKAGES) -p longshore-bench
	$(TARGET)/release/longshore-bench connect --runs $(RUNS) --json $(TARGET)/bench-connect.json
