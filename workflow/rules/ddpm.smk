"""The network that predicts the noise, trained by Algorithm 1. With shipped weights, weights.smk stands in.

In: data/images.npz; the weights that the training goes on from, where ddpm.start names some (take_start).
Out: models/ddpm.safetensors, the weights; ddpm.json, what the training was; ddpm_history.csv, its loss (train_ddpm).
"""

if config["ddpm"]["weights"] == "train":

    if config["ddpm"]["start"]:

        # What the start holds is known by its SHA-256. It is no input, since `ship_weights` may write into the same folder.
        rule take_start:
            input:
                library=library("take_start.py"),
            output:
                **START,
            log:
                "<logs>/take_start.log",
            benchmark:
                "<benchmarks>/take_start.tsv"
            conda:
                "../../envs/learn.yaml"
            params:
                start=config["ddpm"]["start"],
                sha256=config["ddpm"]["start_sha256"],
                settings=USED["ddpm"],
            message:
                "Take the weights of {params.start}, from which the training starts"
            script:
                "../scripts/take_start.py"

    rule train_ddpm:
        input:
            library=library("train_ddpm.py"),
            images="<results>/data/images.npz",
            start=list(START.values()) if config["ddpm"]["start"] else [],
        output:
            weights="<results>/models/ddpm.safetensors",
            summary="<results>/models/ddpm.json",
            history="<results>/models/ddpm_history.csv",
        log:
            "<logs>/train_ddpm.log",
        benchmark:
            "<benchmarks>/train_ddpm.tsv"
        conda:
            "../../envs/learn.yaml"
        threads: config["execution"]["threads"]
        resources:
            gpu=config["execution"]["gpus"],
        params:
            network=NETWORK,
            schedule=SCHEDULE,
            training=TRAINING,
            compute=COMPUTE,
            seed=config["seed"],
        message:
            "Algorithm 1: train the network that predicts the noise"
        script:
            "../scripts/train_ddpm.py"
