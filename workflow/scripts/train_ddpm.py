import logging
import signal
import threading
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from diffusion.training import TrainingSettings, train
from diffusion.unet import UNet
from engine import parallel
from engine.checkpoints import StateFolder, fingerprint
from engine.device import choose_device, choose_precision, describe, use_threads
from engine.files import read_json, write_json
from engine.job import job

params, output = snakemake.params, snakemake.output
# How many processes share the work changes the result by no more than rounding, so it is no param.
processes = snakemake.config["execution"]["gpus"]
parallel.launch(processes)

with job(snakemake):
    use_threads(max(1, snakemake.threads // processes))
    device = parallel.join(choose_device(params.compute["device"]))
    precision = choose_precision(params.compute["precision"], device)
    logging.info("training on %s", describe(device, precision))

    images = Digits.load(snakemake.input.images).train_images
    given = {name: value for name, value in params.training.items() if name != "start"}
    steps = int(given.pop("epochs") * given.pop("images_per_epoch") / given["batch_size"])
    torch.manual_seed(params.seed)  # the network's first weights
    model = UNet(params.network["channels"], images.shape[-1])
    before = {"steps": 0, "image_visits": 0, "seconds": 0.0}
    earlier = []
    if snakemake.input.start:
        weights, record, table = snakemake.input.start
        model.load_state_dict(load_file(weights))
        before = {key: read_json(record)["summary"][key] for key in before}
        earlier.append(pd.read_csv(table))
    # Another seed for every start, or the earlier training's minibatches and noise would come again.
    settings = TrainingSettings(seed=params.seed + before["steps"], steps=max(1, steps), **given)
    parameters = sum(p.numel() for p in model.parameters())

    # The states lie beside the outputs, undeclared: Snakemake removes what a failed job declared.
    settings_of_experiment = {name: params[name] for name in ("network", "schedule", "training", "compute", "seed")}
    experiment = fingerprint(
        [Path(snakemake.scriptdir) / "train_ddpm.py", *snakemake.input],
        settings_of_experiment | {"torch": torch.__version__},
    )
    states = StateFolder(Path(output.weights).parent / "ddpm_states", experiment)
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())

    # How often a state is saved changes no result, so it is no param: changing it is no reason to train again.
    save_seconds = 60 * snakemake.config["execution"]["save_minutes"]
    schedule = VarianceSchedule.linear(params.schedule["T"], params.schedule["beta_1"], params.schedule["beta_T"])
    training = train(model, images, schedule, settings, device, precision, states, save_seconds, asked_to_stop.is_set)

    first = parallel.rank() == 0
    parallel.leave()
    if not first:
        raise SystemExit(0)  # the first process writes the results

    # What is counted is counted from the random weights on.
    history = pd.DataFrame(training.history)
    for column, key in (("step", "steps"), ("images", "image_visits"), ("seconds", "seconds")):
        history[column] += before[key]
    history = pd.concat([*earlier, history], ignore_index=True)
    summary = {
        "parameters": parameters,
        "training_images": len(images),
        "image_size": images.shape[-1],
        "steps": before["steps"] + settings.steps,
        "batch_size": settings.batch_size,
        "image_visits": before["image_visits"] + settings.steps * settings.batch_size,
        "seconds": before["seconds"] + training.seconds,
        "last_loss": history["loss"].iloc[-1],
        "processes": processes,
        "device": describe(device, precision),
        "torch": torch.__version__,
    }
    history.to_csv(output.history, index=False)
    write_json(output.summary, summary)
    save_file(training.weights(), output.weights)
