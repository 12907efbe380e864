SHOWN = [*(f"fig{n}" for n in range(1, 8)), "learning_curve"]


# A target of its own, outside `all`: it writes into docs/, which is committed.
rule gallery:
    input:
        library=library("make_gallery.py"),
        template="workflow/scripts/publishing/templates/gallery.md",
        captions="workflow/figures.yaml",
        figures=expand("<results>/figures/{name}.png", name=SHOWN),
        backward="<results>/classroom/backward.npz",
        numbers="<results>/numbers.json",
    output:
        page="docs/README.md",
        animation="docs/reverse.gif",
        figures=expand("docs/{name}.png", name=SHOWN),
    log:
        "<logs>/gallery.log",
    benchmark:
        "<benchmarks>/gallery.tsv"
    conda:
        "../../envs/numerics.yaml"
    message:
        "Make the gallery of docs/ from the run '{config[preset]}'"
    script:
        "../scripts/make_gallery.py"
