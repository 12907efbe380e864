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
LEARNED = {"data": select("data", "source", "image_size"), "ddpm": SCHEDULE | NETWORK | TRAINING}


if config["ddpm"]["weights"] == "train":

    rule train_ddpm:
        input:
            library=library("train_ddpm.py"),
            images="<results>/data/images.npz",
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
