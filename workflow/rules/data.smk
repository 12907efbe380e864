"""The images.

In: the archives of MNIST or of another source, from a mirror or the internet, or the digits that come with scikit-learn.
Out: resources/<source>/, which all presets share (download_images; `fetch` asks for all that needs a network);
data/images.npz, images and labels for training and for testing (prepare_images).
"""

if FETCHED:

    rule download_images:
        input:
            library=library("download_images.py"),
        output:
            archives=FETCHED,
        log:
            "<logs>/download_images.log",
        benchmark:
            "<benchmarks>/download_images.tsv"
        localrule: True
        conda:
            "../../envs/learn.yaml"
        params:
            source=config["data"]["source"],
        message:
            "Fetch the archives of '{params.source}' and check them"
        script:
            "../scripts/download_images.py"


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
