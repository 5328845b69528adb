# `make help` lists what there is. Every target sets up what it needs (scripts/setup), which takes no time once it is there.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test contract soak walk bench bench-peers check clean

# A machine that has just got Rust has it here, and not yet in its PATH.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Where cargo puts what it builds.
TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## set up, build, and start everything on sample spreadsheets (options: make run ARGS="--port 9000")
	@scripts/setup
	cargo build --release --locked -p fandom
	@exec "$(TARGET)/release/fandom" up $(ARGS)

test: ## set up, then run every test, over real Kafka and Postgres
	@scripts/setup --test
	cargo test --release --locked --workspace

contract: ## set up, then put generated requests to a running API: no server error, no answer that is not documented
	@scripts/setup --python
	cargo build --release --locked -p fandom
	scripts/schemathesis

soak: ## set up, then twenty times as many random histories, every agency every way, and ten minutes of kills
	@scripts/setup
	cargo build --release --locked -p fandom
	FANDOM_SOAK=20 cargo test --release --locked -p fandom-dataflows --test exactness
	cargo test --release --locked -p fandom-tests --test e2e -- --ignored --nocapture --test-threads 1 golden:: soak::

walk: ## set up, then break what alerts name, one thing after the other, and see each alert fire and clear
	@scripts/setup --test
	cargo build --release --locked -p fandom
	cargo test --release --locked -p fandom-tests --test e2e -- --ignored --nocapture walk::

bench: ## set up, then measure speed, freshness and memory (bench/README.md); results in target/bench.json too
	@scripts/setup
	cargo build --release --locked -p fandom -p fandom-bench
	@rm -f "$(TARGET)/bench.json"
	"$(TARGET)/release/fandom-bench" --json "$(TARGET)/bench.json" parse
	"$(TARGET)/release/fandom-bench" --json "$(TARGET)/bench.json" ingest
	"$(TARGET)/release/fandom-bench" --json "$(TARGET)/bench.json" ingest --rows 5000000 --fans 312500
	"$(TARGET)/release/fandom-bench" --json "$(TARGET)/bench.json" freshness
	"$(TARGET)/release/fandom-bench" --json "$(TARGET)/bench.json" freshness --rates 5 --rows-per-file 1 --fans 1000000
	"$(TARGET)/release/fandom-bench" --json "$(TARGET)/bench.json" api

bench-peers: ## set up, then measure limits and other designs (bench/RESULTS.md)
	@scripts/setup --python
	cargo build --release --locked -p fandom -p fandom-bench
	CARGO_TARGET_DIR="$(TARGET)" bench/peers/run

check: ## set up, then format, lints, documentation, dependencies, deployments, dashboards
	@scripts/setup --check
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps
	cp Cargo.lock connectors/fuzz/Cargo.lock
	RUSTFLAGS="--cfg fuzzing" cargo check --quiet --manifest-path connectors/fuzz/Cargo.toml --target-dir target/fuzz --lib --bin seeds
	@scripts/dependencies
	@scripts/deployments
	@grafana/check/run --prove

clean: ## remove what was built; the data in .fandom stays
	cargo clean
	rm -rf kafka/target
