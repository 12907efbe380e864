from pathlib import Path

import numpy as np

from beyond.decision import NINE, Starts, sampler_from
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from diffusion.unet import UNet
from engine.checkpoints import SavedSampling
from engine.device import prepare
from engine.job import job

params, inputs, output = snakemake.params, snakemake.input, snakemake.output

with job(snakemake):
    t = int(snakemake.wildcards.t)
    digits, schedule = Digits.load(inputs.images), VarianceSchedule.linear(**params.schedule)
    starts = Starts.at(t, digits, params.image, params.total, schedule, params.seed)
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(inputs.weights, params.network["channels"], starts.x_t.shape[-1])
    sampler = sampler_from(t, model, schedule, params.seed, hardware)
    saved = SavedSampling.of(snakemake, "return_digits.py", hardware)
    folder = Path(output.data).with_name(f"t{t}_states")
    runs = saved.collect(sampler, "figure 6", range(NINE), folder / "figure_6", starts.of_figure_6)
    images = saved.collect(sampler, "decision", range(len(starts.noised)), folder / "decision", starts.noised)
    index, images, runs, x_t = (x.numpy() for x in (starts.originals, images[:, 0], runs[:, 0], starts.x_t[0, 0]))
    np.savez(output.data, index=index, images=images, runs=runs, x_t=x_t)
