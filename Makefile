# Every target makes its own virtual environment; PYTHON and VENV may be set from outside.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUNS ?= runs

.PHONY: demo test test-slow coverage bench losses docs docs-losses docs-reference format clean

demo: $(READY)
	$(BIN)/cones compare --out $(RUNS)/demo

test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

test-slow: $(READY)
	$(BIN)/pytest -m slow

coverage: $(READY)
	$(BIN)/pytest -n 2 --cov=cones --cov-report=term-missing:skip-covered

# all that follows from the losses' files: their lines in src/cones/__init__.py, and their pages
losses: $(READY)
	$(BIN)/python dev/reexport.py
	$(BIN)/ruff check --quiet --fix src/cones/__init__.py
	$(MAKE) docs-losses docs-reference

docs: demo docs-losses docs-reference
	$(BIN)/python docs/picture.py $(RUNS)/demo

docs-losses: $(READY)
	$(BIN)/cones losses --out docs/losses

docs-reference: $(READY)
	$(BIN)/python docs/reference.py

bench: $(READY)-bench
	$(BIN)/python -m benchmarks.trainer.import_time
	$(BIN)/python -m benchmarks.trainer.trainer
	$(BIN)/python -m benchmarks.class_layer
	$(BIN)/python -m benchmarks.differences

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	touch $@

$(READY)-bench: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps open-metric-learning # its losses; it wants numpy<2
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
