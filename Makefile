# Two commands matter: `make book` builds the book, `make test` proves it. `make help` lists all.
PYTHON ?= python3
# How many tests run side by side.
JOBS ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Once, 106 MB. Where it fails it says why, and the book is built without Run buttons.
FETCH_PYTHON := $(BIN)/python -m tools.fetch_python || true

.DEFAULT_GOAL := help
.PHONY: help book zh pdf test serve lab student refresh bench lint format venv clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

book: .venv/.book ## Build the book into _build/html (without torch and TensorFlow)
	@$(FETCH_PYTHON)
	@rm -rf _build/html/zh
	$(BIN)/jupyter-book build . -n -W --keep-going
	$(BIN)/python -m tools.edition
	$(BIN)/jupyter-book build zh --path-output _build/zh -n -W --keep-going
	@cp -R _build/zh/_build/html _build/html/zh
	@echo "Open file://$(CURDIR)/_build/html/index.html"

zh: .venv/.dev ## Bring the Chinese edition in step: translations/ to zh/
	$(BIN)/python -m tools.translation

pdf: book .venv/.pdf ## Print the book into one PDF, linked from its front page (needs Chromium)
	$(BIN)/python -m tools.pdf

test: .venv/.dev lint ## Install all, then lint, test, run doctests and compare every notebook
	$(BIN)/python -m tools.browser
	@$(FETCH_PYTHON)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder --durations 20 \
		--nbval --nbval-current-env --nbval-cell-timeout 300

serve: book ## Serve the built book on http://localhost:8000, where cells run in the page
	$(BIN)/python -m tools.serve

lab: .venv/.notebooks ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab chapters

student: .venv/.notebooks ## Write notebooks without solutions into work/, to answer in
	$(BIN)/python -m tools.student

refresh: .venv/.dev ## Execute the chapters anew and store their outputs
	$(BIN)/python -m tools.refresh
	$(BIN)/python -m tools.translation

bench: .venv/.bench ## Measure speed and accuracy beside other libraries (10 minutes, quiet machine)
	$(BIN)/python -m benchmarks.run

lint: .venv/.dev ## Check style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: .venv/.dev ## Mend style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

venv: .venv/.made ## Make an empty environment in .venv, to put a special build of torch in

clean: ## Remove what was built, but not .venv
	rm -rf _build .pytest_cache .ruff_cache .hypothesis

.venv/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11 book")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.book .venv/.pdf .venv/.notebooks .venv/.dev .venv/.bench: .venv/.made pyproject.toml constraints.txt
	$(PIP) -e '.[$(@:.venv/.%=%)]'
	@touch $@
