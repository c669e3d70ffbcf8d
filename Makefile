# Every target makes its own virtual environment; PYTHON and VENV may be set from outside.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUNS ?= runs

.PHONY: demo test test-slow bench docs docs-losses format clean

demo: $(READY)
	$(BIN)/cones compare --out $(RUNS)/demo

test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

test-slow: $(READY)
	$(BIN)/pytest -m slow

docs: demo docs-losses
	$(BIN)/python docs/picture.py $(RUNS)/demo

docs-losses: $(READY)
	$(BIN)/cones losses --out docs/losses

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
