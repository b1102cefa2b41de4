# The front door. Each target says what it does in `make help`; the work is in CMake presets and scripts.
BUILD ?= build/release
SEEDS ?= 200
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help packages build demo test unit sim e2e chaos asan tsan fuzz torture clang format format-check tidy bench bundle deb install clean docs

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

packages: ## Install what is missing (says what first)
	@scripts/packages run

build: packages ## Build everything into build/release
	@cmake --preset release -DMUSTER_WERROR=$(if $(CI),ON,OFF) >build-configure.log 2>&1 || { cat build-configure.log; rm -f build-configure.log; exit 1; }
	@rm -f build-configure.log
	@cmake --build $(BUILD) --parallel $(JOBS) -- --quiet

demo: build ## Run the digits sweep on an embedded cluster of its own
	@scripts/demo $(BUILD)

test: ## Install, build, run all unit and end-to-end tests
	@scripts/packages test
	@scripts/test release

unit: ## Unit tests only
	@scripts/packages test
	@scripts/test release unit

sim: build ## Simulated clusters in which everything breaks (SEEDS=n, default 200), after the seeds that failed once
	@$(BUILD)/sim/muster-sim --kept tests/sim/seeds.txt --seeds $(SEEDS) --jobs $(JOBS)

e2e: ## End-to-end tests only
	@scripts/packages test
	@scripts/test release e2e

chaos: ## Real processes under load and a fault a round, then all that was acknowledged is looked for: ROUNDS=10 SEED=n
	@scripts/packages test
	@cmake --preset release >/dev/null && cmake --build build/release --parallel $(JOBS) --target muster unsynced -- --quiet
	@MUSTER_TEST_BUILD=$(CURDIR)/build/release python3 tests/e2e/chaos/chaos.py --rounds $(or $(ROUNDS),10) $(if $(SEED),--seed $(SEED))

asan: ## The tests under AddressSanitizer and UBSan (without those of packages and worlds)
	@scripts/packages test
	@scripts/test asan "" machines

tsan: ## The tests of code with threads and without ZeroMQ under ThreadSanitizer
	@scripts/packages test
	@scripts/test tsan sanitize-threads

fuzz: ## Each fuzzer for SECONDS (default 10), AT_ONCE (default 2) at a time (ONLY="head http", KEEP=folder for new inputs)
	@scripts/packages check
	@scripts/build fuzz fuzzers
	@python3 tests/fuzz/run.py build/fuzz --seconds $(or $(SECONDS),10) --jobs $(or $(AT_ONCE),2) $(if $(ONLY),--only $(ONLY)) $(if $(KEEP),--keep $(KEEP))

torture: ## Unit tests and corpora while memory runs out: 4 allocations of each stack, 20 s a test (DENSITY=n|all, SECONDS=n, ONLY=spec/)
	@scripts/packages test
	@scripts/build asan
	@python3 tests/torture/run.py build/asan --density $(or $(DENSITY),4) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ONLY),--only $(ONLY))

clang: ## Build with clang, warnings are errors
	@scripts/packages check
	@scripts/build clang

format: ## Format all C files
	@scripts/packages check
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

format-check: ## Say which files are not formatted
	@scripts/packages check
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format --dry-run -Werror

tidy: ## clang-tidy over all sources (DEEP=1: the analyzer goes further)
	@scripts/packages check
	@scripts/tidy

bench: build ## Run the benches (BENCH=name for one); results go to bench/RESULTS.md by hand
	@bench/run $(BUILD) $(BENCH)

docs: build ## Print the generated references (docs/STATES.md) anew
	@scripts/docs $(BUILD)

bundle: build ## One tar with all that muster needs, for any Linux: build/release/muster-*.tar.gz
	@scripts/bundle $(BUILD)

deb: build ## A Debian package with systemd units: build/release/muster_*.deb
	@scripts/deb $(BUILD)

install: build ## Install to PREFIX (default /usr/local)
	@cmake --install $(BUILD) --prefix $(or $(PREFIX),/usr/local)

clean: ## Remove all builds
	@rm -rf build
