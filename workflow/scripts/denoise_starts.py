from pathlib import Path
from typing import Any

import numpy as np

from beyond.start import starts
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.checkpoints import StateFolder, collect, experiment
from engine.device import prepare
from engine.job import job

files, params = snakemake.input, snakemake.params
# The batch size changes no image, so it is no param: changing it is no reason to make them again.
wanted = snakemake.config["execution"]["batch_size"]

with job(snakemake):
    digits, schedule = Digits.load(files.images), VarianceSchedule.linear(**params.schedule)
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(files.weights, params.network["channels"], digits.train_images.shape[-1])
    sampler = Sampler.of(model, schedule, params.seed, hardware)
    pairs, batch_size = range(params.pairs), hardware.at_once(wanted)
    images: dict[str, Any] = {}
    for name, x_T in starts(digits.train_images, params.pairs, schedule, params.seed).items():
        # Undeclared, as in generate_samples.py.
        folder = Path(snakemake.output.images).with_name(f"starts_{name}_states")
        states = StateFolder(folder, experiment(snakemake, "denoise_starts.py", hardware))
        process = lambda left, size, x_T=x_T: sampler.in_batches("beyond, start", left, size, x_T[left.start :])  # noqa: E731
        images[name] = collect(process, pairs, batch_size, schedule.T + 1, states, hardware).numpy()
    np.savez(snakemake.output.images, **images)
