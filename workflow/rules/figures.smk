"""The figures: what each shows is computed by one rule, and drawn by another.

In: data/images.npz, the network's weights, figures/fig4.npz of samples.smk, figures/fig7.npz of pde.smk.
Out: figures/fig<n>.npz, what figures 1, 2, 3, 5 and 6 show, and classroom/*.npz, the same at more steps
(choose_training_images, noise_image, denoise_*); figures/*.pdf and *.png (figure_1, ..., figure_7, learning_curve), as
workflow/figures.yaml says; beyond/*.pdf and *.png, as workflow/beyond.yaml says.
"""

# The steps at which the sliders of the classroom's page stop: at most 101, since nine images of noise take 12 kB
# of it.
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
    group:
        "images"
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
    group:
        "images"
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
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
    params:
        **SAMPLER,
        image_size=config["data"]["image_size"],
        times=config["figures"]["backward_times"],
        slider_times=SLIDER_TIMES[::-1],
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
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
    params:
        **SAMPLER,
        image_size=config["data"]["image_size"],
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
    threads: config["execution"]["threads"]
    resources:
        gpu=1,
    params:
        **SAMPLER,
    message:
        "Nine runs of Algorithm 2 from a training image carried to t = T, for figure 6"
    script:
        "../scripts/denoise_training_image.py"


# Of both, the module that draws them.
DRAWN = [("figures", "publishing.plots", FIGURES), ("beyond", "publishing.beyond", BEYOND)]

for folder, module, name, figure in [(*where, *one) for *where, table in DRAWN for one in table.items()]:

    rule:
        name:
            figure["rule"]
        input:
            library=library("draw_figure.py", module),
            data=f"<results>/{figure['data']}",
        output:
            pdf=f"<results>/{folder}/{name}.pdf",
            png=report(
                f"<results>/{folder}/{name}.png",
                caption=f"../report/{name}.rst",
                category=figure["category"],
                labels={"figure": figure["label"], "shows": figure["shows"]},
            ),
        log:
            f"<logs>/{figure['rule']}.log",
        benchmark:
            f"<benchmarks>/{figure['rule']}.tsv"
        group:
            "documents"
        conda:
            "../../envs/numerics.yaml"
        params:
            module=module,
            figure=figure["function"],
            note=NOTE if figure.get("images", True) else "",
        message:
            figure["message"]
        script:
            "../scripts/draw_figure.py"
