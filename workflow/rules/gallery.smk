"""The gallery of docs/, which is committed; so it is a target of its own, outside `all`.

In: the figures, the backward process at many steps, numbers.json.
Out: docs/README.md, its figures and its animation (gallery).
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
