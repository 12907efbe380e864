import numpy as np

from diffusion.forward import VarianceSchedule
from diffusion.images import snapshots
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.device import prepare
from engine.job import job
from engine.progress import follow

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
    steps = -(-len(index) // batch_size) * (sampler.schedule.T + 1)
    process = follow(sampler.in_batches("sample", index, batch_size), "sampling", steps, wait=hardware.wait)
    np.savez(snakemake.output.samples, index=np.array(index), images=snapshots(process)[:, 0].numpy())
