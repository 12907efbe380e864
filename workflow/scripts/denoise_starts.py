from pathlib import Path
from typing import Any

import numpy as np

from beyond.start import starts
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.checkpoints import SavedSampling
from engine.device import prepare
from engine.job import job

files, params = snakemake.input, snakemake.params

with job(snakemake):
    digits, schedule = Digits.load(files.images), VarianceSchedule.linear(**params.schedule)
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(files.weights, params.network["channels"], digits.train_images.shape[-1])
    sampler = Sampler.of(model, schedule, params.seed, hardware)
    saved = SavedSampling.of(snakemake, "denoise_starts.py", hardware)
    images: dict[str, Any] = {}
    for name, x_T in starts(digits.train_images, params.pairs, schedule, params.seed).items():
        folder = Path(snakemake.output.images).with_name(f"starts_{name}_states")
        images[name] = saved.collect(sampler, "beyond, start", range(params.pairs), folder, x_T).numpy()
    np.savez(snakemake.output.images, **images)
