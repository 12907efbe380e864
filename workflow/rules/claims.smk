"""The paper's claims: what this run measures of each, and the verdicts.

In: the results of all the other rules; paper/claims.yaml, the claims with their conditions.
Out: claims/<file>.json, the measurements (check_algebra, measure_*); claims/claims.json and claims.csv, a verdict on
each claim (judge_claims).
"""


rule check_algebra:
    input:
        library=library("check_algebra.py"),
    output:
        measures="<results>/claims/algebra.json",
    log:
        "<logs>/check_algebra.log",
    benchmark:
        "<benchmarks>/check_algebra.tsv"
    group:
        "equations"
    conda:
        "../../envs/learn.yaml"
    message:
        "Check the paper's algebra with sympy"
    script:
        "../scripts/check_algebra.py"


rule measure_forward:
    input:
        library=library("measure_forward.py"),
        images="<results>/data/images.npz",
        archives=FETCHED,
    output:
        measures="<results>/claims/forward.json",
    log:
        "<logs>/measure_forward.log",
    benchmark:
        "<benchmarks>/measure_forward.tsv"
    group:
        "claims"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    params:
        schedule=SCHEDULE,
        seed=config["seed"],
    message:
        "Measure what is left of the images at t = T, and the leap (8) against the steps (2)"
    script:
        "../scripts/measure_forward.py"


rule measure_sde:
    input:
        library=library("measure_sde.py"),
    output:
        measures="<results>/claims/sde.json",
    log:
        "<logs>/measure_sde.log",
    benchmark:
        "<benchmarks>/measure_sde.tsv"
    group:
        "equations"
    conda:
        "../../envs/learn.yaml"
    params:
        schedule=SCHEDULE,
        seed=config["seed"],
    message:
        "Measure the strong order of (4) and (19) as steps of stochastic differential equations"
    script:
        "../scripts/measure_sde.py"


# The paper's experiment, whatever a preset makes of it in this run.
PAPER = settings_files.load(ROOT / "config.yaml")


rule measure_network:
    input:
        library=library("measure_network.py"),
        images="<results>/data/images.npz",
        summary="<results>/models/ddpm.json",
    output:
        measures="<results>/claims/network.json",
    log:
        "<logs>/measure_network.log",
    benchmark:
        "<benchmarks>/measure_network.tsv"
    group:
        "claims"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    params:
        network=NETWORK,
        schedule=SCHEDULE,
        paper=dict(
            channels=PAPER["ddpm"]["channels"],
            image_size=PAPER["data"]["image_size"],
            epochs=PAPER["ddpm"]["epochs"],
            images=PAPER["ddpm"]["images_per_epoch"],
        ),
        seed=config["seed"],
    message:
        "Count the layers of the paper's network, time it, and measure what its training uses, learns and costs"
    script:
        "../scripts/measure_network.py"


rule denoise_originals:
    input:
        library=library("denoise_originals.py"),
        images="<results>/data/images.npz",
        weights="<results>/models/ddpm.safetensors",
    output:
        data="<results>/samples/originals.npz",
    log:
        "<logs>/denoise_originals.log",
    benchmark:
        "<benchmarks>/denoise_originals.tsv"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
    params:
        **SAMPLER,
        total=config["samples"]["originals"],
    message:
        "One run of Algorithm 2 from each of {params.total} training images carried to t = T"
    script:
        "../scripts/denoise_originals.py"


rule measure_samples:
    input:
        library=library("measure_samples.py"),
        images="<results>/data/images.npz",
        classifier="<results>/models/classifier.safetensors",
        judge="<results>/models/classifier.json",
        figure_3="<results>/figures/fig3.npz",
        figure_4="<results>/figures/fig4.npz",
        figure_5="<results>/figures/fig5.npz",
        figure_6="<results>/figures/fig6.npz",
        returned="<results>/samples/originals.npz",
    output:
        measures="<results>/claims/samples.json",
    log:
        "<logs>/measure_samples.log",
    benchmark:
        "<benchmarks>/measure_samples.tsv"
    group:
        "claims"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    params:
        confidence=config["samples"]["confidence"],
        image=config["figures"]["image"],
        seed=config["seed"],
    message:
        "Measure how recognisable, varied, plausible and novel the samples are"
    script:
        "../scripts/measure_samples.py"


rule measure_pde:
    input:
        library=library("measure_pde.py"),
        solution="<results>/figures/fig7.npz",
        invariants="<results>/pde/invariants.json",
        convergence="<results>/pde/convergence.csv",
        growth_rates="<results>/pde/growth_rates.csv",
    output:
        measures="<results>/claims/pde.json",
    log:
        "<logs>/measure_pde.log",
    benchmark:
        "<benchmarks>/measure_pde.tsv"
    group:
        "equations"
    conda:
        "../../envs/numerics.yaml"
    message:
        "Sum up what the PDE's runs say about section 7"
    script:
        "../scripts/measure_pde.py"


rule judge_claims:
    input:
        library=library("judge_claims.py"),
        ledger="paper/claims.yaml",
        form="workflow/schemas/claims.schema.yaml",
        measures=expand("<results>/claims/{file}.json", file=MEASURES),
    output:
        json="<results>/claims/claims.json",
        csv="<results>/claims/claims.csv",
    log:
        "<logs>/judge_claims.log",
    benchmark:
        "<benchmarks>/judge_claims.tsv"
    group:
        "claims"
    conda:
        "../../envs/numerics.yaml"
    params:
        run=dict(preset=config["preset"], data=config["data"]["source"], demo_note=NOTE),
    message:
        "Judge the paper's claims by what this run measured"
    script:
        "../scripts/judge_claims.py"
