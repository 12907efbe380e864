import numpy as np
import torch

from diffusion.forward import VarianceSchedule
from diffusion.images import snapshots
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.device import prepare
from engine.job import job
from engine.progress import follow
from engine.randomness import generator

params = snakemake.params

with job(snakemake):
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(snakemake.input.weights, params.network["channels"], params.image_size)
    sampler = Sampler.of(model, VarianceSchedule.linear(**params.schedule), params.seed, hardware)
    x_T = torch.randn((1, *sampler.shape), generator=generator(params.seed, "figure 5, Gaussian"))
    process = follow(sampler.process("figure 5", range(9), x_T), "sampling", sampler.schedule.T + 1, wait=hardware.wait)
    x_0 = snapshots(process)[:, 0]
    np.savez(snakemake.output.data, x_T=x_T[0, 0].numpy(), images=x_0[:, 0].numpy())
