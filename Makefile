# Two commands do everything: `make demo` runs the main job on an embedded example, `make test` passes the tests.
# Tests run in one process more than there are cores (TESTERS), since many wait for processes that they start.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo-output
TESTERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo demo-s3 test kube-test check wheel-test image image-train image-test audit lock clean help

help:  ## Say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.run  ## Set up, make a synthetic archive and run the whole job on it
	@$(BIN)/couloir demo $(DEMO)

demo-s3: $(VENV)/.dev  ## Run the demo with its archive and output in a bucket of a real S3 server here; KEEP=folder keeps it
	@$(BIN)/python tests/support/s3server.py run $(if $(KEEP),--keep $(KEEP)) -- $(BIN)/couloir demo s3://demo/couloir

test: check $(VENV)/operator  ## Set up, check style and types, and pass the tests
	@$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile --durations 20

kube-test: $(VENV)/.dev $(VENV)/operator-environment  ## Run the demo on a real Kubernetes node here, as root; builds both images
	@KUBE_TEST=1 $(BIN)/python -m pytest tests/deploy/test_kubernetes_node.py

check: $(VENV)/.dev  ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

wheel-test: $(VENV)/.dev  ## Build the wheel and start it in an environment of its own
	@rm -rf dist $(VENV)/wheel
	@$(BIN)/python -m hatchling build -t wheel >/dev/null
	@$(BIN)/python -m venv $(VENV)/wheel
	@$(VENV)/wheel/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-worker.lock
	@$(VENV)/wheel/bin/python -m pip --disable-pip-version-check --quiet install --no-deps dist/couloir-*.whl
	@cd / && $(abspath $(VENV))/wheel/bin/couloir --version
	@cd / && $(abspath $(VENV))/wheel/bin/python -c 'import couloir.stages.detect, couloir.report, couloir.synth'
	@rm -rf $(VENV)/wheel

# Images: docs/deploying.md. IMAGE_BUILDER may be docker, podman or buildah; IMAGE_FLAGS go to its build command.
IMAGE_BUILDER ?= docker
IMAGE_RUNNER ?= $(if $(filter buildah,$(IMAGE_BUILDER)),podman,$(IMAGE_BUILDER))
IMAGE ?= couloir
BASE ?= docker.io/library/python:3.13-slim
LOCK ?= requirements.lock
COMMIT_TIME = $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
# BuildKit takes the times from SOURCE_DATE_EPOCH; podman and buildah are told, and keep HEALTHCHECK in this format only.
IMAGE_TIMES = $(if $(filter docker,$(IMAGE_BUILDER)),,--format docker --timestamp $(COMMIT_TIME))
BUILD_IMAGE = $(IMAGE_BUILDER) build $(IMAGE_TIMES) $(IMAGE_FLAGS) --file docker/Dockerfile --build-arg BASE=$(BASE) \
	--build-arg SOURCE_DATE_EPOCH=$(COMMIT_TIME) --build-arg SOURCE=$(SOURCE) \
	--build-arg VERSION=$(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' pipeline/couloir/__init__.py) \
	--build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null) \
	--build-arg CREATED=$(shell date --utc --date=@$(COMMIT_TIME) +%Y-%m-%dT%H:%M:%SZ)

image:  ## Build the image couloir-worker: detection, outcomes, verification, report
	@$(BUILD_IMAGE) --target worker --tag $(IMAGE)-worker .

image-train:  ## Build the image couloir-train: everything; for a GPU with LOCK=requirements-gpu.lock
	@$(BUILD_IMAGE) --target train --build-arg LOCK=$(LOCK) --tag $(IMAGE)-train .

image-test: image-train  ## Build couloir-train, and run the whole demo in it, read-only and without network
	@mkdir -p $(DEMO)
	@$(IMAGE_RUNNER) run --rm --read-only --tmpfs /tmp --cap-drop ALL --network none --user $$(id -u):0 \
		--volume $(abspath $(DEMO)):/data $(IMAGE)-train demo /data

audit:  ## Look for known vulnerabilities in the lock files; write what each image holds to dist/sbom
	@test -d $(VENV)/audit || $(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip --disable-pip-version-check --quiet install pip-audit==2.10.1 cyclonedx-bom==7.5.0
	@$(VENV)/audit/bin/python docker/audit.py dist/sbom

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Couloir needs Python 3.11 or newer; $(PYTHON) is {sys.version.split()[0]}. Try: make PYTHON=python3.11")'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked dependencies (about 1.5 GB on disk, a minute or two) ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "Installing the locked development tools ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# Of Dask's operator for Kubernetes the tests want its definitions; to run it, it has an environment of its own, since its
# dependencies are at odds with ours.
$(VENV)/operator: requirements-operator.lock | $(BIN)/python
	@sed -n '/^dask-kubernetes==/,/[^\\]$$/p' $< >$@.txt
	@$(PIP) install --no-deps --require-hashes --upgrade --target $@ -r $@.txt
	@touch $@

$(VENV)/operator-environment: requirements-operator.lock | $(BIN)/python
	@$(PYTHON) -m venv $@
	@$@/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

# Needs uv (pip install uv). Universal: one file serves every platform and Python from 3.11 on.
COMPILE := uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11
lock:  ## Resolve the dependencies again
	$(COMPILE) pyproject.toml --extra cpu --extra slurm --group build --output-file requirements.lock
	$(COMPILE) pyproject.toml --extra slurm --constraint requirements.lock --output-file requirements-worker.lock
	$(COMPILE) pyproject.toml --extra cpu --extra slurm --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) pyproject.toml --extra gpu --extra slurm --group build --output-file requirements-gpu.lock
	$(COMPILE) --group build --constraint requirements.lock --output-file requirements-build.lock
	echo dask-kubernetes | $(COMPILE) - --output-file requirements-operator.lock

clean:  ## Remove the virtual environment, the demo's output and the caches
	rm -rf $(VENV) $(DEMO) demo.yaml dist .mypy_cache .pytest_cache .ruff_cache
