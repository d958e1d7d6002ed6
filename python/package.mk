# The Python package. What it needs is installed under target, in environments of its own.

PY := target/python
PY_TOOLS := $(PY)/tools/bin
PY_TEST := $(PY)/test/bin
PIP := pip --disable-pip-version-check --quiet
MATURIN := $(PY_TOOLS)/maturin build --manifest-path python/Cargo.toml --interpreter
PYRIGHT := PYRIGHT_PYTHON_CACHE_DIR=$(PY)/pyright PYRIGHT_PYTHON_IGNORE_WARNINGS=1 \
    $(PY_TOOLS)/pyright
PY_CONFIG := tests/python/pyproject.toml

$(PY)/tools/installed: python/requirements.txt
	python3 -m venv --clear $(PY)/tools
	$(PY_TOOLS)/$(PIP) install --requirement python/requirements.txt
	touch $@

wheel: $(PY)/tools/installed
	rm -rf $(PY)/dist
	$(MATURIN) $(PY_TOOLS)/python --release --out $(PY)/dist

# The wheel as pip installs it, first into an environment that has nothing else. It has a method
# that panics, which no other wheel has.
test-python: $(PY)/tools/installed
	rm -rf $(PY)/test-dist
	$(MATURIN) $(PY_TOOLS)/python --profile dev --features test-panic --out $(PY)/test-dist
	python3 -m venv --clear $(PY)/test
	$(PY_TEST)/$(PIP) install $(PY)/test-dist/*.whl
	$(PY_TEST)/python examples/python/first.py
	$(PY_TEST)/$(PIP) install --requirement tests/python/requirements.txt
	$(PY_TEST)/python -W error -m pytest --config-file $(PY_CONFIG) tests/python
	$(PY_TEST)/mypy --config-file $(PY_CONFIG) -p cotas
	$(PY_TEST)/mypy --config-file $(PY_CONFIG) tests/python examples/python examples/hosts/python
	$(PY_TEST)/stubtest --mypy-config-file $(PY_CONFIG) cotas._cotas
	$(PYRIGHT) --pythonpath $(PY_TEST)/python --project $(PY_CONFIG)
ifeq ($(CI),true)
	$(MAKE) test-frames
else
	@echo "not run with pandas, polars and pyarrow: make test-frames"
endif
ifdef PYTHONS
	$(MAKE) test-pythons
else
	@echo "not run on other interpreters: PYTHONS names none"
endif
ifdef FREE_THREADED_PYTHON
	$(MAKE) test-free-threaded
else
	@echo "not run on a free-threaded interpreter: FREE_THREADED_PYTHON names none"
endif

# After test-python: what usage is handed to, 140 MB of it.
.PHONY: test-frames
test-frames:
	$(PY_TEST)/$(PIP) install --requirement tests/python/frames.txt
	$(PY_TEST)/python -W error -m pytest --config-file $(PY_CONFIG) tests/python/frames.py

# After test-python: its wheel as other interpreters take it, PYTHONS="python3.10 python3.13".
.PHONY: test-pythons
test-pythons:
	$(if $(PYTHONS),,$(error PYTHONS names no interpreters))
	set -e; for python in $(PYTHONS); do \
	    $$python --version; \
	    $$python -m venv --clear $(PY)/other; \
	    $(PY)/other/bin/$(PIP) install $(PY)/test-dist/*.whl -r tests/python/requirements.txt; \
	    $(PY)/other/bin/python -W error -m pytest --config-file $(PY_CONFIG) tests/python; \
	done

# The same tests with FREE_THREADED_PYTHON=/path/to/python3.14t, which needs a wheel of its own.
FT := $(PY)/free-threaded
.PHONY: test-free-threaded
test-free-threaded: $(PY)/tools/installed
	$(if $(FREE_THREADED_PYTHON),,$(error FREE_THREADED_PYTHON names no interpreter))
	$(FREE_THREADED_PYTHON) -c "import sys; sys.exit(sys._is_gil_enabled() and 'it has a lock')"
	rm -rf $(FT)-dist
	$(MATURIN) $(FREE_THREADED_PYTHON) --profile dev --features test-panic --out $(FT)-dist
	$(FREE_THREADED_PYTHON) -m venv --clear $(FT)
	$(FT)/bin/$(PIP) install $(FT)-dist/*.whl --requirement tests/python/requirements.txt
	$(FT)/bin/python -W error -m pytest --config-file $(PY_CONFIG) tests/python

bench-python: wheel
	python3 -m venv --clear $(PY)/bench
	$(PY)/bench/bin/$(PIP) install $(PY)/dist/*.whl --requirement tests/python/requirements.txt
	$(PY)/bench/bin/python benches/python.py
	$(PY)/bench/bin/python benches/python_threads.py
