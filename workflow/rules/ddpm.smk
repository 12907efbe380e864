"""The network that predicts the noise, trained by Algorithm 1. With shipped weights, weights.smk stands in.

In: data/images.npz; the weights that the training goes on from, where ddpm.start names some (fetch_start).
Out: models/ddpm.safetensors, the weights; ddpm.json, what the training was; ddpm_history.csv, its loss (train_ddpm).
"""

if config["ddpm"]["weights"] == "train":

    if config["ddpm"]["start"]:

        rule fetch_start:
            input:
                library=library("fetch_start.py"),
            output:
                **START,
            log:
                "<logs>/fetch_start.log",
            benchmark:
                "<benchmarks>/fetch_start.tsv"
            conda:
                "../../envs/learn.yaml"
            params:
                commit=config["ddpm"]["start"],
                settings={"data": IMAGES, "ddpm": SCHEDULE | NETWORK},
            message:
                "Take the weights of commit {params.commit}, which the training goes on from"
            script:
                "../scripts/fetch_start.py"

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
