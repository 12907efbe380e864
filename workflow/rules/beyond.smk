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
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    params:
        pde=select("pde", "amplitudes", "length"),
        forcing=config["beyond"]["forcing"],
        seed=config["seed"],
    message:
        "Force the norm-preserving flow by noise, and compare its law with the Bingham distribution"
    script:
        "../scripts/explore_forcing.py"


# ---- reversal and digits: section 7, question (ii) ---------------------------------------------------------------------


rule explore_reversal:
    input:
        library=library("explore_reversal.py"),
    output:
        measures="<results>/beyond/reversal.json",
        data="<results>/beyond/reversal.npz",
    log:
        "<logs>/explore_reversal.log",
    benchmark:
        "<benchmarks>/explore_reversal.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    params:
        reversal=config["beyond"]["reversal"],
        seed=config["seed"],
    message:
        "Run the norm-preserving flow backwards, with mollification and with noise"
    script:
        "../scripts/explore_reversal.py"


rule explore_digits:
    input:
        library=library("explore_digits.py"),
        images="<results>/data/images.npz",
    output:
        measures="<results>/beyond/digits.json",
        data="<results>/beyond/digits.npz",
    log:
        "<logs>/explore_digits.log",
    benchmark:
        "<benchmarks>/explore_digits.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    params:
        digits=config["beyond"]["digits"],
        image=config["figures"]["image"],
        seed=config["seed"],
    message:
        "Let digits flow with the norm of their gradient kept, and bring them back"
    script:
        "../scripts/explore_digits.py"


# ---- memory: what the perfect network knows --------------------------------------------------------------------------


rule explore_memory:
    input:
        library=library("explore_memory.py"),
        images="<results>/data/images.npz",
    output:
        measures="<results>/beyond/memory.json",
        data="<results>/beyond/memory.npz",
    log:
        "<logs>/explore_memory.log",
    benchmark:
        "<benchmarks>/explore_memory.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    params:
        schedule=SCHEDULE,
        plan={name: config["beyond"]["memory"][name] for name in ("images", "times", "samples")},
        seed=config["seed"],
    message:
        "The exact minimiser of Algorithm 1's loss over all training images: its loss and its samples"
    script:
        "../scripts/explore_memory.py"


rule explore_memory_digits:
    input:
        library=library("explore_memory_digits.py"),
    output:
        measures="<results>/beyond/memory_digits.json",
        data="<results>/beyond/memory_digits.npz",
    log:
        "<logs>/explore_memory_digits.log",
    benchmark:
        "<benchmarks>/explore_memory_digits.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    params:
        schedule=SCHEDULE,
        plan={
            **{
                name: config["beyond"]["memory"][name]
                for name in ("sizes", "width", "steps", "batch_size", "learning_rate")
            },
            "samples": config["beyond"]["memory"]["small_samples"],
        },
        seed=config["seed"],
    message:
        "Train small networks on {params.plan[sizes]} embedded digits, and count the copies among their samples"
    script:
        "../scripts/explore_memory_digits.py"


rule explore_memory_network:
    input:
        library=library("explore_memory_network.py"),
        images="<results>/data/images.npz",
        weights="<results>/models/ddpm.safetensors",
        samples="<results>/beyond/starts.npz",
    output:
        measures="<results>/beyond/memory_network.json",
        data="<results>/beyond/memory_network.npz",
    log:
        "<logs>/explore_memory_network.log",
    benchmark:
        "<benchmarks>/explore_memory_network.tsv"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
    params:
        **SAMPLER,
        images=config["beyond"]["memory"]["network_images"],
        times=config["beyond"]["memory"]["times"],
    message:
        "Where the trained network stands between the exact minimiser and an affine filter"
    script:
        "../scripts/explore_memory_network.py"


# ---- start: the cost of the 8% that is left at t = T -----------------------------------------------------------------


rule explore_start:
    input:
        library=library("explore_start.py"),
        images="<results>/data/images.npz",
    output:
        measures="<results>/beyond/start.json",
        data="<results>/beyond/start.npz",
    log:
        "<logs>/explore_start.log",
    benchmark:
        "<benchmarks>/explore_start.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    params:
        schedule=SCHEDULE,
        plan={name: config["beyond"]["start"][name] for name in ("lengths", "refinements", "draws")},
        seed=config["seed"],
    message:
        "The errors of Algorithm 2 for Gaussian data, and the chances of the training images from Gaussian starts"
    script:
        "../scripts/explore_start.py"


rule denoise_starts:
    input:
        library=library("denoise_starts.py"),
        images="<results>/data/images.npz",
        weights="<results>/models/ddpm.safetensors",
    output:
        images="<results>/beyond/starts.npz",
    log:
        "<logs>/denoise_starts.log",
    benchmark:
        "<benchmarks>/denoise_starts.tsv"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
    params:
        **SAMPLER,
        pairs=config["beyond"]["start"]["pairs"],
    message:
        "Algorithm 2 from {params.pairs} true starts and from as many Gaussian ones, with the same noise"
    script:
        "../scripts/denoise_starts.py"


rule explore_start_network:
    input:
        library=library("explore_start_network.py"),
        images="<results>/data/images.npz",
        samples="<results>/beyond/starts.npz",
        classifier="<results>/models/classifier.safetensors",
    output:
        measures="<results>/beyond/start_network.json",
        data="<results>/beyond/start_network.npz",
    log:
        "<logs>/explore_start_network.log",
    benchmark:
        "<benchmarks>/explore_start_network.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    params:
        schedule=SCHEDULE,
        confidence=config["samples"]["confidence"],
    message:
        "Compare the trained network's images from true and from Gaussian starts with the Gaussian theory"
    script:
        "../scripts/explore_start_network.py"


