NETWORK = select("ddpm", "channels")
SCHEDULE = select("ddpm", "T", "beta_1", "beta_T")
TRAINING = select(
    "ddpm",
    "batch_size",
    "epochs",
    "images_per_epoch",
    "learning_rate",
    "adam_decays",
    "warmup_steps",
    "cosine_decay",
    "averaging",
    "stratified_t",
    "loss_weight_power",
)
COMPUTE = select("compute", "device", "precision")
IMAGES = select("data", "source", "image_size")
# What the use of a trained network depends on, and what else made it.
USED = {"data": IMAGES, "ddpm": SCHEDULE | NETWORK}
LEARNED = USED | {"ddpm": USED["ddpm"] | select("ddpm", "start", "start_sha256") | TRAINING}
START = {
    "weights": "<results>/models/start.safetensors",
    "record": "<results>/models/start.json",
    "history": "<results>/models/start_history.csv",
}


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
                settings=USED,
            message:
                "Take the weights of {params.start}, which the training goes on from"
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
        threads: config["compute"]["threads"]
        resources:
            gpu=config["ddpm"]["gpus"],
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
