# Every habit of this project. `make run` and `make test` do all set-up themselves.
.DEFAULT_GOAL := help
BIN := .venv/bin
RUN_READY := .venv/.ready-run
DEV_READY := .venv/.ready-dev
SET_UP_BY := pyproject.toml packaging/setup.sh packaging/build.lock

# Where a shared folder stands beside the project, it is the mirror for networks and sample clips.
ifeq ($(origin PROCTOR_MODELS_MIRROR),undefined)
ifneq ($(wildcard ../shared/models),)
export PROCTOR_MODELS_MIRROR := $(abspath ../shared/models);$(abspath ../shared/media)
endif
endif
export PYTHON

.PHONY: package package-setup package-test release help setup run test check faults fuzz bench models lock export-env docs

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1:	/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(RUN_READY)  ## make .venv, install what is missing, fetch the networks

run: $(RUN_READY)  ## a sample exam, from start to review, on this machine
	$(BIN)/proctor demo

test: $(DEV_READY)  ## every test
	$(BIN)/pytest -n 2 --dist loadfile

check: $(DEV_READY)  ## style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

faults: $(DEV_READY)  ## kill the agent, or fail its disk, at every call that changes a disk (Linux)
	$(BIN)/python tests/faults/disturb.py
	PROCTOR_FAULTS=1 $(BIN)/python -m pytest -q tests/faults/test_hub_killed.py

fuzz: $(DEV_READY)  ## our own parsers, guided by coverage: 60 s each, two at a time (Linux)
	$(BIN)/python tests/fuzz/fuzz.py

# Those that measure speed and memory; the others measure detectors and want recordings (--help).
BENCHES := startup consent evidence agent live memory student

bench: $(DEV_READY)  ## what the claims about speed and memory are measured with
	@for name in $(BENCHES); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit $$?; done

docs: $(DEV_READY)  ## the documents as a site, every link checked
	$(BIN)/python packaging/site/build.py

models: $(RUN_READY)  ## try again to fetch networks that were not to be had
	$(BIN)/proctor models install

# Networks that are left out of a package knowingly: `make package PACKAGE_WITHOUT=vosk_small_en`.
PACKAGE_WITHOUT ?=

package-setup: $(DEV_READY)
	sh packaging/setup.sh package

package: $(DEV_READY)  ## the student's program without Python: .deb and AppImage in dist/ (Linux)
	$(BIN)/python packaging/freeze.py $(if $(PACKAGE_WITHOUT),--without $(PACKAGE_WITHOUT))
	$(BIN)/python packaging/linux_packages.py

package-test: $(DEV_READY)  ## try what was packed, and install it on a clean Debian (Linux, as root)
	$(BIN)/pytest -p no:cacheprovider -n 0 -s packaging/checks

# RELEASE_KEY=NAME.pem signs it (`proctor keys new NAME --signing`); without it nothing is signed.
release: $(DEV_READY)  ## wheel, sdist, list of parts, licences, sums and signatures in dist/
	$(BIN)/python packaging/release.py $(if $(RELEASE_KEY),--key $(RELEASE_KEY),--unsigned)

lock: $(DEV_READY)  ## resolve the dependencies anew
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile packaging/build.in $(LOCK_FLAGS) --output-file packaging/build.lock
	$(BIN)/uv pip compile pyproject.toml $(LOCK_FLAGS) --extra ui --constraint packaging/build.lock \
		--output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml $(LOCK_FLAGS) --extra ui --extra hub --extra evaluate \
		--extra cluster --group dev --constraint packaging/build.lock --constraint requirements.lock \
		--output-file requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml $(LOCK_FLAGS) --extra hub \
		--constraint packaging/build.lock --constraint requirements-dev.lock \
		--output-file requirements-hub.lock

LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

export-env: $(RUN_READY)  ## PyTorch (CPU) and ultralytics, only for exporting the YOLO network
	sh packaging/export-env.sh

$(RUN_READY): requirements.lock $(SET_UP_BY)
	sh packaging/setup.sh run
	@touch $@

$(DEV_READY): requirements-dev.lock $(SET_UP_BY)
	sh packaging/setup.sh dev
	@touch $@ $(RUN_READY)
