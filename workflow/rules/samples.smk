"""The generated images, by Algorithm 2, and what the classifier makes of them.

In: the weights of the network and of the classifier, in models/.
Out: samples/shards/<k>-of-<n>.npz, the images, a file for each of execution.shards jobs (generate_samples);
samples/categories.csv and summary.json, the digit that each is taken for, and figures/fig4.npz, which shows them sorted
(categorise_samples).
"""


rule generate_samples:
    input:
        library=library("generate_samples.py"),
        weights="<results>/models/ddpm.safetensors",
    output:
        samples="<results>/samples/shards/{scatteritem}.npz",
    log:
        "<logs>/generate_samples_{scatteritem}.log",
    benchmark:
        "<benchmarks>/generate_samples_{scatteritem}.tsv"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
    params:
        **SAMPLER,
        image_size=config["data"]["image_size"],
        total=config["samples"]["count"],
    message:
        "Algorithm 2: generate shard {wildcards.scatteritem} of the {params.total} samples"
    script:
        "../scripts/generate_samples.py"


rule categorise_samples:
    input:
        library=library("categorise_samples.py"),
        shards=gather.samples("<results>/samples/shards/{scatteritem}.npz"),
        classifier="<results>/models/classifier.safetensors",
    output:
        categories="<results>/samples/categories.csv",
        summary="<results>/samples/summary.json",
        data="<results>/figures/fig4.npz",
    log:
        "<logs>/categorise_samples.log",
    benchmark:
        "<benchmarks>/categorise_samples.tsv"
    group:
        "claims"
    conda:
        "../../envs/learn.yaml"
    params:
        confidence=config["samples"]["confidence"],
    message:
        "Sort the samples into categories with the classifier"
    script:
        "../scripts/categorise_samples.py"
