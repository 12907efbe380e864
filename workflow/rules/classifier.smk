"""The classifier that judges the samples. With shipped weights, weights.smk stands in for this file.

In: data/images.npz.
Out: models/classifier.safetensors, the weights; classifier.json, its accuracy on the test images;
classifier_confusion.csv, which digit it takes for which (train_classifier).
"""

if config["classifier"]["weights"] == "train":

    rule train_classifier:
        input:
            library=library("train_classifier.py"),
            images="<results>/data/images.npz",
        output:
            weights="<results>/models/classifier.safetensors",
            summary="<results>/models/classifier.json",
            confusion="<results>/models/classifier_confusion.csv",
        log:
            "<logs>/train_classifier.log",
        benchmark:
            "<benchmarks>/train_classifier.tsv"
        conda:
            "../../envs/learn.yaml"
        threads: config["execution"]["threads"]
        resources:
            gpu=1,
        params:
            training=CLASSIFIER,
            device=config["compute"]["device"],
            seed=config["seed"],
        message:
            "Train the independent classifier on real digits and test it"
        script:
            "../scripts/train_classifier.py"
