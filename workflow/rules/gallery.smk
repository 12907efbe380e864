# A target of its own, outside `all`: it writes into docs/, which is committed.
rule gallery:
    input:
        library=library("make_gallery.py"),
        figures=expand("<results>/figures/fig{n}.png", n=range(1, 8)),
        backward="<results>/classroom/backward.npz",
        numbers="<results>/numbers.json",
    output:
        page="docs/README.md",
        animation="docs/reverse.gif",
        figures=expand("docs/fig{n}.png", n=range(1, 8)),
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
