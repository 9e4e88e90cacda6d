# Targets for people. Everything else is CMake: see CMakeLists.txt.
BUILD ?= build
JOBS ?= $(shell nproc)

.PHONY: all deps build quickstart test bench gpu-check tidy asan tsan clean
all: build

deps:
	sh scripts/deps.sh

build: deps
	cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release
	cmake --build $(BUILD) -j$(JOBS)

test: build
	ctest --test-dir $(BUILD) --output-on-failure -j$(JOBS)
