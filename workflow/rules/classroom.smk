"""The page for the classroom: the forward process, the backward process and the PDE, each with a slider.

In: classroom/forward.npz and backward.npz, the images at many steps; figures/fig7.npz; the page's template.
Out: classroom.html (make_classroom).
"""


rule make_classroom:
    input:
        library=library("make_classroom.py"),
        template="workflow/scripts/publishing/templates/classroom.html",
        parts=expand("workflow/scripts/publishing/templates/classroom.{kind}", kind=["css", "js"]),
        forward="<results>/classroom/forward.npz",
        backward="<results>/classroom/backward.npz",
        pde="<results>/figures/fig7.npz",
    output:
        page=report(
            "<results>/classroom.html",
            caption="../report/classroom.rst",
            category="Classroom",
            labels={"figure": "page", "shows": "three sliders"},
        ),
    log:
        "<logs>/make_classroom.log",
    benchmark:
        "<benchmarks>/make_classroom.tsv"
    group:
        "documents"
    conda:
        "../../envs/learn.yaml"
    params:
        preset=config["preset"],
        note=NOTE,
        schedule=SCHEDULE,
        length=config["pde"]["length"],
    message:
        "Make the page with three sliders for the classroom"
    script:
        "../scripts/make_classroom.py"
