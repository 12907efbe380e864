import logging
import time
from pathlib import Path

import torch

from claims.network import label_names, layers, operations
from diffusion.backward import denoising_step
from diffusion.forward import VarianceSchedule
from diffusion.sampling import noise_predictor
from diffusion.unet import UNet
from engine.device import choose_precision, describe, use_threads
from engine.files import read_json, write_json
from engine.job import job

params = snakemake.params
CHANNELS, IMAGE_SIZE, EPOCHS, IMAGES = 64, 32, 500, 60_000  # the paper's network and training
TUTORIALS_IMAGES = 10_000
CARD, PEAK, SECONDS = "RTX 3090", 35.6e12, 35 * 60  # its float32 operations a second, and the paper's time
TOGETHER, TIMED_STEPS = 9, 3

with job(snakemake):
    use_threads(snakemake.threads)
    network = UNet(CHANNELS, IMAGE_SIZE)
    paper = {"parameters": sum(p.numel() for p in network.parameters()), "layers": len(layers(network))}

    _, of_step = operations(CHANNELS, IMAGE_SIZE)
    of_training = of_step * EPOCHS * IMAGES
    arithmetic = {
        "image_visits": EPOCHS * IMAGES,
        "operations": float(of_training),
        "use_of_peak": of_training / (PEAK * SECONDS),
        "use_with_tutorials_images": of_training / (PEAK * SECONDS) * TUTORIALS_IMAGES / IMAGES,
    }

    # images.py says how a file holds images and labels; all else is the training's own code.
    code = [file for file in snakemake.input.training if Path(file).name != "images.py"]
    found = label_names(code)
    labels = {"names": len(found), "files": len(code), "found": ", ".join(found)}

    run = read_json(snakemake.input.summary)
    training = {
        "last_loss": run["last_loss"],
        "parameters": run["parameters"],
        "image_visits": run["image_visits"],
        "minutes": run["seconds"] / 60,
        "device": run["device"],
        "papers_training_on_its_card": run["parameters"] == paper["parameters"]
        and run["image_size"] == IMAGE_SIZE
        and run["image_visits"] >= EPOCHS * IMAGES
        and run["processes"] == 1
        and run["device"].split(",")[0].endswith(CARD),
    }

    # How long a step takes does not depend on the weights' values.
    cpu = torch.device("cpu")
    precision = choose_precision("auto", cpu)
    schedule = VarianceSchedule.linear(params.schedule["T"], params.schedule["beta_1"], params.schedule["beta_T"])
    predict = noise_predictor(network.for_sampling(precision), precision)
    x = torch.randn(TOGETHER, 1, IMAGE_SIZE, IMAGE_SIZE)
    seconds = []
    with torch.no_grad():
        for t in range(schedule.T, max(0, schedule.T - TIMED_STEPS - 1), -1):
            started = time.monotonic()
            x = denoising_step(x, predict(x, torch.tensor([t])), torch.randn_like(x), t, schedule)
            seconds.append(time.monotonic() - started)
    best = min(seconds)  # the first step also plans the memory, and other jobs may run beside
    generation = {
        "images": TOGETHER,
        "minutes": best * schedule.T / 60,
        "seconds_per_image": best * schedule.T / TOGETHER,
        "device": describe(cpu, precision),
    }
    logging.info("%.2f s a step for %d images", best, TOGETHER)
    records = {
        "paper": paper,
        "arithmetic": arithmetic,
        "labels": labels,
        "training": training,
        "generation": generation,
    }
    write_json(snakemake.output.measures, records)
