# `make demo` and `make test` do everything, on a fresh machine too.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN ?= runs/demo
# `full` adds what some tests need besides, Ray and gradio. Without it they are skipped, or fail where CI is set.
EXTRAS ?= dev
comma := ,
INSTALLED := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile

.PHONY: help install demo test test-slow test-all test-spawn lint docs clean card recordings posterior image

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' $(MAKEFILE_LIST) | expand -t 14

install: $(INSTALLED)  ## the virtual environment .venv, with what the tests need; all commands below make it, too

demo: $(INSTALLED)  ## the shipped model on a sound; then a model of your own: render, train, refine, report
	$(BIN)/vjax match tests/data/sounds/rhodes.wav -o $(RUN)/shipped/rhodes.vital
	$(BIN)/vjax train --config tier3:demo --workdir $(RUN)
	$(BIN)/vjax match $(RUN)/listen/0-target.wav --checkpoint $(RUN) -o $(RUN)/match.vital --refine --evals 100
	$(BIN)/vjax evaluate --checkpoint $(RUN) --dataset $(RUN)/data --limit 3 --bank tests/data/presets \
	    --refine-evals 50 --starts prediction,best --out $(RUN)/evaluation
	@echo "The report to listen to: $(RUN)/evaluation/report.html"
	@echo "The page to match your own sounds on: $(BIN)/vjax web"

test: $(INSTALLED)  ## the quick tests: after each change
	$(PYTEST) -m "not slow"

test-slow: $(INSTALLED)  ## the other tests: before a change is shared
	$(PYTEST) -m slow

test-all: $(INSTALLED)  ## every test
	$(PYTEST)

test-spawn: $(INSTALLED)  ## the engine's tests as on a system without fork
	VJAX_START_METHOD=spawn $(PYTEST) -m "not slow" tests/engine tests/vital/test_conversion.py tests/data/test_generate.py

lint: $(INSTALLED)  ## style, types, and who may import whom (pyproject.toml); reports all of them
	@failed=0; run() { echo "$$*"; "$$@" || failed=1; }; \
	run $(BIN)/ruff check .; \
	run $(BIN)/ruff format --check .; \
	run $(BIN)/lint-imports --no-logo; \
	run $(BIN)/basedpyright --pythonpath $(BIN)/python; \
	exit $$failed

docs: $(VENV)/.docs  ## the documentation as a site, build/docs/index.html; a broken link or name is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("vjax needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing vjax and what it needs ($(EXTRAS)) into $(VENV): one to ten minutes, 2.3 GB"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	touch $@

$(VENV)/.docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@

image: $(INSTALLED)  ## docs/match.png: what `vjax match` writes for the README's bass
	$(BIN)/vjax match tests/data/sounds/bass.wav --note C2 -o runs/image/bass.vital --overwrite
	cp runs/image/bass-vjax.png docs/match.png

clean:  ## removes the environment, the site and caches
	rm -rf $(VENV) build/docs .pytest_cache .ruff_cache

# The scores of vjax/shipped/MODEL_CARD.md; docs/reproduce.md explains how to get its presets.
PRESETS ?= ../shared/presets
CARD ?= runs/card
LIMIT ?= 0

# The same model on sounds that are not Vital's.
SOUNDS ?= ../shared/sounds

card: $(INSTALLED)  ## scores the shipped model; continues where it was stopped; LIMIT=2 for a trial of two targets
	$(BIN)/python benchmarks/card.py --presets $(PRESETS) --sounds $(SOUNDS) --out $(CARD) --limit $(LIMIT)

recordings: $(INSTALLED)  ## scores the shipped model on recordings of other instruments; continues where it was stopped
	$(BIN)/vjax evaluate --checkpoint shipped --audio $(SOUNDS) --bank $(PRESETS)/instatetragrammaton --out runs/card/recordings

# The measurements of docs/decisions/0027-posterior.md. 150,000 sounds take about nine hours on two cores, by proportion.
POSTERIOR ?= runs/posterior
N ?= 150000

posterior: $(INSTALLED)  ## makes N sounds, trains a model with a posterior, measures it; continues where it was stopped
	$(BIN)/vjax generate --config configs/posterior.py --n $(N) --seed 11 --presets $(PRESETS)/instatetragrammaton --out $(POSTERIOR)/data
	$(BIN)/vjax train --config configs/posterior.py --config.data.path=$(POSTERIOR)/data --workdir $(POSTERIOR)/run
	$(BIN)/python benchmarks/posterior.py --checkpoint $(POSTERIOR)/run --dataset $(POSTERIOR)/data --draws 64 --json $(POSTERIOR)/renders.json
	$(BIN)/python benchmarks/posterior_structure.py --checkpoint $(POSTERIOR)/run --dataset $(POSTERIOR)/data --json $(POSTERIOR)/structure.json
