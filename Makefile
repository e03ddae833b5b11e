# make study | test | lab: each sets up .venv by itself on a machine with python3 (3.11 or later) and make
PYTHON ?= python3
PARAMS ?= params/hhh.yaml
BIN := .venv/bin
INSTALLED := .venv/.installed
# what the notebook checks run on: a copy, so that they leave runs/ and figures/ alone
COPY := .nbval

# whatever runs here may keep what it has compiled, so that the next process reads it
unexport PYTHONDONTWRITEBYTECODE

.PHONY: study recorded ablation test unit notebooks-test lint types lab notebooks calibration lock clean

study: $(INSTALLED)  ## run a whole study: PARAMS=params/<study>.yaml
	$(BIN)/conflictscope run $(PARAMS)

recorded: $(INSTALLED)  ## rebuild the recorded study of three open models from their replies: no key, no network
	rm -rf runs/rebuilt
	$(BIN)/conflictscope replay recorded/open_models.bundle.zip --out runs/rebuilt

# steering has no part in it
ABLATION_STAGES := $(foreach notebook,01_generate_scenarios 02_filter_scenarios 03_multiple_choice 04_open_ended \
  05_rank_values 07_figures,--only $(notebook))
ABLATIONS := hhh_unfiltered hhh_single_stage hhh_direct

ablation: study  ## the paper's three ablations of the demo, compared with the full procedure
	set -e; for name in $(ABLATIONS); do $(BIN)/conflictscope run params/ablation/$$name.yaml $(ABLATION_STAGES); done
	$(BIN)/conflictscope run $(PARAMS) --only 07_figures \
	  --set 'compare_with=[figures/hhh_unfiltered, figures/hhh_single_stage, figures/hhh_direct]'

test:  ## unit tests, and beside them every notebook against its committed outputs
	$(MAKE) -j 2 unit notebooks-test

unit: $(INSTALLED)
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder

notebooks-test: $(INSTALLED)
	rm -rf $(COPY) && mkdir $(COPY) && cp -r notebooks params $(COPY)/
	PYTHONPATH=tests$${PYTHONPATH:+:$$PYTHONPATH} $(BIN)/pytest -p forked --nbval --nbval-current-env --nbval-cell-timeout=600 -p no:cacheprovider $(COPY)/notebooks
	rm -rf $(COPY)

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED)
	$(BIN)/mypy

lab: $(INSTALLED)  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=. notebooks

notebooks: $(INSTALLED)  ## execute the committed notebooks afresh, with their own defaults: the demo
	cd notebooks && set -e; for notebook in *.ipynb; do ../$(BIN)/papermill --no-progress-bar $$notebook $$notebook; done
	$(BIN)/nbstripout --keep-output --keep-count --extra-keys \
	  "metadata.widgets metadata.papermill metadata.language_info cell.metadata.execution cell.metadata.papermill" \
	  notebooks/*.ipynb

calibration: $(INSTALLED)  ## the grid of known truths that recover_known_rankings reads: about an hour of one core
	OMP_NUM_THREADS=1 $(BIN)/python -c 'from conflictscope.calibration import write_grid; write_grid()'

lock: $(INSTALLED)  ## pin every dependency afresh
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --no-annotate \
	  pyproject.toml -o requirements.lock

$(INSTALLED): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ConflictScope needs Python 3.11 or later; found " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --quiet -c requirements.lock uv
	$(BIN)/uv pip install --python $(BIN)/python --quiet -c requirements.lock -e '.[dev]'
	touch $@

clean:
	rm -rf .venv $(COPY) runs
