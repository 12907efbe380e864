"""Chapters beyond the paper, ours and apart from the run: a target of their own, outside `all`.

In: the settings, for some parts data/images.npz, and for those in OF_NETWORK the trained network (beyond.network);
paper/beyond.yaml, the claims with their conditions; paper/beyond.typ and paper/beyond/, the text.
Out: beyond/<part>.json and .npz, what was measured and what the figures show (explore_<part>); beyond/claims.json and
claims.csv, a verdict on each claim (judge_beyond); beyond/numbers.json (gather_beyond); beyond.pdf, the companion's second
part (typeset_beyond). The figures are drawn by figures.smk. Which parts there are, common.smk says.
"""

# ---- forcing: section 7, question (i) --------------------------------------------------------------------------------


rule explore_forcing:
    input:
        library=library("explore_forcing.py"),
    output:
        measures="<results>/beyond/forcing.json",
        data="<results>/beyond/forcing.npz",
    log:
        "<logs>/explore_forcing.log",
    benchmark:
        "<benchmarks>/explore_forcing.tsv"
    conda:
        "../../envs/learn.yaml"
    params:
        seed=config["seed"],
    message:
        "Force the norm-preserving flow by noise, and compare its law with the Bingham distribution"
    script:
        "../scripts/explore_forcing.py"


# ---- all chapters ----------------------------------------------------------------------------------------------------


rule judge_beyond:
    input:
        library=library("judge_claims.py"),
        ledger="paper/beyond.yaml",
        form="workflow/schemas/claims.schema.yaml",
        measures=expand("<results>/beyond/{part}.json", part=EXPLORED),
    output:
        json="<results>/beyond/claims.json",
        csv="<results>/beyond/claims.csv",
    log:
        "<logs>/judge_beyond.log",
    benchmark:
        "<benchmarks>/judge_beyond.tsv"
    group:
        "claims"
    conda:
        "../../envs/numerics.yaml"
    params:
        run=dict(
            preset=config["preset"],
            data=config["data"]["source"],
            demo_note=demo_note(),
            title="Beyond the paper: our claims",
            left_out={
                part: "It takes the trained network, which `beyond.network: true` asks for; this run was not asked."
                for part in OF_NETWORK
                if part not in EXPLORED
            },
        ),
    message:
        "Judge the claims beyond the paper by what was measured"
    script:
        "../scripts/judge_claims.py"


rule gather_beyond:
    input:
        library=library("gather_beyond.py"),
        measures=expand("<results>/beyond/{part}.json", part=EXPLORED),
        claims="<results>/beyond/claims.json",
        benchmarks=expand("<benchmarks>/explore_{part}.tsv", part=EXPLORED),
    output:
        numbers="<results>/beyond/numbers.json",
    log:
        "<logs>/gather_beyond.log",
    benchmark:
        "<benchmarks>/gather_beyond.tsv"
    group:
        "documents"
    conda:
        "../../envs/learn.yaml"
    params:
        preset=config["preset"],
        note=demo_note(),
        settings={"seed": config["seed"], "data": IMAGES, "beyond": config["beyond"]},
        parts=CHAPTERS,
    message:
        "Gather the numbers of the chapters beyond the paper"
    script:
        "../scripts/gather_beyond.py"


rule typeset_beyond:
    input:
        library=library("typeset_companion.py"),
        text="paper/beyond.typ",
        parts=["paper/style.typ", "paper/format.typ", "paper/references.bib"],
        chapters=expand("paper/beyond/{chapter}.typ", chapter=[name for name, parts in PARTS.items() if parts]),
        original="config.yaml",
        captions="workflow/beyond.yaml",
        numbers="<results>/beyond/numbers.json",
        figures=expand("<results>/beyond/{name}.pdf", name=BEYOND),
    output:
        pdf=report(
            "<results>/beyond.pdf",
            caption="../report/beyond.rst",
            category="5. Beyond the paper",
            labels={"document": "chapters of ours, on what the paper leaves open"},
        ),
    log:
        "<logs>/typeset_beyond.log",
    benchmark:
        "<benchmarks>/typeset_beyond.tsv"
    group:
        "documents"
    conda:
        "../../envs/paper.yaml"
    message:
        "Typeset the companion's second part"
    script:
        "../scripts/typeset_companion.py"


rule beyond:
    input:
        "<results>/beyond.pdf",
        expand("<results>/beyond/{name}.png", name=BEYOND),
        multiext("<results>/beyond/claims", ".json", ".csv"),
        "<results>/beyond/numbers.json",
