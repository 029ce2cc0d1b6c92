# The commands of the project; README.md explains the two that a newcomer needs: run and test.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test check gabbi bench soak docs package

help: ## Lists the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Starts the agent on real notifications and instances of a private cloud (FOR=60: for a minute)
	@scripts/provision run
	@cargo build --locked --release --package nephoscope
	@scripts/demo $(if $(FOR),--seconds $(FOR))

test: ## Installs what is missing, then runs every gate and every test
	@scripts/test

check: ## Format, lints and gates only; needs no service
	@scripts/check

gabbi: ## Runs Gnocchi's own test suite against the metric API
	@scripts/provision test
	@scripts/gabbi $(ARGS)

bench: ## Measures the figures of docs/benchmarks.md
	@scripts/provision test
	@scripts/bench

soak: ## The long runs: hundreds of kills, long fuzzing
	@scripts/provision test
	@scripts/soak

docs: ## Generates the references under docs/ and the API documentation
	@cargo xtask docs
	@RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --workspace --no-deps --document-private-items

package: ## Makes the Debian packages in target/packages
	@scripts/package
