ARCHIVES = [
    f"resources/mnist/{name}-ubyte.gz"
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
]


rule download_mnist:
    input:
        library=library("download_mnist.py"),
    output:
        archives=ARCHIVES,
    log:
        "<logs>/download_mnist.log",
    benchmark:
        "<benchmarks>/download_mnist.tsv"
    conda:
        "../../envs/learn.yaml"
    message:
        "Fetch the four MNIST archives and check them"
    script:
        "../scripts/download_mnist.py"


rule prepare_images:
    input:
        library=library("prepare_images.py"),
        archives=ARCHIVES if config["data"]["source"] == "mnist" else [],
    output:
        images="<results>/data/images.npz",
    log:
        "<logs>/prepare_images.log",
    benchmark:
        "<benchmarks>/prepare_images.tsv"
    conda:
        "../../envs/learn.yaml"
    params:
        source=config["data"]["source"],
        image_size=config["data"]["image_size"],
        seed=config["seed"],
    message:
        "Bring the images of '{params.source}' to {params.image_size}x{params.image_size} pixels"
    script:
        "../scripts/prepare_images.py"


rule fetch:
    input:
        ARCHIVES if config["data"]["source"] == "mnist" else [],
    message:
        "Fetch all that needs a network"
