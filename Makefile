# Needs Rust (the toolchain file chooses the version), Go for the real control planes,
# a C compiler, make and bash.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
tests := $(CARGO) run --locked --quiet -p federation-health-tests

# Every target is a command, none a file.
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

##@ See it

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## Play the incident in memory, without and with the hold (Rust only)
	@$(CARGO) run --locked --quiet -p federation-health-plugin --bin kubectl-federation_health -- demo

demo-real: testbed ## Play it on real control planes with real KubeFed (builds them first)
	@$(CARGO) build --locked --quiet -p federation-health-operator
	@$(tests) --bin demo-real

testbed-up: testbed ## Leave a real federation running, print its KUBECONFIG, end on Ctrl-C
	@$(CARGO) run --locked --quiet -p federation-health-testbed

##@ Test it

test: ## Everything that CI runs, the real control planes included
	@scripts/test

test-unit: ## Everything that needs no control plane
	@scripts/cargo-test simulated

test-real: testbed ## End to end on real control planes
	@scripts/cargo-test real

testbed: ## Build etcd, Kubernetes, KubeFed and Helm from their Go modules into the cache
	@tests/testbed/build

rules-test: ## Check the alert rules and run their unit tests
	@scripts/rules-test

chart-test: ## Lint the chart, render it with every ci/ file, look what it refuses
	@scripts/chart-test

book: ## Build the documentation as a book in target/book
	@scripts/book

readme-commands: ## Run the commands that README.md and docs promise
	@scripts/readme-commands

soak: testbed ## Repeat the end-to-end scenarios and print the figures (an hour or more)
	@$(CARGO) build --locked --quiet --release -p federation-health-operator
	@$(tests) --release --bin soak

schedules: ## Play seeded schedules of remediation in virtual time (COUNT=1000, FROM=0; 100000 take hours)
	@MIMALLOC_PURGE_DELAY=-1 $(tests) --release --bin schedules -- --from $(or $(FROM),0) --count $(or $(COUNT),1000) --threads $$(nproc)

quality: ## Simulate 100,000 months of honest work and count false alarms; compare detectors; a million cases of each property
	@$(tests) --release --bin quality
	@PROPERTY_CASES=$${PROPERTY_CASES:-1000000} $(CARGO) test --locked --quiet --release -p federation-health-core --lib -- properties suspects

bench: testbed ## Measure memory, waiting and the cost of one event at 100 to 10,000 Workspaces
	@$(CARGO) build --locked --quiet --release -p federation-health-operator -p federation-health-plugin
	@$(tests) --release --bin bench
	@$(tests) --release --bin bench -- instructions

##@ Release it

image: ## Assemble an OCI archive of the operator in dist/, without a container engine (ARCH=arm64)
	@scripts/image $(if $(ARCH),--arch $(ARCH))

dist: ## Write install.yaml and the packed chart to dist/
	@scripts/dist

##@ Change it

plugin: ## Put kubectl-federation_health and kubectl-fedhealth where cargo puts programs
	@$(CARGO) install --locked --path crates/plugin

build: ## Compile the workspace
	@$(CARGO) build --locked --workspace

fmt: ## Format the sources
	@$(CARGO) fmt --all

fmt-check: ## Fail on unformatted sources
	@$(CARGO) fmt --all --check

lint: ## Clippy on every target, warnings are errors
	@$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: ## API documentation, warnings are errors
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

generate: ## Write what is generated below config/ and charts/
	@scripts/generate

verify: ## Fail if a generated manifest differs from its source
	@scripts/generate --verify

check-arch: ## Fail on an arrow that ARCHITECTURE.md does not draw
	@scripts/check-arch

deny: ## Fail on a banned, doubled or wrongly licensed dependency
	@scripts/deny
