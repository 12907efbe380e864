from functools import partial
from pathlib import Path

import numpy as np

from diffusion.forward import VarianceSchedule
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.checkpoints import StateFolder, collect, experiment
from engine.device import prepare
from engine.job import job

params = snakemake.params
# The batch size changes no sample, so it is no param: changing it is no reason to generate them again.
wanted = snakemake.config["execution"]["batch_size"]

with job(snakemake):
    shard, shards = map(int, snakemake.wildcards.scatteritem.split("-of-"))
    index = range(params.total * (shard - 1) // shards, params.total * shard // shards)
    hardware = prepare(snakemake.threads, **params.compute, number=shard - 1)  # each job on the next of several GPUs
    batch_size = hardware.at_once(wanted)
    model = UNet.load(snakemake.input.weights, params.network["channels"], params.image_size)
    sampler = Sampler.of(model, VarianceSchedule.linear(**params.schedule), params.seed, hardware)
    # Undeclared, and apart from the shards: Snakemake removes what a failed job declared.
    folder = Path(snakemake.output.samples).parent.parent / "shards_states" / snakemake.wildcards.scatteritem
    states = StateFolder(folder, experiment(snakemake, "generate_samples.py", hardware))
    steps = sampler.schedule.T + 1
    images = collect(partial(sampler.in_batches, "sample"), index, batch_size, steps, states, hardware)
    np.savez(snakemake.output.samples, index=np.array(index), images=images.numpy())
