CLASSIFYING = select("classifier", "epochs", "batch_size", "learning_rate")
JUDGING = {"data": IMAGES, "classifier": CLASSIFYING}


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
        threads: config["compute"]["threads"]
        resources:
            gpu=1,
        params:
            training=CLASSIFYING,
            device=config["compute"]["device"],
            seed=config["seed"],
        message:
            "Train the independent classifier on real digits and test it"
        script:
            "../scripts/train_classifier.py"
