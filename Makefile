# Everything runs in .venv, made here from the exact pins and hashes of envs/. Paths are relative, so that a checkout
# may stand in a folder of any name.
PYTHON ?= python3
# How many cores to use; if empty, all that this process may use (see engine/environment.py).
CORES ?=
# Where MNIST lies if not on the internet: a folder or a URL, as in `make laptop MNIST=/data/mnist`.
MNIST ?=
# Fewer samples for a quick look, as in `make shipped SAMPLES=100`, whose results are in results/shipped-100.
SAMPLES ?=
# The preset that `make verify`, `beyond`, `report`, `live` and `estimate` refer to: demo, laptop, shipped or paper.
PRESET ?= demo
# More arguments for Snakemake, as in `make demo ARGS=-n`, or for a benchmark, as in `make bench PARTS=pde
# ARGS="--rounds 3"`.
ARGS ?=
# What `make bench` measures; also `precision`, which takes the weights of a finished run.
PARTS ?= network pde

ifneq ($(realpath $(lastword $(MAKEFILE_LIST))),$(realpath Makefile))
$(error this Makefile works in its own folder: make -C $(dir $(lastword $(MAKEFILE_LIST))) $(MAKECMDGOALS))
endif
override PRESET := $(strip $(value PRESET))

# What the user's variables say to Python, as PYTHONPATH, is meant for other programs.
unexport $(filter PYTHON%,$(.VARIABLES))

# A text as one word of the shell.
quoted = '$(subst ','\'',$1)'

