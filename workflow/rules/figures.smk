# The steps that the sliders of the classroom's page stop at, at most 101 of them: on the page, a step of nine images of
# noise takes 12 kB.
SLIDER_TIMES = [*range(0, config["ddpm"]["T"], -(-config["ddpm"]["T"] // 100)), config["ddpm"]["T"]]


rule choose_training_images:
    input:
        library=library("choose_training_images.py"),
        images="<results>/data/images.npz",
    output:
        data="<results>/figures/fig1.npz",
    log:
        "<logs>/choose_training_images.log",
    benchmark:
        "<benchmarks>/choose_training_images.tsv"
    conda:
        "../../envs/learn.yaml"
    params:
        total=config["figures"]["training_images"],
        seed=config["seed"],
    message:
        "Choose the training images of figure 1"
    script:
        "../scripts/choose_training_images.py"


rule noise_image:
    input:
        library=library("noise_image.py"),
        images="<results>/data/images.npz",
    output:
        data="<results>/figures/fig2.npz",
        slider="<results>/classroom/forward.npz",
    log:
        "<logs>/noise_image.log",
    benchmark:
        "<benchmarks>/noise_image.tsv"
    conda:
        "../../envs/learn.yaml"
    params:
        schedule=SCHEDULE,
        image=config["figures"]["image"],
        times=config["figures"]["forward_times"],
        slider_times=SLIDER_TIMES,
        seed=config["seed"],
    message:
        "The forward process (2) from a training image, for figure 2 and the classroom"
    script:
        "../scripts/noise_image.py"


rule denoise_gaussians:
    input:
        library=library("denoise_gaussians.py"),
        weights="<results>/models/ddpm.safetensors",
    output:
        data="<results>/figures/fig3.npz",
        slider="<results>/classroom/backward.npz",
    log:
        "<logs>/denoise_gaussians.log",
    benchmark:
        "<benchmarks>/denoise_gaussians.tsv"
    conda:
        "../../envs/learn.yaml"
    threads: config["compute"]["threads"]
    resources:
        gpu=1,
    params:
        network=NETWORK,
        schedule=SCHEDULE,
        image_size=config["data"]["image_size"],
        times=config["figures"]["backward_times"],
        slider_times=SLIDER_TIMES[::-1],
        compute=COMPUTE,
        seed=config["seed"],
    message:
        "Algorithm 2 from nine Gaussians, for figure 3 and the classroom"
    script:
        "../scripts/denoise_gaussians.py"


rule denoise_one_gaussian:
    input:
        library=library("denoise_one_gaussian.py"),
        weights="<results>/models/ddpm.safetensors",
    output:
        data="<results>/figures/fig5.npz",
    log:
        "<logs>/denoise_one_gaussian.log",
    benchmark:
        "<benchmarks>/denoise_one_gaussian.tsv"
    conda:
        "../../envs/learn.yaml"
    threads: config["compute"]["threads"]
    resources:
        gpu=1,
    params:
        network=NETWORK,
        schedule=SCHEDULE,
        image_size=config["data"]["image_size"],
        compute=COMPUTE,
        seed=config["seed"],
    message:
        "Nine runs of Algorithm 2 from one Gaussian, for figure 5"
    script:
        "../scripts/denoise_one_gaussian.py"


rule denoise_training_image:
    input:
        library=library("denoise_training_image.py"),
        weights="<results>/models/ddpm.safetensors",
        forward="<results>/figures/fig2.npz",
    output:
        data="<results>/figures/fig6.npz",
    log:
        "<logs>/denoise_training_image.log",
    benchmark:
        "<benchmarks>/denoise_training_image.tsv"
    conda:
        "../../envs/learn.yaml"
    threads: config["compute"]["threads"]
    resources:
        gpu=1,
    params:
        network=NETWORK,
        schedule=SCHEDULE,
        compute=COMPUTE,
        seed=config["seed"],
    message:
        "Nine runs of Algorithm 2 from a training image carried to t = T, for figure 6"
    script:
        "../scripts/denoise_training_image.py"


rule figure_1:
    input:
        library=library("draw_figure.py"),
        data="<results>/figures/fig1.npz",
    output:
        pdf="<results>/figures/fig1.pdf",
        png=report(
            "<results>/figures/fig1.png",
            caption="../report/fig1.rst",
            category="2. Figures",
            labels={"figure": "1", "shows": "training images"},
        ),
    log:
        "<logs>/figure_1.log",
    benchmark:
        "<benchmarks>/figure_1.tsv"
    conda:
        "../../envs/numerics.yaml"
    params:
        figure=1,
        note=demo_note(),
    message:
        "Draw figure 1: training images"
    script:
        "../scripts/draw_figure.py"


use rule figure_1 as figure_2 with:
    input:
        library=library("draw_figure.py"),
        data="<results>/figures/fig2.npz",
    output:
        pdf="<results>/figures/fig2.pdf",
        png=report(
            "<results>/figures/fig2.png",
            caption="../report/fig2.rst",
            category="2. Figures",
            labels={"figure": "2", "shows": "forward process"},
        ),
    log:
        "<logs>/figure_2.log",
    benchmark:
        "<benchmarks>/figure_2.tsv"
    params:
        figure=2,
        note=demo_note(),
    message:
        "Draw figure 2: the forward process"


use rule figure_1 as figure_3 with:
    input:
        library=library("draw_figure.py"),
        data="<results>/figures/fig3.npz",
    output:
        pdf="<results>/figures/fig3.pdf",
        png=report(
            "<results>/figures/fig3.png",
            caption="../report/fig3.rst",
            category="2. Figures",
            labels={"figure": "3", "shows": "backward process"},
        ),
    log:
        "<logs>/figure_3.log",
    benchmark:
        "<benchmarks>/figure_3.tsv"
    params:
        figure=3,
        note=demo_note(),
    message:
        "Draw figure 3: the backward process"


use rule figure_1 as figure_4 with:
    input:
        library=library("draw_figure.py"),
        data="<results>/figures/fig4.npz",
    output:
        pdf="<results>/figures/fig4.pdf",
        png=report(
            "<results>/figures/fig4.png",
            caption="../report/fig4.rst",
            category="2. Figures",
            labels={"figure": "4", "shows": "samples by category"},
        ),
    log:
        "<logs>/figure_4.log",
    benchmark:
        "<benchmarks>/figure_4.tsv"
    params:
        figure=4,
        note=demo_note(),
    message:
        "Draw figure 4: the samples in their categories"


use rule figure_1 as figure_5 with:
    input:
        library=library("draw_figure.py"),
        data="<results>/figures/fig5.npz",
    output:
        pdf="<results>/figures/fig5.pdf",
        png=report(
            "<results>/figures/fig5.png",
            caption="../report/fig5.rst",
            category="2. Figures",
            labels={"figure": "5", "shows": "nine runs from one Gaussian"},
        ),
    log:
        "<logs>/figure_5.log",
    benchmark:
        "<benchmarks>/figure_5.tsv"
    params:
        figure=5,
        note=demo_note(),
    message:
        "Draw figure 5: nine runs from one Gaussian"


use rule figure_1 as figure_6 with:
    input:
        library=library("draw_figure.py"),
        data="<results>/figures/fig6.npz",
    output:
        pdf="<results>/figures/fig6.pdf",
        png=report(
            "<results>/figures/fig6.png",
            caption="../report/fig6.rst",
            category="2. Figures",
            labels={"figure": "6", "shows": "nine runs from a training image"},
        ),
    log:
        "<logs>/figure_6.log",
    benchmark:
        "<benchmarks>/figure_6.tsv"
    params:
        figure=6,
        note=demo_note(),
    message:
        "Draw figure 6: nine runs from a noised training image"


use rule figure_1 as figure_7 with:
    input:
        library=library("draw_figure.py"),
        data="<results>/figures/fig7.npz",
    output:
        pdf="<results>/figures/fig7.pdf",
        png=report(
            "<results>/figures/fig7.png",
            caption="../report/fig7.rst",
            category="2. Figures",
            labels={"figure": "7", "shows": "norm-preserving PDE"},
        ),
    log:
        "<logs>/figure_7.log",
    benchmark:
        "<benchmarks>/figure_7.tsv"
    params:
        figure=7,
        note=demo_note(),
    message:
        "Draw figure 7: the norm-preserving PDE"


use rule figure_1 as learning_curve with:
    input:
        library=library("draw_figure.py"),
        data="<results>/models/ddpm_history.csv",
    output:
        pdf="<results>/figures/learning_curve.pdf",
        png=report(
            "<results>/figures/learning_curve.png",
            caption="../report/learning_curve.rst",
            category="4. Training",
            labels={"figure": "learning curve", "shows": "loss against images"},
        ),
    log:
        "<logs>/learning_curve.log",
    benchmark:
        "<benchmarks>/learning_curve.tsv"
    params:
        figure="learning_curve",
        note=demo_note(),
    message:
        "Draw the learning curve"
