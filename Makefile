# The commands of this repository. Each one first installs what is missing; tools/setup.sh says what and why.
#
#   make demo              train a convolutional network on Fashion-MNIST and write out/fashion-mnist/
#   make test              build everything and run every test
#   make build             build the library, the tools, the examples and the tests
#   make sanitize          the tests under the address and undefined-behaviour sanitizers
#   make sanitize-threads  the same under the thread sanitizer
#   make bench             build and run the benchmarks
#   make bench-peers       install the peers (PyTorch) and compare with them
#   make format            format all C and C++ sources
#   make help              this list; plain make prints it too
#   make clean             remove what was built; the virtual environment and the packages stay

# Debian's own tools, whatever else comes first on the caller's PATH or is set for other tools there.
SHELL := /bin/bash
export PATH := /usr/sbin:/usr/bin:/sbin:/bin
unexport CC CXX CMAKE_GENERATOR CMAKE_PREFIX_PATH CMAKE_TOOLCHAIN_FILE PYTHONHOME PYTHONPATH VIRTUAL_ENV

JOBS ?= $(shell nproc)
python := .venv/bin/python3
python_tools := .venv/requirements.txt

.NOTPARALLEL:
.PHONY: help demo test build sanitize sanitize-threads bench bench-peers format clean packages

help:
	@sed -n 's/^#  *\(make .*\)/  \1/p' Makefile

demo: build/build.ninja
	cmake --build build --parallel $(JOBS) --target cnn
	build/examples/cnn

test: build $(python_tools)
	ctest --test-dir build --parallel $(JOBS) --output-on-failure --no-tests=error

build: build/build.ninja
	cmake --build build --parallel $(JOBS)

sanitize: build-sanitize.tested
sanitize-threads: build-thread-sanitizer.tested

%.tested: %/build.ninja $(python_tools)
	cmake --build $* --parallel $(JOBS)
	ctest --test-dir $* --parallel $(JOBS) --output-on-failure --no-tests=error

bench: build
	cmake --build build --parallel $(JOBS) --target benchmarks
	for benchmark in build/benchmarks/*_benchmark; do echo "== $$benchmark"; $$benchmark || exit; done
	build/benchmarks/workloads eager 0.3
	/usr/bin/python3 benchmarks/footprint.py build

bench-peers: bench
	tools/setup.sh peers
	$(python) benchmarks/compare.py

format: packages
	tools/setup.sh format
	git ls-files -z '*.cpp' '*.hpp' '*.c' '*.h' | xargs -0 clang-format-19 -i

clean:
	rm -rf build build-*

packages:
	@tools/setup.sh packages

build/build.ninja: CMakePresets.json | packages
	cmake --preset default

.SECONDARY:  # a preset's files are no intermediate ones, to be removed afterwards
build-%/build.ninja: CMakePresets.json | packages
	cmake --preset $*

$(python_tools): tools/requirements.txt | packages
	tools/setup.sh python
