# `make demo` and `make test` start from a bare Debian 12 with git, make and root: each does its own set-up.

PRESET ?= dev
TRANSPORT ?= worker
JOBS ?= $(shell nproc)
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(JOBS)
export UV_PYTHON_DOWNLOADS = never

.PHONY: help demo test bench wheel nightly format lint build setup clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo [TRANSPORT=inprocess]  build, bind pandas and NumPy, run examples/weather'
	@echo 'make test                        build and run every test'
	@echo 'make bench                       measure; writes bench/results.json'
	@echo 'make wheel                       dist/*.whl'
	@echo 'make nightly                     the tests under the sanitizers and valgrind, fuzzers for long'
	@echo 'make format, make lint           clang-format, ruff, mypy'

setup:
	@tools/setup

build: setup
	@cmake --preset $(PRESET) $(if $(V),,--log-level=WARNING) >/dev/null
	@cmake --build --preset $(PRESET)

test: build
	ctest --preset $(PRESET) -j $(JOBS)

nightly: setup
	SB_FUZZ_SECONDS=600 $(MAKE) test PRESET=asan
	$(MAKE) test PRESET=tsan
	$(MAKE) build PRESET=dev
	ctest --test-dir build/dev -j $(JOBS) -L nightly --output-on-failure

demo: setup
	@tools/demo $(TRANSPORT)

bench: setup
	@tools/bench

wheel: setup
	@tools/wheel

format: setup
	@tools/lint --fix

lint: setup
	@tools/lint

clean:
	rm -rf build dist
