import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from beyond.steps import SubsequenceSampler, subsequence
from diffusion.forward import VarianceSchedule
from diffusion.unet import UNet
from engine.checkpoints import StateFolder, collect, experiment
from engine.device import prepare
from engine.job import job

params, wildcards, output = snakemake.params, snakemake.wildcards, snakemake.output
# The batch size changes no sample, so it is no param: changing it is no reason to generate them again.
wanted = snakemake.config["execution"]["batch_size"]

with job(snakemake):
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(snakemake.input.weights, params.network["channels"], params.image_size)
    sampler = SubsequenceSampler.of(model, VarianceSchedule.linear(**params.schedule), params.seed, hardware)
    times = subsequence(sampler.schedule.T, int(wildcards.steps))
    process = partial(replace(sampler, times=times, eta=float(wildcards.eta)).in_batches, "sample")
    # Undeclared, as in generate_samples.py.
    folder = Path(output.samples).with_name(f"{Path(output.samples).stem}_states")
    states = StateFolder(folder, experiment(snakemake, "sample_in_steps.py", hardware))
    started, saved = time.monotonic(), states.load()
    images = collect(process, range(params.total), hardware.at_once(wanted), len(times), states, hardware)
    made = len(images) - (len(saved[1]["ends"]) if saved else 0)  # in this sitting, which the time is of
    seconds = (time.monotonic() - started) / made * len(images) if made else float("nan")
    np.savez(output.samples, images=images[:, 0].numpy(), seconds=seconds, computed_on=str(hardware))
