# `make demo` and `make test` do everything, on a fresh machine too.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN ?= runs/demo

.PHONY: demo test lint clean card recordings image

demo: $(VENV)/.installed  ## the shipped model on a sound; then a model of your own: render, train, refine, report
	$(BIN)/vjax match tests/data/sounds/rhodes.wav -o $(RUN)/shipped/rhodes.vital
	$(BIN)/vjax train --config tier3:demo --workdir $(RUN)
	$(BIN)/vjax match $(RUN)/listen/0-target.wav --checkpoint $(RUN) -o $(RUN)/match.vital --refine --evals 100
	$(BIN)/vjax evaluate --checkpoint $(RUN) --dataset $(RUN)/data --limit 3 --bank tests/data/presets \
	    --refine-evals 50 --starts prediction,best --out $(RUN)/evaluation
	@echo "The report to listen to: $(RUN)/evaluation/report.html"
	@echo "The page to match your own sounds on: $(BIN)/vjax web"

test: $(VENV)/.installed  ## every test, a process on each core
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/.installed  ## style, and who may import whom (pyproject.toml)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("vjax needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

image: $(VENV)/.installed  ## docs/match.png: what `vjax match` writes for the README's bass
	$(BIN)/vjax match tests/data/sounds/bass.wav --note C2 -o runs/image/bass.vital --overwrite
	cp runs/image/bass-vjax.png docs/match.png

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache

# The scores of vjax/shipped/MODEL_CARD.md: presets by authors that the model was not trained on, and the bank it was.
PRESETS ?= ../shared/presets
HELD_OUT = $(PRESETS)/BMuXBeats $(PRESETS)/TheSmallTeaBoi $(PRESETS)/christ-offer
EVALUATE = $(BIN)/vjax evaluate --checkpoint shipped --presets $(HELD_OUT) --bank $(PRESETS)/instatetragrammaton

card: $(VENV)/.installed  ## scores the shipped model; continues where it was stopped
	$(EVALUATE) --out runs/card/all
	$(EVALUATE) --out runs/card/refined --limit 10 --refine-evals 100,500 --no-elsewhere

# The same model on sounds that are not Vital's.
SOUNDS ?= ../shared/sounds

recordings: $(VENV)/.installed  ## continues where it was stopped
	$(BIN)/python benchmarks/recordings.py $(SOUNDS) --bank $(PRESETS)/instatetragrammaton --out runs/card/recordings
