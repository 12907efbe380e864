import json
import logging
import signal
import threading
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from diffusion import parallel
from diffusion.device import choose_device, choose_precision, describe, use_threads
from diffusion.files import StateFolder, fingerprint
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from diffusion.training import TrainingSettings, train
from diffusion.unet import UNet
from job import job

params, output = snakemake.params, snakemake.output
# How many processes share the work changes the result by no more than rounding, so it is no param.
processes = snakemake.config["ddpm"]["gpus"]
parallel.launch(processes)

with job(snakemake):
    use_threads(max(1, snakemake.threads // processes))
    device = parallel.join(choose_device(params.compute["device"]))
    precision = choose_precision(params.compute["precision"], device)
    logging.info("training on %s", describe(device, precision))

    images = Digits.load(snakemake.input.images).train_images
    given = dict(params.training)
    steps = int(given.pop("epochs") * given.pop("images_per_epoch") / given["batch_size"])
    settings = TrainingSettings(seed=params.seed, steps=max(1, steps), **given)
    torch.manual_seed(params.seed)  # the network's first weights
    model = UNet(params.network["channels"], images.shape[-1])
    parameters = sum(p.numel() for p in model.parameters())

    # The states lie beside the outputs, undeclared: Snakemake removes what a failed job declared.
    settings_of_experiment = {name: params[name] for name in ("network", "schedule", "training", "compute", "seed")}
    experiment = fingerprint(
        [Path(snakemake.scriptdir) / "train_ddpm.py", *snakemake.input.library, snakemake.input.images],
        settings_of_experiment | {"torch": torch.__version__},
    )
    states = StateFolder(Path(output.weights).parent / "ddpm_states", experiment)
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())

    # How often a state is saved changes no result, so it is no param: changing it is no reason to train again.
    save_seconds = 60 * snakemake.config["ddpm"]["save_minutes"]
    schedule = VarianceSchedule.linear(params.schedule["T"], params.schedule["beta_1"], params.schedule["beta_T"])
    training = train(model, images, schedule, settings, device, precision, states, save_seconds, asked_to_stop.is_set)

    first = parallel.rank() == 0
    parallel.leave()
    if not first:
        raise SystemExit(0)  # the first process writes the results

    history = pd.DataFrame(training.history)
    summary = {
        "parameters": parameters,
        "training_images": len(images),
        "image_size": images.shape[-1],
        "steps": settings.steps,
        "batch_size": settings.batch_size,
        "image_visits": settings.steps * settings.batch_size,
        "seconds": training.seconds,
        "last_loss": history["loss"].iloc[-1],
        "processes": processes,
        "device": describe(device, precision),
        "torch": torch.__version__,
    }
    history.to_csv(output.history, index=False)
    Path(output.summary).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    save_file(training.weights(), output.weights)
