# Targets for people. Everything else is CMake: see CMakeLists.txt.
BUILD ?= build
JOBS ?= $(shell nproc)
CTEST = ctest --output-on-failure -j$(JOBS)

.DEFAULT_GOAL := help
.PHONY: help deps build quickstart test bench gpu-check tidy asan tsan format docs clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

deps: ## install the Debian packages that building and testing need
	sh scripts/deps.sh

build: deps ## build library, command and tests into ./build
	cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release
	cmake --build $(BUILD) -j$(JOBS)

quickstart: deps ## synthetic market, training, backtest, report: under five minutes
	cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release
	cmake --build $(BUILD) -j$(JOBS) --target plusultra_cli
	sh scripts/quickstart.sh $(BUILD)

test: build ## all tests
	$(CTEST) --test-dir $(BUILD)

bench: build ## speed of this machine beside the floor of each figure
	@for program in $(BUILD)/bench_*; do [ ! -x "$$program" ] || "$$program" || exit 1; done
	@$(BUILD)/plusultra bench kernels $(if $(PU_PEER_PYTHON),--peer $(PU_PEER_PYTHON))

gpu-check: ## build with CUDA and run every kernel test and benchmark on this machine's GPU
	JOBS=$(JOBS) sh scripts/gpu_check.sh build-gpu

tidy: build ## style, include directions, dead code, static analysis
	sh scripts/tidy.sh $(BUILD)

asan: deps ## tests under AddressSanitizer and UndefinedBehaviorSanitizer
	cmake -S . -B build-asan -DPU_SANITIZE=address,undefined -DPU_BENCH=OFF
	cmake --build build-asan -j$(JOBS)
	$(CTEST) --test-dir build-asan -LE long

tsan: deps ## threaded tests under ThreadSanitizer
	cmake -S . -B build-tsan -DPU_SANITIZE=thread -DPU_BENCH=OFF
	cmake --build build-tsan -j$(JOBS)
	$(CTEST) --test-dir build-tsan -L tsan

format: ## lay the sources out with clang-format
	clang-format -i $$(git ls-files '*.c' '*.h' '*.cu' '*.cuh')

docs: build ## renew the generated pages
	$(BUILD)/plusultra show-config --reference > docs/configuration.md
	$(BUILD)/plusultra features docs > docs/features.md
	$(BUILD)/plusultra schema > docs/schema.md
	$(BUILD)/plusultra validate --reference > docs/validation.md

clean: ## remove what was built
	rm -rf $(BUILD) build-asan build-tsan build-clang build-fuzz build-gpu
