"""Where the run's results come from.

In: every file of the run, the workflow's own files, the data's archives.
Out: data/sources.json, the data with their SHA-256 (fingerprint_data); ro-crate-metadata.json, which describes the run,
its origin and its results, and provenance/, a copy of the workflow (describe_run).
"""

import re

# Names of the workflow's own files; those of editors and systems do not match.
OURS = re.compile(
    r"\w[\w-]*(\.schema)?(\.(bib|cff|css|csv|html|in|js|json|md|py|pyi|rst|safetensors|sh|smk|txt|typ|yaml))?"
)
# What the workflow consists of. A run's crate holds a copy, so that it explains itself without git.
SOURCES = [
    file.as_posix()
    for pattern in (
        "Snakefile",
        "config.yaml",
        "CITATION.cff",
        "LICENSE",
        "envs/*",
        "paper/*",
        "paper/beyond/*",
        "profiles/default/*",
        "workflow/**/*.*",
        *(["weights/ddpm*", "weights/classifier*", "weights/SHA256SUMS"] if SHIPPED else []),
    )
    for file in sorted(Path().glob(pattern))
    if file.is_file() and all(OURS.fullmatch(part) for part in file.parts)
]


rule fingerprint_data:
    input:
        library=library("fingerprint_data.py"),
        archives=FETCHED,
    output:
        data="<results>/data/sources.json",
    log:
        "<logs>/fingerprint_data.log",
    benchmark:
        "<benchmarks>/fingerprint_data.tsv"
    group:
        "images"
    conda:
        "../../envs/learn.yaml"
    params:
        source=config["data"]["source"],
    message:
        "Take the SHA-256 of the data of '{params.source}'"
    script:
        "../scripts/fingerprint_data.py"


rule describe_run:
    input:
        library=library("describe_run.py"),
        results=targets(),
        intermediate=[
            "<results>/models/ddpm.safetensors",
            "<results>/models/ddpm.json",
            "<results>/models/ddpm_history.csv",
            "<results>/models/classifier.safetensors",
            "<results>/models/classifier.json",
            "<results>/samples/summary.json",
            "<results>/samples/originals.npz",
            "<results>/pde/invariants.json",
            "<results>/numbers.json",
            *expand("<results>/claims/{file}.json", file=MEASURES),
            *expand("<results>/figures/fig{n}.npz", n=range(1, 8)),
        ],
        shards=gather.samples("<results>/samples/shards/{scatteritem}.npz"),
        data="<results>/data/sources.json",
        training="<results>/models/ddpm.json",
        schema="workflow/schemas/config.schema.yaml",
        citation="CITATION.cff",
        environments=expand("envs/{list}.in", list=["learn", "numerics", "paper", "provenance"]),
        sources=SOURCES,
    output:
        crate="<results>/ro-crate-metadata.json",
        workflow_copy=directory("<results>/provenance"),
    log:
        "<logs>/describe_run.log",
    benchmark:
        "<benchmarks>/describe_run.tsv"
    group:
        "documents"
    conda:
        "../../envs/provenance.yaml"
    params:
        agent=config["agent"],
        note=NOTE,
        jobs=names_of_jobs,
    message:
        "Describe the run, its origin and its results in an RO-Crate"
    script:
        "../scripts/describe_run.py"