# ---- steps: how many steps? ------------------------------------------------------------------------------------------


# The steps and times that are possible with this T: with fewer than config.yaml's not all of them.
STEPS, TIMES = (
    sorted({n for n in config["beyond"][chapter][key] if n < config["ddpm"]["T"]} | {config["ddpm"]["T"]})
    for chapter, key in (("steps", "numbers"), ("decision", "times"))
)


rule explore_steps:
    input:
        library=library("explore_steps.py"),
        images="<results>/data/images.npz",
    output:
        measures="<results>/beyond/steps.json",
        data="<results>/beyond/steps.npz",
    log:
        "<logs>/explore_steps.log",
    benchmark:
        "<benchmarks>/explore_steps.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    params:
        schedule=SCHEDULE,
        seed=config["seed"],
    message:
        "Measure at which order two samplers converge where the score is exact"
    script:
        "../scripts/explore_steps.py"


rule sample_in_steps:
    input:
        library=library("sample_in_steps.py"),
        weights="<results>/models/ddpm.safetensors",
    output:
        samples="<results>/beyond/steps/eta{eta}_{steps}.npz",
    log:
        "<logs>/sample_in_steps_eta{eta}_{steps}.log",
    benchmark:
        "<benchmarks>/sample_in_steps_eta{eta}_{steps}.tsv"
    wildcard_constraints:
        eta="[01]",
        steps="[0-9]+",
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
    params:
        **SAMPLER,
        image_size=config["data"]["image_size"],
        total=config["beyond"]["steps"]["images"],
    message:
        "{params.total} samples in {wildcards.steps} steps with eta = {wildcards.eta}"
    script:
        "../scripts/sample_in_steps.py"


rule explore_steps_network:
    input:
        library=library("explore_steps_network.py"),
        samples=expand("<results>/beyond/steps/eta{eta}_{steps}.npz", eta=[0, 1], steps=STEPS),
        images="<results>/data/images.npz",
        classifier="<results>/models/classifier.safetensors",
    output:
        measures="<results>/beyond/steps_network.json",
        data="<results>/beyond/steps_network.npz",
    log:
        "<logs>/explore_steps_network.log",
    benchmark:
        "<benchmarks>/explore_steps_network.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    params:
        confidence=config["samples"]["confidence"],
        steps=STEPS,
        seed=config["seed"],
    message:
        "Compare what two samplers make of the same network in few steps and in many"
    script:
        "../scripts/explore_steps_network.py"


# ---- decision: when is a digit decided? ------------------------------------------------------------------------------


rule explore_decision:
    input:
        library=library("explore_decision.py"),
        images="<results>/data/images.npz",
    output:
        measures="<results>/beyond/decision.json",
        data="<results>/beyond/decision.npz",
    log:
        "<logs>/explore_decision.log",
    benchmark:
        "<benchmarks>/explore_decision.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    params:
        schedule=SCHEDULE,
        image=config["figures"]["image"],
        seed=config["seed"],
    message:
        "Predict when a digit is decided, and test it where the denoiser is exact"
    script:
        "../scripts/explore_decision.py"


rule return_digits:
    input:
        library=library("return_digits.py"),
        images="<results>/data/images.npz",
        weights="<results>/models/ddpm.safetensors",
    output:
        data="<results>/beyond/decision/t{t}.npz",
    log:
        "<logs>/return_digits_t{t}.log",
    benchmark:
        "<benchmarks>/return_digits_t{t}.tsv"
    wildcard_constraints:
        t="[0-9]+",
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
    params:
        **SAMPLER,
        image=config["figures"]["image"],
        total=config["beyond"]["decision"]["originals"],
    message:
        "Algorithm 2 from t = {wildcards.t}: {params.total} noised test images, and nine times figure 6's image"
    script:
        "../scripts/return_digits.py"


rule explore_decision_network:
    input:
        library=library("explore_decision_network.py"),
        returned=expand("<results>/beyond/decision/t{t}.npz", t=TIMES),
        images="<results>/data/images.npz",
        classifier="<results>/models/classifier.safetensors",
        predicted="<results>/beyond/decision.npz",
    output:
        measures="<results>/beyond/decision_network.json",
        data="<results>/beyond/decision_network.npz",
    log:
        "<logs>/explore_decision_network.log",
    benchmark:
        "<benchmarks>/explore_decision_network.tsv"
    group:
        "beyond"
    conda:
        "../../envs/learn.yaml"
    threads: config["execution"]["threads"]
    params:
        times=TIMES,
        T=config["ddpm"]["T"],
        image=config["figures"]["image"],
        seed=config["seed"],
    message:
        "Measure from which t a noised image returns as the same digit"
    script:
        "../scripts/explore_decision_network.py"


# Benchmark files of the jobs behind the parts that need the network.
MADE = [
    f"<benchmarks>/{job}.tsv"
    for part, jobs in {
        "steps_network": expand("sample_in_steps_eta{eta}_{steps}", eta=[0, 1], steps=STEPS),
        "decision_network": expand("return_digits_t{t}", t=TIMES),
    }.items()
    if part in EXPLORED
    for job in jobs
]


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
            demo_note=NOTE,
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
        benchmarks=expand("<benchmarks>/explore_{part}.tsv", part=EXPLORED) + MADE,
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
        note=NOTE,
        settings={"seed": config["seed"], "data": IMAGES, "beyond": config["beyond"]},
        parts=CHAPTERS,
        helpers=HELPERS,
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
