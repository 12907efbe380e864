import numpy as np
import torch

from diffusion.forward import VarianceSchedule
from diffusion.images import snapshots
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.device import prepare
from engine.job import job
from engine.progress import follow

params = snakemake.params

with job(snakemake):
    forward = np.load(snakemake.input.forward)
    x_T = torch.from_numpy(forward["x_T"])[None, None]
    hardware = prepare(snakemake.threads, **params.compute)
    model = UNet.load(snakemake.input.weights, params.network["channels"], x_T.shape[-1])
    sampler = Sampler.of(model, VarianceSchedule.linear(**params.schedule), params.seed, hardware)
    process = follow(sampler.process("figure 6", range(9), x_T), "sampling", sampler.schedule.T + 1, wait=hardware.wait)
    x_0 = snapshots(process)[:, 0]
    np.savez(snakemake.output.data, x_0=forward["x_0"], x_T=forward["x_T"], images=x_0[:, 0].numpy())
