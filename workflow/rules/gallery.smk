"""The gallery of docs/, which is committed; so it is a target of its own, outside `all`.

In: the figures, the backward process at many steps, numbers.json; the same of the chapters beyond the paper.
Out: docs/README.md, its figures and its animation (gallery); docs/beyond/README.md and its figures (gallery_beyond).
"""


rule gallery:
    input:
        library=library("make_gallery.py"),
        template="workflow/scripts/publishing/templates/gallery.md",
        captions="workflow/figures.yaml",
        figures=figures("png"),
        backward="<results>/classroom/backward.npz",
        numbers="<results>/numbers.json",
    output:
        page="docs/README.md",
        animation="docs/reverse.gif",
        figures=expand("docs/{name}.png", name=FIGURES),
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


rule gallery_beyond:
    input:
        library=library("make_gallery.py"),
        template="workflow/scripts/publishing/templates/gallery_beyond.md",
        captions="workflow/beyond.yaml",
        figures=expand("<results>/beyond/{name}.png", name=BEYOND),
        numbers="<results>/beyond/numbers.json",
    output:
        page="docs/beyond/README.md",
        figures=expand("docs/beyond/{name}.png", name=BEYOND),
    log:
        "<logs>/gallery_beyond.log",
    benchmark:
        "<benchmarks>/gallery_beyond.tsv"
    conda:
        "../../envs/numerics.yaml"
    message:
        "Make the gallery of docs/beyond/ from the run '{config[preset]}'"
    script:
        "../scripts/make_gallery.py"
