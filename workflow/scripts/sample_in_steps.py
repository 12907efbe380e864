from dataclasses import replace
from pathlib import Path

import numpy as np

from beyond.steps import SubsequenceSampler, subsequence
from diffusion.forward import VarianceSchedule
from diffusion.unet import UNet
from engine.checkpoints import SavedSampling
from engine.device import prepare
from engine.job import job

params, wildcards, output = snakemake.params, snakemake.wildcards, snakemake.output

with job(snakemake):
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(snakemake.input.weights, params.network["channels"], params.image_size)
    sampler = SubsequenceSampler.of(model, VarianceSchedule.linear(**params.schedule), params.seed, hardware)
    times = subsequence(sampler.schedule.T, int(wildcards.steps))
    sampler = replace(sampler, times=times, eta=float(wildcards.eta))
    folder = Path(output.samples).with_name(f"{Path(output.samples).stem}_states")
    saved = SavedSampling.of(snakemake, "sample_in_steps.py", hardware)
    images = saved.collect(sampler, "sample", range(params.total), folder)
    seconds, images = saved.seconds(folder), images[:, 0].numpy()
    np.savez(output.samples, images=images, seconds=seconds, computed_on=str(hardware))
