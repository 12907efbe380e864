# The steps that the sliders stop at, at most 101 of them: on the page, a step of nine images of noise takes 12 kB.
CLASSROOM_TIMES = [*range(0, config["ddpm"]["T"], -(-config["ddpm"]["T"] // 100)), config["ddpm"]["T"]]


use rule noise_image as noise_image_finely with:
    input:
        library=library("noise_image.py"),
        images="<results>/data/images.npz",
    output:
        data="<results>/classroom/forward.npz",
    log:
        "<logs>/noise_image_finely.log",
    benchmark:
        "<benchmarks>/noise_image_finely.tsv"
    params:
        times=CLASSROOM_TIMES,
    message:
        "The forward process of figure 2 at about a hundred times, for the class room"


use rule denoise_gaussians as denoise_gaussians_finely with:
    input:
        library=library("denoise_gaussians.py"),
        weights="<results>/models/ddpm.safetensors",
    output:
        data="<results>/classroom/backward.npz",
    log:
        "<logs>/denoise_gaussians_finely.log",
    benchmark:
        "<benchmarks>/denoise_gaussians_finely.tsv"
    params:
        times=CLASSROOM_TIMES[::-1],
    message:
        "The backward process of figure 3 at about a hundred times, for the class room"


rule make_classroom:
    input:
        library=library("make_classroom.py"),
        template="workflow/report/classroom.html",
        forward="<results>/classroom/forward.npz",
        backward="<results>/classroom/backward.npz",
        pde="<results>/figures/fig7.npz",
    output:
        page=report(
            "<results>/classroom.html",
            caption="../report/classroom.rst",
            category="Class room",
            labels={"figure": "page", "shows": "three sliders"},
        ),
    log:
        "<logs>/make_classroom.log",
    benchmark:
        "<benchmarks>/make_classroom.tsv"
    conda:
        "../../envs/learn.yaml"
    params:
        preset=config["preset"],
        note=demo_note(),
        schedule=SCHEDULE,
        length=config["pde"]["length"],
    message:
        "Make the page with three sliders for the class room"
    script:
        "../scripts/make_classroom.py"
