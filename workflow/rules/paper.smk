"""The run's numbers in one place, and the companion document.

In: what the run measured, its claims, its benchmarks, its figures; paper/, the document's text.
Out: numbers.json for the document and the gallery, numbers.rst and claims/claims.html for the report (gather_numbers);
companion.pdf (typeset_companion).
"""

# Rules whose benchmarks the companion's section on cost adds up. `download_images` is not among them: all presets share its
# files, so only the first run has its benchmark.
COSTS = [
    "prepare_images",
    *(f"{'unpack' if model in SHIPPED else 'train'}_{model}" for model in SETTINGS),
    "categorise_samples",
    "noise_image",
    "denoise_gaussians",
    "denoise_one_gaussian",
    "denoise_training_image",
    "denoise_originals",
    "solve_pde",
    "verify_pde",
    "check_algebra",
    *(f"measure_{what}" for what in MEASURES if what != "algebra"),
]


rule gather_numbers:
    input:
        library=library("gather_numbers.py"),
        captions_template="workflow/scripts/publishing/templates/numbers.rst",
        claims_template="workflow/scripts/publishing/templates/claims.html",
        training="<results>/models/ddpm.json",
        history="<results>/models/ddpm_history.csv",
        classifier="<results>/models/classifier.json",
        confusion="<results>/models/classifier_confusion.csv",
        categories="<results>/samples/categories.csv",
        samples="<results>/samples/summary.json",
        solution="<results>/figures/fig7.npz",
        invariants="<results>/pde/invariants.json",
        convergence="<results>/pde/convergence.csv",
        growth_rates="<results>/pde/growth_rates.csv",
        network="<results>/claims/network.json",
        images="<results>/claims/samples.json",
        records=[RECORDS[model] for model in SHIPPED],
        claims="<results>/claims/claims.json",
        benchmarks=[
            *expand("<benchmarks>/{rule}.tsv", rule=COSTS[:3]),
            gather.samples("<benchmarks>/generate_samples_{scatteritem}.tsv"),
            *expand("<benchmarks>/{rule}.tsv", rule=COSTS[3:]),
        ],
        packages=expand("envs/{list}.in", list=["workflow", "learn", "numerics", "paper"]),
    output:
        numbers="<results>/numbers.json",
        captions="<results>/numbers.rst",
        claims=report(
            "<results>/claims/claims.html",
            caption="../report/claims.rst",
            category="3. Claims",
            labels={"table": "claims and verdicts"},
        ),
    log:
        "<logs>/gather_numbers.log",
    benchmark:
        "<benchmarks>/gather_numbers.tsv"
    group:
        "documents"
    conda:
        "../../envs/learn.yaml"
    params:
        preset=config["preset"],
        note=NOTE,
        weights=config["ddpm"]["weights"],
        settings={
            **(USED if "ddpm" in SHIPPED else SETTINGS)["ddpm"],
            "classifier": {} if "classifier" in SHIPPED else CLASSIFIER,
            "samples": select("samples", "count", "confidence"),
            "figures": select("figures", "training_images", "forward_times", "backward_times", "image"),
            "pde": select("pde", "length", "cells", "dt", "t_end", "amplitudes", "profile_times"),
            "seed": config["seed"],
        },
    message:
        "Gather the run's numbers for the companion document and the report"
    script:
        "../scripts/gather_numbers.py"


rule typeset_companion:
    input:
        library=library("typeset_companion.py"),
        text="paper/companion.typ",
        parts=["paper/style.typ", "paper/format.typ", "paper/references.bib"],
        original="config.yaml",
        captions="workflow/figures.yaml",
        numbers="<results>/numbers.json",
        figures=figures("pdf"),
    output:
        pdf=report(
            "<results>/companion.pdf",
            caption="../report/companion.rst",
            category="1. Companion document",
            labels={"document": "what was reproduced, and how it went"},
        ),
    log:
        "<logs>/typeset_companion.log",
    benchmark:
        "<benchmarks>/typeset_companion.tsv"
    group:
        "documents"
    conda:
        "../../envs/paper.yaml"
    message:
        "Typeset the companion document"
    script:
        "../scripts/typeset_companion.py"