VARIANTS = $(basename $(notdir $(wildcard benchmarks/variants/*.yaml)))
SNAKEMAKE = .venv/bin/python workflow/scripts/start_snakemake.py $(if $(CORES),--cores $(CORES))
# Named by its variable, since an address may hold a password, and make shows its commands.
override export MNIST := $(value MNIST)
MIRROR = $(if $(MNIST),'execution={"mirrors": ["$$MNIST"]}')
# A run of PRESET: its settings lie over those of config.yaml, and over both those that SAMPLES asks for.
RUN = $(PRESET)$(if $(SAMPLES),-$(SAMPLES))
FEWER = $(if $(SAMPLES),results/$(RUN).yaml)
OVERLAYS = $(strip $(if $(filter-out paper,$(PRESET)),presets/$(PRESET).yaml) $(FEWER))
SETTINGS = $(if $(OVERLAYS),--configfile $(OVERLAYS)) $(if $(MIRROR),--config $(MIRROR))
WRITE_FEWER = $(if $(FEWER),mkdir -p results && printf 'preset: $(RUN)\nsamples: {count: $(SAMPLES)}\n' > $(FEWER) && )
# Arguments with which Snakemake does not make what it is asked for, so that there is nothing to show.
PARTIAL = $(shell printf '%s\n' $(ARGS) | grep -Ex -e '-[npFfkq]*n[npFfkq]*|--dry.*|.*dryrun|-[UOSDlhv].*' \
	-e '--(unt|omi|bat|sum|det|dag|rul|fil|d3|lis|lin|unl|hel|ver|del|arc|cle|gen|con.*-(cre|cle)|exp|rep|print-c).*')
WORKFLOW = $(WRITE_FEWER)$(SNAKEMAKE) $(SETTINGS) $(ARGS)

PRESETS = paper $(basename $(notdir $(wildcard presets/*.yaml)))
ifeq ($(filter estimate,$(MAKECMDGOALS)),)  # which takes a file of settings too
ifneq ($(words $(PRESET))$(filter-out $(PRESETS),$(PRESET)),1)
$(error there is no preset '$(PRESET)', a name without blanks: PRESET is one of $(PRESETS))
endif
ifeq ($(shell printf %s $(call quoted,$(PRESET)) | grep -Ex '[A-Za-z0-9_-]+'),)
$(error the preset '$(PRESET)' has a sign in its name that is no letter, digit, '-' or '_': rename its file)
endif
ifneq ($(wildcard presets/paper.yaml),)
$(error presets/paper.yaml is not read, since the preset 'paper' is config.yaml itself: give it another name)
endif
endif
# The value of a variable if it is a whole number from 1 on; else empty.
whole = $(shell printf %s $(call quoted,$(value $1)) | grep -Ex '[1-9][0-9]*')
# The same, if there are at most 50000, as samples.count allows.
few = $(shell printf %s $(call quoted,$(value $1)) | grep -Ex '[1-9][0-9]{0,3}|[1-4][0-9]{4}|50000')
ifneq ($(value SAMPLES),$(call few,SAMPLES))
$(error SAMPLES is '$(value SAMPLES)', but must be a number of samples, from 1 to 50000, in plain digits)
endif
ifneq ($(filter-out all,$(value CORES)),$(call whole,CORES))
$(error CORES is '$(value CORES)', but must be a number of cores, at least 1, or `all`)
endif

# Two of Snakemake's runs at once, as of `make -j verify compare`, would find each other's lock.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo laptop shipped paper verify beyond compare report live weights gallery estimate bench gpu-check quality \
	notebooks lecture test lint format lock clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s%s\n", $$1, $$2 }' Makefile

demo: .venv/workflow  ## all seven figures in minutes, without network or GPU, from scikit-learn's digits
	$(WORKFLOW)

laptop: .venv/workflow  ## the paper's experiment on MNIST, scaled to 40 minutes on two cores
	$(WORKFLOW)

shipped: .venv/workflow  ## the paper's own network on MNIST, from the trained weights in weights/
	$(WORKFLOW)

paper: .venv/workflow  ## the paper's experiment as config.yaml has it; it needs a GPU
	$(WORKFLOW)

demo laptop shipped paper: override PRESET = $@

verify: .venv/workflow  ## the paper's claims with verdicts, from a run of PRESET (demo, or PRESET=laptop, shipped, paper)
	$(WORKFLOW) -- results/$(RUN)/claims/claims.json
	$(if $(PARTIAL),,.venv/bin/python workflow/scripts/show_claims.py results/$(RUN)/claims/claims.json)

beyond: .venv/workflow  ## chapters of ours, on what the paper leaves open: figures, claims, results/PRESET/beyond.pdf
	$(WORKFLOW) -- beyond results/$(RUN)/beyond/claims.json
	$(if $(PARTIAL),,.venv/bin/python workflow/scripts/show_claims.py results/$(RUN)/beyond/claims.json \
	    --numbers results/$(RUN)/beyond/numbers.json)

compare: .venv/workflow  ## a run of PRESET beside its reference in paper/reference/, number by number: did I get what they got?
	@test -f paper/reference/$(PRESET).json || { \
	    echo "error: the preset $(PRESET) has no reference, paper/reference/$(PRESET).json, to compare a run with" >&2; exit 1; }
	$(WORKFLOW) -- results/$(RUN)/numbers.json
	$(if $(PARTIAL),,.venv/bin/python workflow/scripts/compare_run.py results/$(RUN) paper/reference/$(PRESET).json)

report: .venv/workflow  ## Snakemake's report on a finished run of PRESET, one HTML file: results/PRESET/report.html
	@test -f results/$(RUN)/ro-crate-metadata.json || { \
	    echo "error: results/$(RUN) holds no finished run, on which to report: finish it first, as \`make demo\` does" >&2; \
	    exit 1; }
	$(WORKFLOW) --report results/$(RUN)/report.html $(if $(wildcard results/$(RUN)/beyond.pdf),-- all beyond)

live: .venv/workflow  ## the page on which the network of PRESET draws live, in a browser: results/PRESET/live.html
	$(WORKFLOW) -- results/$(RUN)/live.html

weights: .venv/workflow  ## train the network of weights/ further, for hours on two cores, and put its new weights there
	$(SNAKEMAKE) --configfile presets/weights.yaml $(if $(MIRROR),--config $(MIRROR)) $(ARGS) -- ship_weights

gallery: override PRESET = shipped
gallery: .venv/workflow  ## docs/, which the README shows, and the model card of weights/, from a run of the shipped preset
	$(WORKFLOW) -- gallery gallery_beyond write_card

estimate: .venv/workflow  ## how long a preset will take on this machine: make estimate PRESET=laptop
	.venv/bin/python -m benchmarks.estimate $(call quoted,$(PRESET)) $(ARGS)

bench: .venv/peers/ready  ## speed beside diffusers, denoising-diffusion-pytorch, scipy and py-pde, on an idle machine
	for part in $(PARTS); do .venv/peers/bin/python -m benchmarks.$$part $(ARGS) || exit; done

# Without `make`'s environment it runs in any Python that has PyTorch: make gpu-check PYTHON=/path/to/python
gpu-check:  ## does all work on this GPU, and how fast: one command, ten minutes, one JSON; on a CPU a test of itself
	$(or $(wildcard .venv/bin/python),$(PYTHON)) -m benchmarks.gpu_check $(ARGS)

quality: .venv/workflow  ## what minutes of training buy: the demo beside the settings in benchmarks/variants/
	for preset in demo $(VARIANTS); do \
	    overlay=benchmarks/variants/$$preset.yaml; test -f $$overlay || overlay=; \
	    $(SNAKEMAKE) --configfile presets/demo.yaml $$overlay $(ARGS) -- results/$$preset/claims/samples.json || exit; \
	done
	$(if $(PARTIAL),,.venv/bin/python -m benchmarks.quality $(addprefix results/,demo $(VARIANTS)))

notebooks: .venv/notebooks  ## the teaching notebooks, from their sources notebooks/*.py, executed: minutes on two cores
	.venv/bin/python -m notebooks.make $(ARGS)

lecture: .venv/notebooks  ## the teaching notebooks in JupyterLab
	.venv/bin/python -m jupyterlab notebooks $(ARGS)

# Those in integration/ use a browser, signals and time limits, and each all cores: two at a time, which mostly wait.
test: .venv/tests  ## every test
	.venv/bin/python -m pytest tests/unit tests/workflow --numprocesses logical --maxprocesses 4 --dist loadfile; \
	    first=$$?; .venv/bin/python -m pytest tests/integration --numprocesses logical --maxprocesses 2 --dist loadfile \
	    && exit $$first

lint: .venv/tests  ## ruff, snakefmt, the types (pyrefly) and snakemake --lint
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m snakefmt --check Snakefile workflow/rules
	.venv/bin/python -m pyrefly check --summary=none
	.venv/bin/python -m snakemake --lint

format: .venv/tests  ## bring the code into its one form
	.venv/bin/python -m ruff check --fix .
	.venv/bin/python -m ruff format .
	.venv/bin/python -m snakefmt Snakefile workflow/rules

lock: .venv/tests  ## write the locks of envs/ from their short lists
	PATH="$(CURDIR)/.venv/bin:$$PATH" sh envs/lock.sh

clean:  ## remove results/demo (the other results cost hours: remove them by hand)
	$(if $(filter-out demo,$(PRESET)),$(error `make clean` removes results/demo alone: remove results/$(PRESET) by hand))
	rm -rf results/demo

.venv/workflow: envs/workflow.txt
	@$(PYTHON) envs/supported.py
	$(PYTHON) -c 'import os, sys; sys.exit(any(sign in os.getcwd() for sign in "{}:") and \
		"a folder whose name has a brace or a colon cannot be used: rename it, or move this checkout elsewhere")'
	@test -d .venv || ! test -L .venv -o -e .venv || { \
	    echo "error: .venv is a file, or a link to nothing: remove it, or bring back what it led to" >&2; exit 1; }
	$(PYTHON) -m venv "$$(cd .venv 2>/dev/null && pwd -P || echo .venv)"
	.venv/bin/python workflow/scripts/install_packages.py envs/workflow
	touch $@

.venv/notebooks: .venv/workflow envs/notebooks.txt
	.venv/bin/python workflow/scripts/install_packages.py envs/notebooks
	touch $@

.venv/tests: .venv/workflow envs/tests.txt
	.venv/bin/python workflow/scripts/install_packages.py envs/tests
	touch $@

# The peers have an environment of their own, which sees the workflow's packages through a .pth file.
.venv/peers/ready: .venv/workflow benchmarks/peers.txt
	.venv/bin/python -m venv --without-pip .venv/peers
	.venv/peers/bin/python -c 'import pathlib, sysconfig; own = pathlib.Path(sysconfig.get_path("purelib")); \
		(own / "workflow.pth").write_text(f"../../../../lib/{own.parent.name}/site-packages\n")'
	.venv/peers/bin/python workflow/scripts/install_packages.py benchmarks/peers
	touch $@
