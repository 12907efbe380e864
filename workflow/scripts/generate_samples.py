from pathlib import Path

import numpy as np

from diffusion.forward import VarianceSchedule
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.checkpoints import SavedSampling
from engine.device import prepare
from engine.job import job

params = snakemake.params

with job(snakemake):
    shard, shards = map(int, snakemake.wildcards.scatteritem.split("-of-"))
    index = range(params.total * (shard - 1) // shards, params.total * shard // shards)
    hardware = prepare(snakemake.threads, **params.compute, number=shard - 1)  # each job on the next of several GPUs
    model = UNet.load(snakemake.input.weights, params.network["channels"], params.image_size)
    sampler = Sampler.of(model, VarianceSchedule.linear(**params.schedule), params.seed, hardware)
    saved = SavedSampling.of(snakemake, "generate_samples.py", hardware)
    folder = Path(snakemake.output.samples).parent.parent / "shards_states" / snakemake.wildcards.scatteritem
    images = saved.collect(sampler, "sample", index, folder)
    np.savez(snakemake.output.samples, index=np.array(index), images=images.numpy())
