"""The images.

In: the four MNIST archives, from a mirror or the internet, or the digits that come with scikit-learn.
Out: resources/mnist/, which all presets share (download_mnist; `fetch` asks for all that needs a network);
data/images.npz, images and labels for training and for testing (prepare_images).
"""


rule download_mnist:
    input:
        library=library("download_mnist.py"),
    output:
        archives=ARCHIVES,
    log:
        "<logs>/download_mnist.log",
    benchmark:
        "<benchmarks>/download_mnist.tsv"
    localrule: True
    conda:
        "../../envs/learn.yaml"
    message:
        "Fetch the four MNIST archives and check them"
    script:
        "../scripts/download_mnist.py"


rule prepare_images:
    input:
        library=library("prepare_images.py"),
        archives=FETCHED,
    output:
        images="<results>/data/images.npz",
    log:
        "<logs>/prepare_images.log",
    benchmark:
        "<benchmarks>/prepare_images.tsv"
    group:
        "images"
    conda:
        "../../envs/learn.yaml"
    params:
        **IMAGES,
        seed=config["seed"],
    message:
        "Resize the images of '{params.source}' to {params.image_size}x{params.image_size} pixels"
    script:
        "../scripts/prepare_images.py"


rule fetch:
    input:
        FETCHED,
    message:
        "Fetch everything that needs the internet"
